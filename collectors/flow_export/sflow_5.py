"""sFlow version 5 datagrams: the packets that were sampled; counter samples are counted only.

Format: sFlow Version 5 (sflow.org, July 2004), section 5. Addresses, ports and sizes are read from the packet's first
bytes by the packet sensor's decoders; ``octetDeltaCount`` is the size of the IP packet, as NetFlow counts it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from collectors.flow_export.elements import address, hardware_address
from collectors.flow_export.messages import ExportError
from collectors.sensor import decode
from collectors.sensor.community import ICMP, ICMP6, PORTS, TCP
from collectors.sensor.internet import Ip, ip_packet

FLOW, COUNTERS, EXPANDED_FLOW, EXPANDED_COUNTERS = 1, 2, 3, 4
RAW_HEADER, ETHERNET_HEADER = 1, 1
LINKS = {1: decode.ETHERNET, 4: decode.PPP, 11: decode.RAW, 12: decode.RAW}  # header_protocol
MOST_SAMPLES, MOST_PARTS = 1_000, 64
INTERFACE_BITS = 0x3FFFFFFF  # the two bits above say how an interface number is meant
NO_INTERFACE = {0, INTERFACE_BITS}


@dataclass(frozen=True, slots=True)
class Datagram:
    """The sampled packets; ``other`` counts samples of packets that are not IP or have no header."""

    agent: str
    sub_agent: int
    sequence: int
    uptime_ms: int
    flows: tuple[tuple[int, dict[str, Any]], ...]  # (sampled one in, the packet)
    counters: int
    other: int


def read_datagram(datagram: bytes) -> Datagram:
    """All samples of a datagram.

    Raises:
        ExportError: another version, or a length that leads out of the datagram.
    """
    try:
        version, kind = struct.unpack_from("!II", datagram)
        if version != 5 or kind not in (1, 2):
            raise ExportError(f"sFlow version {version}, address type {kind}")
        size = 4 if kind == 1 else 16
        agent = address(datagram[8 : 8 + size])
        sub_agent, sequence, uptime, count = struct.unpack_from("!IIII", datagram, 8 + size)
        if count > MOST_SAMPLES:
            raise ExportError(f"{count} samples in a datagram")
        flows, counters, other = [], 0, 0
        for form, body in _pieces(datagram, 24 + size, count):
            if form in (COUNTERS, EXPANDED_COUNTERS):
                counters += 1
            elif form in (FLOW, EXPANDED_FLOW) and (found := _sample(form, body)):
                flows.append(found)
            else:
                other += 1
    except struct.error as error:
        raise ExportError(f"cut short at {len(datagram)} bytes") from error
    return Datagram(agent, sub_agent, sequence, uptime, tuple(flows), counters, other)


def _pieces(data: bytes, at: int, count: int) -> Iterator[tuple[int, bytes]]:
    for _ in range(count):
        form, length = struct.unpack_from("!II", data, at)
        at += 8
        if at + length > len(data):
            raise ExportError(f"{length} bytes at {at} lead out of the datagram")
        yield form, data[at : at + length]
        at += length


def _sample(form: int, body: bytes) -> tuple[int, dict[str, Any]] | None:
    if form == FLOW:
        _, _, rate, _, _, ingress, egress, count = struct.unpack_from("!8I", body)
        at = 32
    else:
        _, _, _, rate, _, _, _, ingress, _, egress, count = struct.unpack_from("!11I", body)
        at = 44
    if count > MOST_PARTS:
        raise ExportError(f"{count} parts of a sample")
    for kind, part in _pieces(body, at, count):
        if kind == RAW_HEADER and (packet := _packet(part)) is not None:
            for name, value in (("ingressInterface", ingress), ("egressInterface", egress)):
                number = value & INTERFACE_BITS if form == FLOW else value
                if number not in NO_INTERFACE:
                    packet[name] = number
            return max(1, rate), packet
    return None


def _packet(part: bytes) -> dict[str, Any] | None:
    protocol, frame_length, _, size = struct.unpack_from("!IIII", part)
    data = part[16 : 16 + size]
    found = decode.frame(LINKS.get(protocol, -1), data)
    packet = ip_packet(data, found.at) if found.at >= 0 else None
    if packet is None:
        return None
    flow: dict[str, Any] = {
        f"sourceIPv{4 if len(packet.source) == 4 else 6}Address": address(packet.source),
        f"destinationIPv{4 if len(packet.source) == 4 else 6}Address": address(packet.destination),
        "protocolIdentifier": packet.protocol,
        "octetDeltaCount": packet.size,
        "packetDeltaCount": 1,
        "dataLinkFrameSize": frame_length,
    }
    if protocol == ETHERNET_HEADER:
        flow["destinationMacAddress"] = hardware_address(data[:6])
        flow["sourceMacAddress"] = hardware_address(data[6:12])
    if found.vlans:
        flow["vlanId"] = found.vlans[0]
    _add_transport(flow, packet, data)
    return flow


def _add_transport(flow: dict[str, Any], packet: Ip, data: bytes) -> None:
    """Ports, flags, ICMP's type and code: of the first fragment only."""
    if packet.fragment is not None and packet.fragment[1]:
        return
    at, end = packet.at, min(packet.end, len(data))
    if packet.protocol in PORTS and at + 4 <= end:
        source, destination = struct.unpack_from("!HH", data, at)
        flow |= {"sourceTransportPort": source, "destinationTransportPort": destination}
        if packet.protocol == TCP and at + 14 <= end:
            flow["tcpControlBits"] = data[at + 13]
    elif packet.protocol in (ICMP, ICMP6) and at + 2 <= end:
        version = 4 if packet.protocol == ICMP else 6
        flow[f"icmpTypeCodeIPv{version}"] = data[at] << 8 | data[at + 1]
