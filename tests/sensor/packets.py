"""Hand-made packets, and a sensor that listens to them."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from collectors.sensor.capture import open_capture
from collectors.sensor.sensor import Limits, Sensor

START = 1_700_000_000_000_000  # µs
SECOND = 1_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


def ip(source: str, destination: str, protocol: int, payload: bytes, *, fragment: int = 0) -> bytes:
    """An IP packet; ``fragment`` is the IPv4 field of flags and offset."""
    one, two = ipaddress.ip_address(source).packed, ipaddress.ip_address(destination).packed
    if len(one) == 16:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + one + two + payload
    size = 20 + len(payload)
    return (
        struct.pack("!BBHHHBBH", 0x45, 0, size, 7, fragment, 64, protocol, 0) + one + two + payload
    )


def ethernet(packet: bytes, *tags: int) -> bytes:
    """An Ethernet frame around an IP packet, with VLAN tags."""
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    head = bytes.fromhex("020000000002020000000001")
    return head + b"".join(b"\x81\x00" + struct.pack("!H", tag) for tag in tags) + kind + packet


def udp(
    payload: bytes, sport: int = 40000, dport: int = 53, *, source: str = CLIENT, to: str = SERVER
) -> bytes:
    """A UDP datagram in Ethernet."""
    body = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    return ethernet(ip(source, to, 17, body))


def segment(
    payload: bytes,
    sport: int = 40000,
    dport: int = 80,
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = PSH | ACK,
    source: str = CLIENT,
    to: str = SERVER,
) -> bytes:
    """A TCP segment in Ethernet."""
    head = struct.pack(
        "!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 0, 0, 0
    )
    return ethernet(ip(source, to, 6, head + payload))


class Talk:
    """Both ends of a TCP connection: says the packets of what they tell each other."""

    def __init__(self, dport: int = 80, sport: int = 40000, *, handshake: bool = True) -> None:
        self.dport, self.sport = dport, sport
        self.next = {True: 1000, False: 5000}
        self.packets: list[bytes] = []
        if handshake:
            self.add(True, b"", flags=SYN)
            self.next[True] += 1
            self.add(False, b"", flags=SYN | ACK)
            self.next[False] += 1
            self.add(True, b"", flags=ACK)

    def made(self, from_client: bool, payload: bytes, *, seq: int, flags: int = PSH | ACK) -> bytes:
        """One packet at a place of the stream that is named."""
        ack = self.next[not from_client]
        if from_client:
            return segment(payload, self.sport, self.dport, seq=seq, ack=ack, flags=flags)
        return segment(
            payload, self.dport, self.sport, seq=seq, ack=ack, flags=flags, source=SERVER, to=CLIENT
        )

    def add(self, from_client: bool, payload: bytes, *, flags: int = PSH | ACK) -> None:
        self.packets.append(
            self.made(from_client, payload, seq=self.next[from_client], flags=flags)
        )
        self.next[from_client] += len(payload)

    def client(self, payload: bytes, *, size: int = 1400) -> Talk:
        return self._say(True, payload, size)

    def server(self, payload: bytes, *, size: int = 1400) -> Talk:
        return self._say(False, payload, size)

    def lose(self, from_client: bool, payload: bytes) -> Talk:
        """Bytes that were sent and that the sensor never sees."""
        self.next[from_client] += len(payload)
        return self

    def close(self) -> Talk:
        self.add(True, b"", flags=FIN | ACK)
        self.next[True] += 1
        self.add(False, b"", flags=FIN | ACK)
        return self

    def _say(self, from_client: bool, payload: bytes, size: int) -> Talk:
        for at in range(0, len(payload), size):
            self.add(from_client, payload[at : at + size])
        return self


def heard(
    packets: Iterable[bytes], *, link: int = 1, step_us: int = 1000, **options: Any
) -> list[dict[str, Any]]:
    """The records of some packets."""
    records: list[dict[str, Any]] = []
    sensor = Sensor(records.append, **options)
    for number, packet in enumerate(packets):
        sensor.take(START + number * step_us, link, packet, len(packet))
    sensor.finish()
    return records


def only(records: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The records of one kind."""
    return [record for record in records if record["record"] == kind]


def heard_file(path: Path, **options: Any) -> list[dict[str, Any]]:
    """The records of a capture file."""
    records: list[dict[str, Any]] = []
    sensor = Sensor(records.append, limits=Limits(), **options)
    for packet in open_capture(path).packets():
        sensor.take(*packet)
    sensor.finish()
    return records


def pcap(packets: Iterable[bytes], *, link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    """A capture file of packets a millisecond apart."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for number, packet in enumerate(packets):
        second, rest = divmod(START + number * 1000, SECOND)
        fraction = rest * 1000 if nano else rest
        out.append(struct.pack(order + "IIII", second, fraction, len(packet), len(packet)) + packet)
    return b"".join(out)
