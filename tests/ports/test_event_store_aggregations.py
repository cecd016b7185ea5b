"""Aggregations: Elasticsearch's JSON in and out, summed over partitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from soc.errors import QueryError
from soc.ports import EventStore
from soc.store import buckets
from tests.store.events import NOON, PROVINCE, event


@pytest.fixture
def filled(event_store: EventStore) -> EventStore:
    """Thirty events over three days and all classes: port n, user n mod 3, one an hour."""
    given = [
        event(
            n,
            {"user.name": f"User{n % 3}", "source.port": n, "tags": ["all", f"t{n % 2}"]},
            observed_at=NOON + timedelta(hours=n),
            received_at=NOON + timedelta(hours=n),
            level=n % 6,
        )
        for n in range(30)
    ]
    event_store.append(PROVINCE, given)
    return event_store


def ask(store: EventStore, agg: dict[str, Any], query: str = "") -> dict[str, Any]:
    return store.aggregate(PROVINCE, query, {"a": agg})["a"]


def test_terms_are_counted_over_all_partitions(filled: EventStore):
    answer = ask(filled, {"terms": {"field": "user.name"}})
    assert answer["buckets"] == [{"key": f"user{n}", "doc_count": 10} for n in range(3)]


def test_terms_beyond_the_size_are_summed_as_other(filled: EventStore):
    answer = ask(filled, {"terms": {"field": "user.name", "size": 1}})
    assert (len(answer["buckets"]), answer["sum_other_doc_count"]) == (1, 20)


def test_terms_of_several_values_count_each(filled: EventStore):
    answer = ask(filled, {"terms": {"field": "tags"}})
    assert [(one["key"], one["doc_count"]) for one in answer["buckets"]] == [
        ("all", 30),
        ("t0", 15),
        ("t1", 15),
    ]


def test_terms_can_be_ordered_by_key(filled: EventStore):
    answer = ask(filled, {"terms": {"field": "source.port", "order": {"_key": "desc"}, "size": 2}})
    assert [one["key"] for one in answer["buckets"]] == [29, 28]


def test_terms_can_count_events_without_the_field(filled: EventStore):
    filled.append(PROVINCE, [event(99)])
    answer = ask(filled, {"terms": {"field": "user.name", "missing": "none"}})
    assert {"key": "none", "doc_count": 1} in answer["buckets"]


def test_figures_over_all_partitions(filled: EventStore):
    answers = {
        kind: ask(filled, {kind: {"field": "source.port"}})["value"]
        for kind in ("min", "max", "avg", "sum", "value_count")
    }
    assert answers == {"min": 0, "max": 29, "avg": 14.5, "sum": 435, "value_count": 30}


def test_figures_of_nothing(filled: EventStore):
    answers = [
        ask(filled, {kind: {"field": "source.port"}}, "user.name:nobody")["value"]
        for kind in ("min", "avg", "sum")
    ]
    assert answers == [None, None, 0]


def test_cardinality_is_exact_over_partitions(filled: EventStore):
    assert ask(filled, {"cardinality": {"field": "user.name"}}) == {"value": 3}


def test_days_begin_at_midnight_in_vietnam(filled: EventStore):
    answer = ask(
        filled, {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "offset": "-7h"}}
    )
    assert [(one["key_as_string"], one["doc_count"]) for one in answer["buckets"]] == [
        ("2026-11-21T17:00:00.000Z", 12),
        ("2026-11-22T17:00:00.000Z", 18),
    ]


def test_a_day_needs_no_offset_to_be_a_vietnamese_day(filled: EventStore):
    with_offset = {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "offset": "-7h"}
    }
    without = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d"}}
    assert ask(filled, with_offset) == ask(filled, without)


def test_hours_without_events_are_shown_as_empty(filled: EventStore):
    answer = ask(
        filled,
        {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}},
        "source.port:1 OR source.port:4",
    )
    assert [one["doc_count"] for one in answer["buckets"]] == [1, 0, 0, 1]


def test_bounds_extend_a_histogram(filled: EventStore):
    bounds = {"min": int(NOON.timestamp() * 1000), "max": "2026-11-22T09:00:00Z"}
    agg = {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "extended_bounds": bounds}
    }
    assert [one["doc_count"] for one in ask(filled, agg, "source.port:1")["buckets"]] == [
        0,
        1,
        0,
        0,
        0,
    ]


def test_months_are_calendar_months_in_vietnam(event_store: EventStore):
    """17:00 UTC of the last day is already the next month."""
    times = [
        datetime(2026, 11, 30, 16, 59, tzinfo=UTC),
        datetime(2026, 11, 30, 17, tzinfo=UTC),
        NOON,
    ]
    event_store.append(PROVINCE, [event(n, observed_at=at) for n, at in enumerate(times)])
    answer = ask(
        event_store, {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}}
    )
    assert [(one["key_as_string"], one["doc_count"]) for one in answer["buckets"]] == [
        ("2026-10-31T17:00:00.000Z", 2),
        ("2026-11-30T17:00:00.000Z", 1),
    ]


def test_figures_nest_in_terms(filled: EventStore):
    agg = {"terms": {"field": "user.name"}, "aggs": {"m": {"max": {"field": "source.port"}}}}
    assert [one["m"]["value"] for one in ask(filled, agg)["buckets"]] == [27, 28, 29]


def test_terms_nest_in_a_histogram(filled: EventStore):
    agg = {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1d"},
        "aggs": {
            "u": {"terms": {"field": "user.name"}},
            "c": {"cardinality": {"field": "source.port"}},
        },
    }
    first = ask(filled, agg)["buckets"][0]
    assert [one["doc_count"] for one in first["u"]["buckets"]] == [4, 4, 4]
    assert first["c"] == {"value": 12}


def test_a_histogram_nests_in_terms(filled: EventStore):
    agg = {
        "terms": {"field": "user.name", "size": 1},
        "aggs": {"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d"}}},
    }
    (bucket,) = ask(filled, agg)["buckets"]
    assert [one["doc_count"] for one in bucket["d"]["buckets"]] == [4, 6]


def test_the_last_event_is_told_in_milliseconds(filled: EventStore):
    answer = ask(filled, {"max": {"field": "@timestamp"}})
    assert answer == {
        "value": (NOON + timedelta(hours=29)).timestamp() * 1000,
        "value_as_string": "2026-11-23T10:00:00.000Z",
    }


def talkers(direction: str, size: int = 10, kind: str = "sum") -> dict[str, Any]:
    """User names by a figure over the ports that their events have."""
    return {
        "terms": {"field": "user.name", "size": size, "order": {"ports": direction}},
        "aggs": {"ports": {kind: {"field": "source.port"}}, "n": {"max": {"field": "source.port"}}},
    }


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("desc", [("user2", 155), ("user1", 145)]), ("asc", [("user0", 135), ("user1", 145)])],
)
def test_terms_can_be_ordered_by_a_nested_sum(
    filled: EventStore, direction: str, expected: list[tuple[str, float]]
):
    """Of equal counts the sums decide; what is beyond the size is counted as other."""
    answer = ask(filled, talkers(direction, size=2))
    assert [(one["key"], one["ports"]["value"]) for one in answer["buckets"]] == expected
    assert [one["doc_count"] for one in answer["buckets"]] == [10, 10]
    assert answer["sum_other_doc_count"] == 10


def test_a_nested_sum_wins_against_more_events(event_store: EventStore):
    """One large flow among two thousand talkers with more, smaller ones each, over all partitions."""
    given = [
        event(
            n,
            {"user.name": f"small{n % 2000:04d}", "source.port": 1},
            observed_at=NOON + timedelta(seconds=n),
            received_at=NOON + timedelta(seconds=n),
            level=n % 6,
        )
        for n in range(4000)
    ]
    given.append(event(4000, {"user.name": "whale", "source.port": 50_000}, level=3))
    event_store.append(PROVINCE, given)
    answer = ask(event_store, talkers("desc", size=3))
    assert [(one["key"], one["doc_count"], one["ports"]["value"]) for one in answer["buckets"]] == [
        ("whale", 1, 50_000),
        ("small0000", 2, 2),
        ("small0001", 2, 2),
    ]
    assert "approximate" not in answer


def test_an_order_that_may_be_wrong_says_so(filled: EventStore, monkeypatch: pytest.MonkeyPatch):
    """With more values in a partition than the engine is asked for, the greatest sum may be among those left out."""
    monkeypatch.setattr(buckets, "MOST_TERMS", 2)
    assert ask(filled, talkers("desc"))["approximate"] is True


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_equal_figures_stand_by_key_and_absent_ones_last(event_store: EventStore, direction: str):
    """Whatever the direction, as Elasticsearch does with a missing figure."""
    given = [
        event(1, {"user.name": "b", "source.port": 7}),
        event(2, {"user.name": "a", "source.port": 7}),
        event(3, {"user.name": "0none"}),
        event(4, {"user.name": "c", "source.port": 7}, level=5),
    ]
    event_store.append(PROVINCE, given)
    answer = ask(event_store, talkers(direction, kind="max"))
    assert [one["key"] for one in answer["buckets"]] == ["a", "b", "c", "0none"]


def test_terms_without_the_field_take_part_in_the_order(event_store: EventStore):
    event_store.append(
        PROVINCE, [event(1, {"source.port": 9}), event(2, {"user.name": "a", "source.port": 1})]
    )
    agg = talkers("desc")
    agg["terms"]["missing"] = "none"
    assert [one["key"] for one in ask(event_store, agg)["buckets"]] == ["none", "a"]


@pytest.mark.parametrize(
    "agg",
    [
        {"terms": {"field": "message"}},
        {"terms": {"field": "user.name", "order": {"x": "desc"}}},
        {
            "terms": {"field": "user.name", "order": {"x": "up"}},
            "aggs": {"x": {"max": {"field": "a"}}},
        },
        {
            "terms": {"field": "user.name", "order": {"x": "asc"}},
            "aggs": {"y": {"max": {"field": "a"}}},
        },
        {
            "terms": {"field": "user.name", "order": {"x": "asc"}},
            "aggs": {"x": {"terms": {"field": "tags"}}},
        },
        {
            "terms": {"field": "user.name", "order": {"x": "asc"}},
            "aggs": {"x": {"cardinality": {"field": "tags"}}},
        },
        {"terms": {"field": "user.name", "script": "1"}},
        {"terms": {"field": "user.name", "size": -1}},
        {"terms": {}},
        {"terms": {"field": "user.name"}, "max": {"field": "source.port"}},
        {"percentiles": {"field": "source.port"}},
        {"date_histogram": {"field": "@timestamp", "calendar_interval": "week"}},
        {"date_histogram": {"field": "@timestamp"}},
        {"date_histogram": {"field": "@timestamp", "fixed_interval": "0s"}},
        {"date_histogram": {"field": "user.name", "fixed_interval": "1h"}},
        {
            "terms": {"field": "user.name"},
            "aggs": {"b": {"terms": {"field": "tags"}, "aggs": {"c": {"max": {}}}}},
        },
    ],
)
def test_what_is_not_offered_is_refused(filled: EventStore, agg: dict[str, Any]):
    with pytest.raises(QueryError):
        ask(filled, agg)


def test_too_many_buckets_are_refused(event_store: EventStore):
    """One wrong clock must not make fifty years of empty minutes."""
    event_store.append(PROVINCE, [event(1, observed_at=NOON.replace(year=1970)), event(2)])
    with pytest.raises(QueryError, match="buckets"):
        ask(event_store, {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m"}})
