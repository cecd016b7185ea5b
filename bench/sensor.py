"""How many packets a second? ``python -m bench.sensor``: our sensor beside scapy, dpkt and tshark, in one run.

The capture is generated: 200,000 packets of 4,000 flows, 80 % TCP with payload (TLS hellos and HTTP among it), 20 %
DNS. The sensor makes flow, DNS, TLS and HTTP records and writes them as JSON; scapy and dpkt only dissect each packet.
Time is CPU time of one core, tshark's that of its process. scapy reads a part of the capture, as it takes minutes.
"""

from __future__ import annotations

import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson

from collectors.sensor.capture import open_capture
from collectors.sensor.sensor import Sensor
from tests.sensor.packets import Talk, pcap, udp

PACKETS, FLOWS, DNS_SHARE = 200_000, 4_000, 0.2
SCAPY_PACKETS = 20_000
GOAL, GOAL_BESIDE_SCAPY = 60_000, 10


def client_hello(name: bytes) -> bytes:
    """A TLS 1.2 ClientHello record with a server name."""
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    rest = struct.pack("!HHH", 10, 4, 2) + b"\0\x1d" + struct.pack("!HHHH", 13, 4, 2, 0x0403)
    extensions = sni + rest
    ciphers = struct.pack("!4H", 0x1301, 0x1302, 0xC02F, 0xC030)
    body = b"\x03\x03" + bytes(32) + b"\0" + struct.pack("!H", len(ciphers)) + ciphers + b"\1\0"
    body += struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def conversation(number: int, size: int, rng: random.Random) -> list[bytes]:
    """One TCP flow of ``size`` packets with payload behind its handshake: a TLS hello or HTTP, then data."""
    is_tls = number % 2 == 0
    talk = Talk(443 if is_tls else 80, 1024 + number)
    name = b"host%d.example.vn" % (number % 500)
    if is_tls:
        talk.client(client_hello(name))
        data = b"\x17\x03\x03\x03\xe8" + rng.randbytes(1000)
    else:
        talk.client(b"GET /%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n\r\n" % (number, name))
        length = b"Content-Length: %d\r\n\r\n" % (1005 * (size - 2))
        talk.server(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + length)
        data = rng.randbytes(1005)
    while len(talk.packets) < size + 3:
        talk.server(data)
    return talk.packets[: size + 3]


def question(number: int, *, is_answer: bool) -> bytes:
    """A DNS question or its answer, as a datagram."""
    name = b"\x07host%03d\x07example\x02vn\0" % (number % 1000)
    flags, answers = (0x8180, 1) if is_answer else (0x0100, 0)
    body = struct.pack("!6H", number & 0xFFFF, flags, 1, answers, 0, 0) + name + b"\0\1\0\1"
    if not is_answer:
        return udp(body, 20_000 + number % 2000, 53)
    body += b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"
    return udp(body, 53, 20_000 + number % 2000, source="10.0.0.2", to="10.0.0.1")


def packets() -> list[bytes]:
    """The capture's packets: the flows' packets in turn, DNS between them."""
    rng = random.Random(1)  # the same capture each time
    of_dns, tcp_flows = int(PACKETS * DNS_SHARE), FLOWS - 2000  # 2,000 ports ask for names
    size = (PACKETS - of_dns) // tcp_flows - 3
    queues = [conversation(number, size, rng) for number in range(tcp_flows)]
    tcp = [queue[at] for at in range(size + 3) for queue in queues]
    names = [question(number // 2, is_answer=bool(number % 2)) for number in range(of_dns)]
    mixed: list[bytes] = []
    for at in range(of_dns):
        mixed += tcp[at * 4 : at * 4 + 4]
        mixed.append(names[at])
    return mixed


def by_sensor(path: Path) -> int:
    """Read by the product, to JSON lines that go nowhere."""
    size = 0

    def say(record: dict[str, object]) -> None:
        nonlocal size
        size += len(orjson.dumps(record))

    sensor = Sensor(say)
    for packet in open_capture(path).packets():
        sensor.take(*packet)
    sensor.finish()
    return sensor.packets


def by_scapy(path: Path) -> int:
    """Dissected by scapy, no records."""
    from scapy.layers.dns import DNS
    from scapy.layers.http import HTTP  # noqa: F401 - its layer is bound by the import
    from scapy.layers.l2 import Ether

    number = 0
    for number, packet in enumerate(open_capture(path).packets(), 1):
        Ether(packet[2]).haslayer(DNS)
        if number == SCAPY_PACKETS:
            break
    return number


def by_dpkt(path: Path) -> int:
    """Dissected by dpkt, no records."""
    import dpkt

    number = 0
    for packet in open_capture(path).packets():
        number += 1
        found = dpkt.ethernet.Ethernet(packet[2])
        if isinstance(found.data.data, dpkt.udp.UDP):
            dpkt.dns.DNS(found.data.data.data)
    return number


def by_tshark(path: Path) -> int:
    """Dissected by tshark, the fields of the same records written."""
    fields = ("dns.qry.name", "http.request.uri", "tls.handshake.extensions_server_name")
    wanted = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-r", str(path), "-T", "fields", *wanted]
    done = subprocess.run(command, check=True, capture_output=True)
    return done.stdout.count(b"\n")


def rate(read: Callable[[Path], int], path: Path) -> float:
    """Packets per CPU second, of this process and the programs that it ran."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    started = used()
    count = read(path)
    return count / (used() - started)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.pcap"
        path.write_bytes(pcap(packets()))
        ours = max(rate(by_sensor, path) for _ in range(3))
        print(f"soc-sensor  {ours:10,.0f} packets/s (best of 3; goal {GOAL:,})")
        scapy = 0.0
        for name, read in (("scapy", by_scapy), ("dpkt", by_dpkt), ("tshark", by_tshark)):
            if name == "tshark" and shutil.which("tshark") is None:
                print("tshark      is not installed")
                continue
            try:
                found = rate(read, path)
            except ImportError:
                print(f"{name:11} is not installed")
                continue
            scapy = found if name == "scapy" else scapy
            print(f"{name:11} {found:10,.0f} packets/s; the sensor {ours / found:.1f} x")
    reached = ours >= GOAL and (not scapy or ours >= GOAL_BESIDE_SCAPY * scapy)
    print("reached" if reached else "not reached")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
