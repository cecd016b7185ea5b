"""ICMP and ICMPv6 messages that say something: errors with the flow they are about, redirects, router advertisements.

Formats: RFC 792, RFC 4443, RFC 4861, RFC 8106. Echoes are flows, and make no records of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from collectors.sensor.community import ICMP, ICMP6, PORTS, community_id
from collectors.sensor.flows import TRANSPORTS, address_text
from collectors.sensor.internet import ip_packet

NAMES = {3: "unreachable", 5: "redirect", 11: "time_exceeded", 12: "parameter_problem"}
NAMES |= {4: "source_quench"}
NAMES6 = {1: "unreachable", 2: "packet_too_big", 3: "time_exceeded", 4: "parameter_problem"}
NAMES6 |= {134: "router_advertisement", 137: "redirect"}
ADVERTISEMENT, REDIRECT6, REDIRECT = 134, 137, 5
PREFIX, DNS_SERVERS, LINK_ADDRESS = 3, 25, 1


def read(is_v6: bool, data: bytes) -> Iterator[dict[str, Any]]:
    """The fields of a message, if it is one that we keep."""
    if len(data) < 8:
        return
    kind, code = data[0], data[1]
    name = (NAMES6 if is_v6 else NAMES).get(kind)
    if name is None:
        return
    fields: dict[str, Any] = {
        "event.action": name,
        "sensor.icmp.type": kind,
        "sensor.icmp.code": code,
    }
    if is_v6 and kind == ADVERTISEMENT:
        fields |= _advertisement(data)
    elif is_v6 and kind == REDIRECT6:
        if len(data) >= 40:
            fields["sensor.icmp.gateway_ip"] = address_text(data[8:24])
    else:
        if kind == REDIRECT and not is_v6:
            fields["sensor.icmp.gateway_ip"] = address_text(data[4:8])
        fields |= _about(data, 8)
    yield fields


def _about(data: bytes, at: int) -> dict[str, Any]:
    """The flow that an error is about: its packet's first bytes are quoted."""
    packet = ip_packet(data, at)
    if packet is None:
        return {}
    ports = data[packet.at : packet.at + 4] if packet.protocol in PORTS else b""
    fields: dict[str, Any] = {
        "sensor.icmp.about.source_ip": address_text(packet.source),
        "sensor.icmp.about.destination_ip": address_text(packet.destination),
        "sensor.icmp.about.transport": TRANSPORTS.get(packet.protocol, str(packet.protocol)),
    }
    if len(ports) == 4:
        one, two = int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:], "big")
        fields["sensor.icmp.about.source_port"] = one
        fields["sensor.icmp.about.destination_port"] = two
    elif packet.protocol in (ICMP, ICMP6) or packet.protocol in PORTS:
        return fields
    else:
        one = two = 0
    fields["sensor.icmp.about.community_id"] = community_id(
        packet.protocol, packet.source, packet.destination, one, two
    )
    return fields


def _advertisement(data: bytes) -> dict[str, Any]:
    """What a router says of itself: who answers as a router that is none, reroutes the network."""
    if len(data) < 16:
        return {}
    fields: dict[str, Any] = {
        "sensor.icmp.router.lifetime": data[6] << 8 | data[7],
        "sensor.icmp.router.is_managed": bool(data[5] & 0x80),
    }
    at = 16
    while at + 8 <= len(data) and data[at + 1]:
        kind, size = data[at], data[at + 1] * 8
        option = data[at : at + size]
        if kind == PREFIX and len(option) >= 32:
            said = f"{address_text(option[16:32])}/{min(option[2], 128)}"
            fields.setdefault("sensor.icmp.router.prefixes", []).append(said)
        elif kind == DNS_SERVERS:
            for start in range(8, len(option) - 15, 16):
                found = address_text(option[start : start + 16])
                fields.setdefault("sensor.icmp.router.dns_servers", []).append(found)
        elif kind == LINK_ADDRESS and len(option) >= 8:
            fields["sensor.icmp.router.mac"] = option[2:8].hex(":")
        at += size
    return fields
