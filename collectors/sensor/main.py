"""The command ``soc-sensor``: reads packet captures and prints flows as JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from collectors.sensor.flows import FlowTable, Seen

if TYPE_CHECKING:
    from scapy.packet import Packet

DONE, FOUND, WRONG = 0, 1, 2


def main() -> None:
    """Entry point."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Print the flows of each file; 0 done, 2 a file cannot be read."""
    parser = argparse.ArgumentParser(
        "soc-sensor",
        description="Reads packet captures and prints their flows as JSON lines with ECS names.",
        epilog="example: soc-sensor trace.pcap | head",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.pcap")
    asked = parser.parse_args(arguments)
    return max(_print_flows(path) for path in asked.files)


def _print_flows(path: Path) -> int:
    from scapy.error import Scapy_Exception

    table = FlowTable()
    try:
        for seen in packets(path):
            if ended := table.take(seen):
                print(json.dumps(ended.to_record()))
    except (OSError, EOFError, Scapy_Exception) as error:
        print(f"soc-sensor: {path} cannot be read: {error}", file=sys.stderr)
        return WRONG
    for flow in table.rest():
        print(json.dumps(flow.to_record()))
    return DONE


def packets(path: Path) -> Iterator[Seen]:
    """The IP packets of a capture, in the order of the file.

    Raises:
        OSError, EOFError, Scapy_Exception: no file, or no capture.
    """
    import scapy.layers.l2  # noqa: F401 - teaches scapy to read Ethernet
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import PcapReader

    with PcapReader(str(path)) as reader:
        for packet in reader:
            if packet.haslayer(IP):
                yield _seen(packet, packet[IP], int(packet[IP].proto), int(packet[IP].len or 0))
            elif packet.haslayer(IPv6):
                size = int(packet[IPv6].plen or 0) + 40
                yield _seen(packet, packet[IPv6], int(packet[IPv6].nh), size)


def _seen(packet: Packet, internet: Packet, protocol: int, size_bytes: int) -> Seen:
    from scapy.layers.inet import TCP, UDP

    layer = next((packet[kind] for kind in (TCP, UDP) if packet.haslayer(kind)), None)
    if layer is not None:
        protocol = 6 if isinstance(layer, TCP) else 17
    return Seen(
        time=float(packet.time),
        source=internet.src,
        destination=internet.dst,
        source_port=None if layer is None else int(layer.sport),
        destination_port=None if layer is None else int(layer.dport),
        protocol=protocol,
        size_bytes=size_bytes or len(internet),
    )


if __name__ == "__main__":
    main()
