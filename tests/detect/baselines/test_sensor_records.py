"""Strangers and generators as packets: the sensor hears them, its reader makes events, the detectors find them."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from collectors.sensor.sensor import Sensor
from collectors.sources import sensor as reader
from soc.detect.baselines.finding import Finding
from soc.model.event import RawRecord
from tests.detect.baselines.flows import detectors, findings
from tests.sensor.packets import SECOND, START, ethernet, ip, udp

DAY = 86_400


def found_in(packets: Iterable[tuple[float, bytes]]) -> list[Finding]:
    """``packets`` with their seconds from the start."""
    records: list[dict[str, Any]] = []
    listening = Sensor(records.append)
    for at, packet in packets:
        listening.take(START + int(at * SECOND), 1, packet, len(packet))
    listening.finish()
    now = datetime.now(UTC)
    raw = (RawRecord(orjson.dumps(one), "sensor", received_at=now) for one in records)
    return findings((event for one in raw for event in reader.read(one)), detectors())


def advertisement(router: str) -> bytes:
    """RFC 4861, 4.2, with one prefix (4.6.2)."""
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 1800, 0)
    prefix += socket.inet_pton(socket.AF_INET6, "fd00:20::")
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
    return ethernet(ip(router, "ff02::1", 58, body))


def offer(server: str) -> bytes:
    """RFC 2131: a reply with the message type 2 (RFC 2132, 9.6) and the server's own address (9.7)."""
    head = struct.pack("!BBBBIHH", 2, 1, 6, 0, 0x1234, 0, 0x8000)
    addresses = bytes(4) + socket.inet_aton("10.14.1.50") + bytes(8)
    options = b"\x63\x82\x53\x63\x35\x01\x02\x36\x04" + socket.inet_aton(server) + b"\xff"
    body = head + addresses + b"\x02\x00\x00\x00\x00\x09".ljust(16, b"\0") + bytes(192) + options
    return udp(body, 67, 68, source=server, to="255.255.255.255")


def answered(number: int, label: str) -> list[bytes]:
    """A question for a domain, and that it does not exist (RFC 1035, 4.1.1: response code 3)."""
    question = bytes([len(label)]) + label.encode() + b"\x03com\x00\x00\x01\x00\x01"
    asks = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question
    says = struct.pack("!HHHHHH", number, 0x8183, 1, 0, 0, 0) + question
    client, server = {"source": "10.14.1.9", "to": "10.8.2.53"}, {"source": "10.8.2.53", "to": "10.14.1.9"}  # fmt: skip
    port = 40_000 + number
    return [udp(asks, port, 53, **client), udp(says, 53, port, **server)]


def test_a_router_that_the_network_did_not_have_is_found():
    known = [(n * 600.0, advertisement("fe80::1")) for n in range(200)]
    assert found_in(known) == []
    (found,) = found_in([*known, (1.5 * DAY, advertisement("fe80::66"))])
    assert (found.rule.id, found.entity) == ("soc-rogue-server", "source.ip:fe80::66")
    assert found.numbers["known"] == ["fe80::1"]


def test_a_dhcp_server_that_the_network_did_not_have_is_found():
    known = [(n * 3_600.0, offer("10.14.1.1")) for n in range(36)]
    assert found_in(known) == []
    (found,) = found_in([*known, (1.5 * DAY, offer("10.14.1.66"))])
    assert (found.rule.id, found.entity) == ("soc-rogue-server", "source.ip:10.14.1.66")


def test_domains_of_a_generator_are_found_and_their_asker_is_named():
    """Not the server that answers."""
    chance, packets = random.Random(4), []
    for n in range(50):
        label = "".join(chance.choices("bcdfghjklmnpqrstvwxz0123456789", k=14))
        packets += [(n * 20 + part / 100, one) for part, one in enumerate(answered(n, label))]
    (found,) = found_in(packets)
    assert (found.rule.id, found.entity) == ("soc-dns-made-up", "source.ip:10.14.1.9")
