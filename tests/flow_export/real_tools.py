"""softflowd as an exporter, and nfdump as another reader of the same datagrams."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collectors.sensor.community import ICMP, ICMP6
from tests.conftest import missing

Row = tuple[str, str, int, int, int, int, int]
"""Source, destination, ports, protocol, bytes, packets."""


def tool(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        missing(name)
        raise AssertionError
    return found


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def export(capture: Path, version: int, folder: Path, *options: str) -> list[bytes]:
    """The datagrams that softflowd sends for a capture, which it reads as a user of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="flows", dir="/tmp") as open_to_all,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        Path(open_to_all).chmod(0o755)
        shutil.copy(capture, Path(open_to_all, "a.pcap"))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        one.bind(("127.0.0.1", 0))
        one.settimeout(0.5)
        command = [tool("softflowd"), "-r", "a.pcap", "-n", f"127.0.0.1:{one.getsockname()[1]}"]
        command += [
            "-v",
            str(version),
            "-d",
            "-p",
            "pid",
            "-c",
            "ctl",
        ]
        # It reads the capture at once and then stays; told to end, it exports what it holds.
        exporter = subprocess.Popen(
            [*command, *options],
            cwd=open_to_all,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(3)
        exporter.terminate()
        try:
            exporter.wait(10)
        finally:
            exporter.kill()
        datagrams = []
        with contextlib.suppress(TimeoutError):
            while True:
                datagrams.append(one.recv(65_535))
    return datagrams


def read_by_nfdump(datagrams: Iterable[bytes], folder: Path) -> list[dict[str, Any]]:
    """What nfcapd and nfdump make of the datagrams."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    command = [
        tool("nfcapd"),
        "-4",
        "-b",
        "127.0.0.1",
        "-p",
        str(port),
        "-w",
        str(folder),
        "-t",
        "3600",
    ]
    collector = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            for datagram in datagrams:
                one.sendto(datagram, ("127.0.0.1", port))
                time.sleep(0.002)
        time.sleep(1.5)
    finally:
        collector.terminate()
        collector.wait(10)
    rows: list[dict[str, Any]] = []
    for file in sorted(folder.glob("nfcapd.*")):
        command = [tool("nfdump"), "-N", "-r", str(file), "-o", "json"]
        said = subprocess.run(command, check=True, capture_output=True).stdout.decode()
        objects = said[said.find("{") : said.rfind("}") + 1]
        rows += json.loads(f"[{objects}]")
    return rows


def wait_for_port(port: int) -> None:
    for _ in range(100):
        if f":{port:04X} " in Path("/proc/net/udp").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("nfcapd did not open its port")


def row_of_nfdump(said: dict[str, Any]) -> Row:
    source = said.get("src4_addr") or said.get("src6_addr") or ""
    destination = said.get("dst4_addr") or said.get("dst6_addr") or ""
    protocol = int(said.get("proto", 0))
    ports = int(said.get("src_port", 0)), int(said.get("dst_port", 0))
    if protocol in (ICMP, ICMP6):
        ports = int(said.get("icmp_type", 0)), int(said.get("icmp_code", 0))
    return (
        source,
        destination,
        *ports,
        protocol,
        int(said.get("in_bytes", 0)),
        int(said.get("in_packets", 0)),
    )


def row_of_ours(fields: dict[str, Any]) -> Row:
    protocol = int(fields.get("network.iana_number", 0))
    ports = fields.get("source.port", 0), fields.get("destination.port", 0)
    if protocol in (ICMP, ICMP6):
        ports = fields.get("flow_export.icmp_type", 0), fields.get("flow_export.icmp_code", 0)
    counts = fields.get("source.bytes", 0), fields.get("source.packets", 0)
    return fields.get("source.ip", ""), fields.get("destination.ip", ""), *ports, protocol, *counts


def write_capture(path: Path) -> None:
    """A small capture: TCP both ways, UDP, ICMP and IPv6."""
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    one, two = bytes([10, 1, 2, 3]), bytes([192, 0, 2, 9])
    six, seven = (
        bytes.fromhex("20010db8" + "00" * 11 + "01"),
        bytes.fromhex("20010db8" + "00" * 11 + "02"),
    )
    tcp = lambda a, b, flags: struct.pack("!HHIIBBHHH", a, b, 1, 1, 0x50, flags, 100, 0, 0)  # noqa: E731
    packets = []
    for number in range(40):
        port = 40_000 + number
        packets += [
            (one, two, 6, tcp(port, 443, 2)),
            (two, one, 6, tcp(443, port, 18) + b"x" * number),
        ]
        packets += [(one, two, 17, struct.pack("!HHHH", port, 53, 8 + number, 0) + b"q" * number)]
    packets += [(one, two, 1, b"\x08\0\0\0\0\1\0\1ping"), (two, one, 1, b"\0\0\0\0\0\1\0\1ping")]
    packets += [(six, seven, 17, struct.pack("!HHHH", 5_000, 53, 12, 0) + b"abcd")] * 3
    for place, (source, destination, protocol, body) in enumerate(packets):
        if len(source) == 4:
            size = 20 + len(body)
            head = struct.pack(
                "!BBHHHBBH4s4s", 69, 0, size, place, 0, 64, protocol, 0, source, destination
            )
            kind = b"\x08\0"
        else:
            head = struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, 64, source, destination)
            kind = b"\x86\xdd"
        frame = bytes(12) + kind + head + body
        content += (
            struct.pack(
                "<IIII", 1_700_000_000 + place // 50, place % 50 * 1000, len(frame), len(frame)
            )
            + frame
        )
    path.write_bytes(content)
