"""The decoder as a whole: templates, waiting, sampling, gaps, bounds, and any bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.flow_export.decoder import MOST_RECORDS, Decoder
from collectors.flow_export.messages import IPFIX
from collectors.flow_export.sequences import Sequence

GOOD = "192.0.2.1"


def one_set(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body


def ipfix(*parts: bytes, sequence: int = 0, domain: int = 7) -> bytes:
    body = b"".join(parts)
    return struct.pack("!HHIII", IPFIX, 16 + len(body), 1_700_000_000, sequence, domain) + body


def template(number: int, *fields: tuple[int, int]) -> bytes:
    body = struct.pack("!HH", number, len(fields))
    return one_set(2, body + b"".join(struct.pack("!HH", *one) for one in fields))


FLOW = template(256, (8, 4), (1, 4))
DATA = one_set(256, bytes([10, 0, 0, 1]) + struct.pack("!I", 500))


def take(decoder: Decoder, datagram: bytes, exporter: str = GOOD) -> list[dict]:
    flows, reason = decoder.take(exporter, datagram, 1_700_000_000_000_000)
    assert reason == ""
    return flows


def test_flows_before_their_template_wait_and_are_told():
    decoder = Decoder()
    assert take(decoder, ipfix(DATA)) == []
    (flow,) = take(decoder, ipfix(FLOW))
    assert (flow["waited"], flow["flow"]["octetDeltaCount"]) == (True, 500)
    assert dict(decoder.exporters)[GOOD].domains[7].waited == 1


@pytest.mark.parametrize(
    ("withdrawal", "left"), [(256, 0), (2, 0), (3, 1)], ids=["one", "all", "options only"]
)
def test_a_withdrawal_takes_one_template_or_all_of_a_kind(withdrawal: int, left: int):
    """RFC 7011, 8.1: the number of the set stands for all templates of the kind."""
    decoder = Decoder()
    take(decoder, ipfix(FLOW))
    number = 3 if withdrawal == 3 else 2
    take(decoder, ipfix(one_set(number, struct.pack("!HH", withdrawal, 0))))
    assert len(take(decoder, ipfix(DATA))) == left


def test_the_rate_of_an_options_record_is_that_of_later_flows():
    """305 and 306: one packet counted, 99 passed over."""
    decoder = Decoder()
    options = one_set(3, struct.pack("!HHHHHHHHH", 300, 3, 1, 149, 4, 305, 4, 306, 4))
    take(decoder, ipfix(FLOW, options, one_set(300, struct.pack("!III", 7, 1, 99))))
    (flow,) = take(decoder, ipfix(DATA))
    assert (flow["sampled_one_in"], flow["flow"]["octetDeltaCount"]) == (100, 500)


SEQUENCES = {
    "nothing is lost": ([(0, 5, 0), (5, 3, 0), (8, 1, 0)], 0, 0),
    "a gap": ([(0, 5, 0), (9, 3, 0)], 4, 0),
    "over the wrap": ([(2**32 - 2, 2, 0), (0, 1, 0), (3, 1, 0)], 2, 0),
    "a restart": ([(90_000, 5, 0), (0, 5, 60_000)], 0, 1),
    "a restart without an uptime": ([(90_000, 5, None), (0, 5, None)], 0, 1),
    "overtaken on the way": ([(20_000, 5, 0), (20_010, 5, 0), (20_005, 5, 0)], 0, 0),
    "a datagram of unknown count": ([(0, None, 0), (70, 1, 0), (71, 1, 0)], 0, 0),
}


@pytest.mark.parametrize(("seen", "lost", "restarts"), SEQUENCES.values(), ids=SEQUENCES)
def test_gaps_are_told_from_restarts(seen, lost: int, restarts: int):
    sequence = Sequence()
    for number, count, boot in seen:
        sequence.take(number, count, boot)
    assert (sequence.lost, sequence.restarts) == (lost, restarts)


def test_a_hundred_thousand_templates_of_many_exporters_leave_a_good_one_at_work():
    """Bounded, counted, and the exporter that is in use still has its templates."""
    limit = 2_000_000
    decoder = Decoder(at_most_bytes=limit, share_bytes=100_000)
    take(decoder, ipfix(FLOW))
    take(decoder, ipfix(DATA))
    for number in range(100_000):
        exporter = f"198.51.{number % 50_000 // 250}.{number % 250}"
        take(decoder, ipfix(template(256 + number % 5_000, (8, 4), (1, 4))), exporter)
        assert decoder.exporters.size_bytes <= limit
    assert decoder.exporters.pushed_out > 0
    assert len(take(decoder, ipfix(DATA))) == 1


def test_one_exporter_pushes_out_only_its_own():
    decoder = Decoder(at_most_bytes=2_000_000, share_bytes=100_000)
    take(decoder, ipfix(FLOW))
    for number in range(10_000):
        take(decoder, ipfix(template(256 + number, (8, 4)), domain=number % 7), "198.51.100.9")
    assert dict(decoder.exporters)["198.51.100.9"].size_bytes <= 100_000
    assert decoder.exporters.pushed_out == 0
    assert len(take(decoder, ipfix(DATA))) == 1


def test_the_records_of_a_datagram_have_a_limit():
    decoder = Decoder()
    flows, reason = decoder.take(
        GOOD, ipfix(template(256, (4, 1)), one_set(256, b"\6" * 60_000)), 0
    )
    assert (len(flows), "more than" in reason) == (MOST_RECORDS, True)


def sflow(frame: bytes) -> bytes:
    header = struct.pack("!IIII", 1, len(frame) + 4, 4, len(frame)) + frame + bytes(-len(frame) % 4)
    part = struct.pack("!II", 1, len(header)) + header
    sample = struct.pack("!8I", 1, 0, 512, 0, 0, 3, 4, 1) + part
    head = struct.pack("!II4sIIII", 5, 1, bytes([10, 0, 0, 9]), 0, 8, 1_000, 2)
    counters = struct.pack("!IIII", 2, 8, 0, 0)
    return head + counters + struct.pack("!II", 1, len(sample)) + sample


def test_a_sampled_packet_of_sflow_is_decoded_and_counters_are_counted():
    segment = struct.pack("!HHIIBBHHH", 40_000, 443, 0, 0, 0x50, 2, 0, 0, 0)
    packet = struct.pack("!BBHHHBBH", 69, 0, 1_480, 0, 0, 64, 6, 0) + bytes(
        [10, 1, 2, 3, 192, 0, 2, 9]
    )
    decoder = Decoder()
    (flow,) = take(decoder, sflow(bytes(12) + b"\x08\0" + packet + segment))
    said = flow["flow"]
    assert (flow["sampled_one_in"], flow["agent"], decoder.counter_samples) == (512, "10.0.0.9", 1)
    assert (said["sourceIPv4Address"], said["destinationTransportPort"]) == ("10.1.2.3", 443)
    assert (said["octetDeltaCount"], said["tcpControlBits"], said["egressInterface"]) == (
        1_480,
        2,
        4,
    )


HEADS = (b"\0\5", b"\0\x09", b"\0\x0a", b"\0\0\0\5\0\0\0\1", b"\0\0\0\5\0\0\0\2", b"")
SETS = st.builds(one_set, st.sampled_from([2, 3, 256, 300]), st.binary(max_size=80))


@settings(deadline=None, max_examples=400)
@given(
    st.lists(
        st.one_of(
            st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=400)),
            st.lists(SETS, max_size=4).map(lambda parts: ipfix(FLOW, *parts)),
            st.lists(SETS, max_size=4).map(lambda parts: b"\0\x09" + bytes(18) + b"".join(parts)),
            st.binary(max_size=200).map(sflow),
        ),
        max_size=4,
    )
)
def test_any_bytes_give_flows_or_a_reason(datagrams: list[bytes]):
    """Nothing else is raised, and the state stays in its bounds."""
    decoder = Decoder(at_most_bytes=20_000, share_bytes=10_000)
    for datagram in datagrams:
        flows, _ = decoder.take(GOOD, datagram, 0)
        assert len(flows) <= MOST_RECORDS
        assert decoder.exporters.size_bytes <= 20_000
