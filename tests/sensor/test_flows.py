"""Flows: two directions, their state, their end, and the bound of the table."""

from __future__ import annotations

import pytest

from collectors.sensor.community import community_id
from collectors.sensor.sensor import Limits, Sensor
from tests.sensor.packets import (
    ACK,
    CLIENT,
    FIN,
    RST,
    SECOND,
    SERVER,
    START,
    SYN,
    Talk,
    ethernet,
    heard,
    ip,
    only,
    segment,
    udp,
)


def test_both_directions_are_one_flow_from_who_spoke_first():
    there, back = udp(b"x" * 10, 5000, 9), udp(b"y" * 20, 9, 5000, source=SERVER, to=CLIENT)
    [flow] = heard([there, back])
    assert (flow["source.ip"], flow["source.bytes"]) == (CLIENT, 38)
    assert (flow["destination.bytes"], flow["network.bytes"]) == (48, 86)
    assert flow["event.end"] == "2023-11-14T22:13:20.001000Z"
    assert flow["sensor.flow.state"] == "established"


def test_a_long_pause_ends_a_flow():
    """UDP that has had no answer ends after 30 seconds without a packet."""
    flows = heard([udp(b"x", 5000, 9)] * 2, step_us=31 * SECOND)
    assert [flow["sensor.flow.end_reason"] for flow in flows] == ["timeout", "end_of_capture"]


def test_the_one_who_answers_a_syn_that_we_missed_is_the_server():
    answer = segment(b"", 80, 40000, flags=SYN | ACK, source=SERVER, to=CLIENT)
    [flow] = heard([answer, segment(b"", flags=ACK)])
    assert (flow["source.ip"], flow["destination.port"]) == (CLIENT, 80)


def test_flags_of_both_sides_and_the_closed_state_are_kept():
    [flow] = only(heard(Talk().client(b"\x00\x01").close().packets), "flow")
    assert flow["sensor.flow.state"] == "closed"
    assert (flow["sensor.tcp.source_flags"], flow["sensor.tcp.destination_flags"]) == (
        "FSPA",
        "FSA",
    )


def test_ports_that_are_used_anew_are_two_flows():
    first, second = Talk().close(), Talk()
    again = second.made(True, b"", seq=77_000, flags=SYN)
    flows = only(heard([*first.packets, again]), "flow")
    assert [flow["sensor.flow.end_reason"] for flow in flows] == [
        "ports_used_anew",
        "end_of_capture",
    ]


def test_a_repeated_syn_is_no_new_flow():
    syn = segment(b"", flags=SYN, seq=5)
    assert len(heard([syn, syn, syn])) == 1


def test_an_echo_and_its_reply_are_one_flow():
    echo = ethernet(ip(CLIENT, SERVER, 1, b"\x08\x00" + bytes(6)))
    reply = ethernet(ip(SERVER, CLIENT, 1, b"\x00\x00" + bytes(6)))
    [flow] = heard([echo, reply])
    assert (flow["sensor.icmp.type"], flow["destination.packets"]) == (8, 1)


def test_vlan_tags_are_named():
    [flow] = heard(
        [ethernet(ip(CLIENT, SERVER, 17, bytes.fromhex("13880009000c0000") + b"abcd"), 7, 9)]
    )
    assert (flow["network.vlan.id"], flow["network.inner.vlan.id"]) == ("7", "9")


def test_an_established_flow_stays_when_half_open_ones_must_give_way():
    """A flood of SYNs ends SYNs, not the connections that work."""
    records: list[dict] = []
    sensor = Sensor(records.append, limits=Limits(flows=50))
    time = START
    for packet in Talk(sport=1).client(b"\x00\x01").packets:
        sensor.take(time, 1, packet, len(packet))
    for number in range(1000):
        time += 100
        flood = segment(b"", 10_000 + number, 80, flags=SYN, source="10.9.9.9")
        sensor.take(time, 1, flood, len(flood))
        assert len(sensor.flows) <= 50
    sensor.finish()
    kept = [one for one in records if one["source.port"] == 1]
    assert [one["sensor.flow.end_reason"] for one in kept] == ["end_of_capture"]
    assert sensor.flows.evicted == 951


def test_a_flow_that_is_one_sided_is_counted():
    records: list[dict] = []
    sensor = Sensor(records.append)
    for packet in (segment(b"\x00\x01", seq=1), segment(b"\x00\x01", seq=3)):
        sensor.take(START, 1, packet, len(packet))
    sensor.finish()
    assert sensor.counts()["sensor.flows.one_sided"] == 1


@pytest.mark.parametrize("flags", [RST, FIN | ACK])
def test_a_flow_of_closing_packets_alone_is_a_flow(flags: int):
    [flow] = heard([segment(b"", flags=flags)])
    assert flow["source.packets"] == 1


@pytest.mark.parametrize(
    ("protocol", "one", "two", "expected"),
    [
        (6, 1122, 3344, "1:wCb3OG7yAFWelaUydu0D+125CLM="),
        (17, 1122, 3344, "1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg="),
        (132, 1122, 3344, "1:EKt4MsxuyaE6mL+hmrEkQ9csDD8="),
        (1, 8, 0, "1:crodRHL2FEsHjbv3UkRrfbs4bZ0="),
        (1, 11, 0, "1:f/YiSyWqczrTgfUCZlBUnvHRcPk="),
    ],
)
def test_community_ids_are_those_of_the_specification(
    protocol: int, one: int, two: int, expected: str
):
    assert community_id(protocol, bytes([1, 2, 3, 4]), bytes([5, 6, 7, 8]), one, two) == expected


def test_each_community_id_of_the_baseline_is_equal(corpus):
    """All 23 rows of the published baseline."""
    import ipaddress
    import json

    rows = json.loads((corpus / "community-id/baseline/baseline_deflt.json").read_text())
    assert len(rows) == 23
    for row in rows:
        ends = [ipaddress.ip_address(row[name]).packed for name in ("saddr", "daddr")]
        found = community_id(row["proto"], *ends, row.get("sport") or 0, row.get("dport") or 0)
        assert found == row["communityid"], row
