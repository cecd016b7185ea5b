"""NetFlow v5 datagrams."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.flow_export.messages import ExportError
from collectors.flow_export.netflow_5 import GREATEST_COUNT, read_datagram

ONE_FLOW = (
    bytes([10, 1, 2, 3, 192, 0, 2, 9, 10, 1, 2, 1])
    + struct.pack("!HHIIII", 3, 4, 5, 600, 1_000, 2_000)
    + struct.pack("!HHBBBBHHBBH", 40_000, 443, 0, 0x1B, 6, 8, 65_001, 65_002, 24, 16, 0)
)


def head(count: int, sampling: int = 0) -> bytes:
    return struct.pack("!HHIIIIBBH", 5, count, 9_000, 1_700_000_000, 7, 42, 1, 2, sampling)


def test_each_value_stands_in_its_place():
    """Addresses, counters, ports, flags and prefixes of a flow whose bytes are written by hand."""
    read = read_datagram(head(1, 0x4000 | 100) + ONE_FLOW)
    (flow,) = read.flows
    assert (read.sequence, read.engine, read.sampled_one_in) == (42, (1, 2), 100)
    assert (flow.source, flow.destination) == (bytes([10, 1, 2, 3]), bytes([192, 0, 2, 9]))
    assert (flow.ingress, flow.egress, flow.packets, flow.octets) == (3, 4, 5, 600)
    assert (flow.first_uptime_ms, flow.last_uptime_ms) == (1_000, 2_000)
    assert (flow.source_port, flow.destination_port) == (40_000, 443)
    assert (flow.tcp_flags, flow.protocol, flow.type_of_service) == (0x1B, 6, 8)
    assert (flow.source_as, flow.destination_as) == (65_001, 65_002)
    assert (flow.source_prefix, flow.destination_prefix) == (24, 16)


@pytest.mark.parametrize("bad", [b"", head(2) + ONE_FLOW, head(31) + ONE_FLOW * 31, b"\0\x09" * 20])
def test_what_is_no_datagram_is_refused(bad: bytes):
    """Cut short, too many flows, another version."""
    with pytest.raises(ExportError):
        read_datagram(bad)


@given(st.binary(max_size=1_500).map(lambda tail: b"\0\x05" + tail))
def test_any_bytes_end_in_flows_or_a_refusal(datagram: bytes):
    """Never another error, and never more flows than v5 has."""
    try:
        assert len(read_datagram(datagram).flows) <= GREATEST_COUNT
    except ExportError:
        return


def test_the_packet_of_a_router_is_read(corpus: Path):
    """The flows of a real export are an SSH session's two sides; they began 1 ms before uptime 0, so it wraps."""
    path = corpus / "netflow-samples/spec/codecs/netflow5.dat"
    read = read_datagram(path.read_bytes())
    there, back = read.flows
    assert (there.destination_port, back.source_port, there.protocol) == (22, 22, 6)
    assert (there.packets, there.octets, back.packets, back.octets) == (5, 230, 4, 304)
    assert (there.last_uptime_ms - there.first_uptime_ms) % 2**32 == 2_578
