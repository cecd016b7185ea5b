"""HEC, OTLP and Windows events: bodies to records."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from soc.errors import BatchError
from soc.receive.posted import NO_ID
from soc.receive.shipping import hec, otlp, windows_events

# ── HEC ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("between", ["", "\n", " , ", "\r\n\r\n"])
def test_hec_objects_follow_one_another(between: str) -> None:
    first, second = '{"event":"a } b"}', '{"time": 1.5, "event": {"x": "ạ"}}'
    posted = hec.read((first + between + second).encode())
    assert [post.raw.decode() for post in posted.posts] == [first, second]
    assert {post.key for post in posted.posts} == {NO_ID}


def test_hec_stops_at_the_first_unreadable_event_and_names_it() -> None:
    posted = hec.read(b'{"event":1}{"event":')
    assert [post.raw for post in posted.posts] == [b'{"event":1}']
    assert posted.broken[0].raw == b'{"event":'
    assert posted.broken[0].reason.startswith("HEC: event 1 cannot be read")


@pytest.mark.parametrize("body", [b"", b" \n", b"\xff\xfe"])
def test_hec_without_data_is_refused(body: bytes) -> None:
    with pytest.raises(BatchError):
        hec.read(body)


def test_hec_raw_lines_are_records() -> None:
    assert [post.raw for post in hec.read_raw(b"a\r\n\n b \xff").posts] == [b"a", b" b \xff"]


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"event":' * 100_000])
def test_deep_json_is_one_broken_piece(deep: bytes) -> None:
    assert hec.read(deep).broken[0].raw == deep


@given(st.binary(max_size=200))
def test_hec_any_bytes(body: bytes) -> None:
    try:
        posted = hec.read(body)
    except BatchError:
        return
    assert posted.posts or posted.broken


# ── OTLP ─────────────────────────────────────────────────────────────────────────────────────────────────────────

RECORD = {
    "timeUnixNano": "1732243200123456789",
    "severityText": "ERROR",
    "body": {"stringValue": "disk full"},
    "attributes": [
        {"key": "http.response.status_code", "value": {"intValue": "500"}},
        {"key": "tags", "value": {"arrayValue": {"values": [{"stringValue": "a"}]}}},
        {"key": "ok", "value": {"boolValue": False}},
    ],
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
}
REQUEST = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "srv-01"}}]},
            "scopeLogs": [{"logRecords": [RECORD, {"body": {"stringValue": "no time"}}]}],
        }
    ]
}


def protobuf() -> bytes:
    """The same request in the other encoding, by the library's own classes."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    host = resource.resource.attributes.add(key="host.name")
    host.value.string_value = "srv-01"
    records = resource.scope_logs.add().log_records
    one = records.add(time_unix_nano=1732243200123456789, severity_text="ERROR")
    one.body.string_value = "disk full"
    one.attributes.add(key="http.response.status_code").value.int_value = 500
    one.attributes.add(key="tags").value.array_value.values.add().string_value = "a"
    one.attributes.add(key="ok").value.bool_value = False
    one.trace_id = bytes.fromhex(str(RECORD["traceId"]))
    one.span_id = bytes.fromhex(str(RECORD["spanId"]))
    records.add().body.string_value = "no time"
    return bytes(request.SerializeToString())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(REQUEST).encode(), "application/json; charset=utf-8"),
        (protobuf(), "application/x-protobuf"),
    ],
)
def test_otlp_records_have_ecs_names(body: bytes, kind: str) -> None:
    """Both encodings give the same."""
    first, second = (orjson.loads(post.raw) for post in otlp.read(body, kind).posts)
    assert first.pop("@timestamp") == pytest.approx(1732243200123.4568)
    assert first == {
        "host.name": "srv-01",
        "http.response.status_code": 500,
        "tags": ["a"],
        "ok": False,
        "log.level": "ERROR",
        "message": "disk full",
        "trace.id": RECORD["traceId"],
        "span.id": RECORD["spanId"],
    }
    assert second == {"host.name": "srv-01", "message": "no time"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "text/plain"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}',
            "application/json",
        ),
        (
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[7]}]}]}]}',
            "application/json",
        ),
        (b'{"resourceLogs":7}', "application/json"),
        (b"\xff\xff\xff", "application/x-protobuf"),
    ],
)
def test_otlp_that_cannot_be_read_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(BatchError, match="OTLP"):
        otlp.read(body, kind)


@given(st.binary(max_size=200), st.sampled_from(["application/json", "application/x-protobuf"]))
def test_otlp_any_bytes(body: bytes, kind: str) -> None:
    try:
        posted = otlp.read(body, kind)
    except BatchError:
        return
    assert all(isinstance(orjson.loads(post.raw), dict) for post in posted.posts)


# ── Windows events ───────────────────────────────────────────────────────────────────────────────────────────────

EVENT = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System/></Event>"


@pytest.mark.parametrize(
    "body",
    [
        (EVENT + EVENT).encode(),
        f"<?xml version='1.0'?>\r\n<Events>\n{EVENT}\n{EVENT}</Events>\n".encode(),
        ("\ufeff" + EVENT + EVENT).encode("utf-16-le"),
        ("\ufeff" + EVENT + EVENT).encode(),
    ],
)
def test_windows_events_are_cut_out(body: bytes) -> None:
    """The same bytes have the same key, so that they are stored once."""
    posted = windows_events.read(body)
    assert [post.raw.decode() for post in posted.posts] == [EVENT, EVENT]
    assert posted.posts[0].key == posted.posts[1].key != NO_ID
    assert posted.broken == []


def test_bytes_between_windows_events_are_broken() -> None:
    posted = windows_events.read(f"junk{EVENT}<Event><cut".encode())
    assert [one.raw for one in posted.broken] == [b"junk", b"<Event><cut"]


@pytest.mark.parametrize("body", [b"", b"<Events/>", b"<Event>", b"\xff\xfe\x00\xd8\x00"])
def test_no_windows_event_is_refused(body: bytes) -> None:
    with pytest.raises(BatchError):
        windows_events.read(body)


@given(st.lists(st.sampled_from([b"<Event>", b"</Event>", b"<Events>", b"x", b"\xff\xfe"])))
def test_windows_events_any_bytes(pieces: list[bytes]) -> None:
    try:
        posted = windows_events.read(b"".join(pieces))
    except BatchError:
        return
    assert posted.posts
