"""What other shippers wrap a record in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soc.collect import discovery
from soc.errors import RecordError
from soc.model.event import Event, RawRecord

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SSHD = "Nov 22 10:00:00 web-01 sshd[7]: Failed password for root from 192.0.2.7 port 1 ssh2"


def read(document: Any, source: str = "auto") -> Event:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    record = RawRecord(
        raw, f"shipped:{source}", NOW, agent="sh-1", host="shipper", collected_at=NOW
    )
    (event,) = discovery.read(record)
    assert event.raw == raw
    return event


@pytest.mark.parametrize(
    "document",
    [
        {"message": SSHD},
        {"@timestamp": "2026-11-22T03:00:00Z", "host": "web-01", "message": SSHD},  # rsyslog
        {"@timestamp": "2026-11-22T03:00:00Z", "host": {"name": "f"}, "message": SSHD},  # Logstash
        {"date": 1763780400.1, "log": SSHD},  # Fluent Bit
        {"MESSAGE": SSHD, "HOST": "web-01", "ISODATE": "2026-11-22T10:00:00+07:00"},  # syslog-ng
        {"time": 1763780400, "host": "h", "sourcetype": "linux_secure", "event": SSHD},  # HEC
        {"event": {"message": SSHD}, "time": 1},
        {"event": {"original": SSHD}, "message": "shortened"},
    ],
)
def test_the_line_inside_is_read_by_its_own_reader(document: Any) -> None:
    """By the bytes of the line, or by the source that the token names."""
    for source in ("syslog", "auto") if "original" not in str(document) else ("syslog",):
        event = read(document, source)
        if event.source == "json_lines":  # an object that says ``event`` is one by itself
            assert source == "auto"
            continue
        assert event.fields["event.dataset"] == "linux.auth"
        assert event.fields["source.ip"] == "192.0.2.7"


def test_host_and_time_of_the_wrapping_count_where_the_line_says_none() -> None:
    event = read(
        {"message": "plain words", "host": "web-02", "@timestamp": "2026-11-21T01:00:00Z"}, "syslog"
    )
    assert (event.host, event.fields["host.name"]) == ("web-02", "web-02")
    assert event.observed_at == datetime(2026, 11, 21, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("document", "address"),
    [
        ({"message": "x", "fromhost-ip": "192.0.2.1"}, ["192.0.2.1"]),
        ({"message": "x", "SOURCEIP": "2001:DB8::1"}, ["2001:db8::1"]),
        ({"message": "x", "log": {"source": {"address": "192.0.2.2:514"}}}, None),
        ({"message": "x", "host": {"ip": ["192.0.2.3", "fe80::1"]}}, ["192.0.2.3"]),
        ({"message": "x", "fromhost-ip": 7}, None),
    ],
)
def test_the_device_s_address_is_kept(document: Any, address: list[str] | None) -> None:
    assert read(document, "syslog").fields.get("host.ip") == address


def test_an_ecs_document_is_an_event_by_itself() -> None:
    """As Beats write it, whatever its message is."""
    document = {
        "@timestamp": "2026-11-22T03:00:00.123Z",
        "ecs": {"version": "8.0.0"},
        "event": {"code": "4625", "dataset": "windows.security"},
        "winlog": {"channel": "Security", "event_data": {"TargetUserName": "an"}},
        "host": {"name": "dc-01"},
        "message": "An account failed to log on.",
    }
    event = read(document)
    assert (event.source, event.fields["event.code"], event.host) == ("json_lines", "4625", "dc-01")
    assert event.fields["winlog.event_data.TargetUserName"] == "an"


def test_an_object_without_a_line_is_an_event_with_labels() -> None:
    event = read({"time": 1763780400, "user_action": "login", "n": 3})
    assert event.fields["labels.user_action"] == "login"
    assert event.observed_at == datetime(2025, 11, 22, 3, tzinfo=UTC)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordError, match="JSON"):
        read(raw)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "message",
        "event",
        "host",
        "time",
        "@timestamp",
        "log",
        "fromhost-ip",
        "host.ip",
        "ecs",
        "MESSAGE",
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the records
@given(
    st.dictionaries(NAMES | st.text(max_size=8), VALUES),
    st.sampled_from(["auto", "syslog", "fortigate"]),
)
def test_any_object_is_an_event_or_a_refusal(document: dict[str, Any], source: str) -> None:
    """Never another error; the bytes are kept."""
    raw = json.dumps(document).encode()
    record = RawRecord(raw, f"shipped:{source}", NOW, host="shipper", collected_at=NOW)
    try:
        events = list(discovery.read(record))
    except RecordError:
        return
    assert [event.raw for event in events] == [raw] * len(events)
