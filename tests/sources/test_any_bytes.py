"""Whatever bytes a reader gets, it gives events or a RecordError, and nothing else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soc.collect.discovery import read, readers
from soc.errors import RecordError
from soc.model.event import Event
from soc.normalise.fields import ECS, GREATEST_LONG, WHOLE, check
from tests.sources.accept import as_received, raw_records, samples

READERS = sorted(readers())
RECORDS = {
    source: [raw for one in samples() if one.parent.name == source for raw in raw_records(one)]
    for source in READERS
}


def events_of(raw: bytes, source: str) -> list[Event]:
    refusals = []
    try:
        return list(read(as_received(raw, source)))
    except RecordError as error:
        refusals.append(error)
    assert [(error.raw, bool(error.reason)) for error in refusals] == [(raw, True)]
    return []


def looks_right(event: Event, raw: bytes) -> None:
    check(event.fields)
    assert event.raw == raw
    assert event.observed_at.utcoffset() is not None
    for name, value in event.fields.items():
        items = value if isinstance(value, list) else [value]
        assert items, name
        assert value != "", name  # an empty argument within a list is an argument
        for item in items:
            assert isinstance(item, str | int | float), name
            if ECS.get(name) in WHOLE:
                assert isinstance(item, int), name
                assert -GREATEST_LONG <= item <= GREATEST_LONG, name
            if isinstance(item, float):
                assert math.isfinite(item), name
            if isinstance(item, str):
                item.encode("utf-8")


@st.composite
def damaged(draw: st.DrawFn, source: str) -> bytes:
    """A sample with a piece cut out, doubled, or written over."""
    raw = draw(st.sampled_from(RECORDS[source]))
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(len(raw), start + 40)))
    middle = draw(st.one_of(st.binary(max_size=20), st.just(raw[start:end] * 2), st.just(b"")))
    return raw[:start] + middle + raw[end:]


@pytest.mark.parametrize("source", READERS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(raw=st.binary(max_size=400))
def test_any_bytes_give_events_or_a_record_error(source: str, raw: bytes) -> None:
    """Garbage on the wire stops nothing."""
    for event in events_of(raw, source):
        looks_right(event, raw)


@pytest.mark.parametrize("source", READERS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_records_give_events_or_a_record_error(source: str, data: st.DataObject) -> None:
    """Nearly right records reach the corners that garbage does not."""
    raw = data.draw(damaged(source))
    for event in events_of(raw, source):
        looks_right(event, raw)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(raw=st.binary(max_size=200))
def test_any_bytes_of_an_unnamed_source_give_events_or_a_record_error(raw: bytes) -> None:
    """The search for a reader is as safe as the readers."""
    for event in events_of(raw, "auto"):
        looks_right(event, raw)


@pytest.mark.parametrize("depth", [30, 1_000, 1_023, 5_000])
@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_value_nested_very_deep_gives_an_event_or_a_record_error(
    opened: bytes, closed: bytes, depth: int
) -> None:
    raw = b'{"@timestamp":"2026-11-26T01:00:00Z","x":' + opened * depth + b'"v"' + closed * depth
    for event in events_of(raw + b"}", "json_lines"):
        looks_right(event, raw + b"}")
