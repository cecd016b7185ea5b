"""NetFlow v5 datagrams: a head of 24 bytes and up to thirty flows of 48 (Cisco, "NetFlow Export
Datagram Format")."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from collectors.flow_export.messages import ExportError

HEAD = struct.Struct("!HHIIIIBBH")
FLOW = struct.Struct("!4s4s4sHHIIIIHHxBBBHHBBxx")
GREATEST_COUNT = 30
SAMPLING_INTERVAL = 0x3FFF  # the two bits above it name the mode


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow as it was exported; packets and bytes are not scaled, uptimes are in ms and wrap at 2**32."""

    source: bytes
    destination: bytes
    next_hop: bytes
    ingress: int
    egress: int
    packets: int
    octets: int
    first_uptime_ms: int
    last_uptime_ms: int
    source_port: int
    destination_port: int
    tcp_flags: int
    protocol: int
    type_of_service: int
    source_as: int
    destination_as: int
    source_prefix: int
    destination_prefix: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """The flows of one datagram; ``sampled_one_in`` is 1 where all packets were counted."""

    uptime_ms: int
    exported_s: int
    exported_ns: int
    sequence: int  # of its first flow
    engine: tuple[int, int]
    sampled_one_in: int
    flows: tuple[Flow, ...]


def read_datagram(datagram: bytes) -> Datagram:
    """All flows of a datagram.

    Raises:
        ExportError: another version, too short for its count, or a count that v5 does not have.
    """
    if len(datagram) < HEAD.size:
        raise ExportError(f"cut short at {len(datagram)} bytes")
    version, count, uptime, at, ns, sequence, kind, engine, sampling = HEAD.unpack_from(datagram)
    if version != 5:
        raise ExportError(f"version {version}")
    if count > GREATEST_COUNT or HEAD.size + count * FLOW.size > len(datagram):
        raise ExportError(f"{count} flows in {len(datagram)} bytes")
    body = datagram[HEAD.size : HEAD.size + count * FLOW.size]
    flows = tuple(Flow(*values) for values in FLOW.iter_unpack(body))
    rate = max(1, sampling & SAMPLING_INTERVAL)
    return Datagram(uptime, at, ns, sequence, (kind, engine), rate, flows)
