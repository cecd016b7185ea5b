"""What every EventStore promises."""

from __future__ import annotations

from datetime import timedelta

import pytest

from soc.errors import NotAllowed, NotFound, QueryError, ScopeMissing
from soc.model.scope import Scope
from soc.ports import EventStore
from tests.store.events import NOON, PROVINCE, event, numbers


def test_an_event_comes_back_as_it_was_given(event_store: EventStore):
    """Fields, raw bytes, both times and the stamps are kept."""
    given = event(7, {"event.code": "4624", "source.port": 443, "tags": ["Một", "hai"]}, level=3)
    event_store.append(PROVINCE, [given])
    assert event_store.get(PROVINCE, given.id) == given


def test_append_names_what_it_stored(event_store: EventStore):
    given = [event(1), event(2)]
    assert event_store.append(PROVINCE, given).stored == (given[0].id, given[1].id)


def test_an_append_of_nothing_stores_nothing(event_store: EventStore):
    assert event_store.append(PROVINCE, []).stored == ()


def test_a_repeat_stores_exactly_the_missing_events(event_store: EventStore):
    event_store.append(PROVINCE, [event(1), event(3)])
    said = event_store.append(PROVINCE, [event(1), event(2), event(3)], maybe_stored=True)
    assert (said.stored, said.already) == ((event(2).id,), (event(1).id, event(3).id))


def test_a_repeat_finds_its_events_although_the_level_of_their_system_has_changed(
    event_store: EventStore,
):
    """The level decides the partition, and a register may change between the two."""
    event_store.append(PROVINCE, [event(1, level=2)])
    said = event_store.append(PROVINCE, [event(1, level=5)], maybe_stored=True)
    assert said.already == (event(1).id,)


def test_the_same_id_with_other_bytes_is_a_conflict_and_not_stored(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, raw=b"first")])
    said = event_store.append(PROVINCE, [event(1, raw=b"second")], maybe_stored=True)
    assert said.conflicting == (event(1).id,)
    assert event_store.get(PROVINCE, event(1).id).raw == b"first"


def test_an_id_that_comes_twice_in_one_append_is_stored_once(event_store: EventStore):
    event_store.append(PROVINCE, [event(1), event(1)])
    assert event_store.count(PROVINCE, "") == 1


def test_a_batch_that_spans_midnight_and_classes_is_stored_whole(event_store: EventStore):
    given = [
        event(number, received_at=NOON + timedelta(hours=5 * number), level=number % 6)
        for number in range(1, 13)
    ]
    event_store.append(PROVINCE, given)
    assert event_store.count(PROVINCE, "") == 12
    assert event_store.append(PROVINCE, given, maybe_stored=True).stored == ()


def test_hits_come_newest_first(event_store: EventStore):
    event_store.append(PROVINCE, [event(2), event(9), event(5)])
    assert numbers(event_store.search(PROVINCE, "").events) == [9, 5, 2]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("observed_at", [1, 2, 3]),
        ("-observed_at", [3, 2, 1]),
        ("received_at", [3, 2, 1]),
        ("-received_at", [1, 2, 3]),
    ],
)
def test_hits_can_be_sorted_by_both_times(event_store: EventStore, sort: str, order: list[int]):
    event_store.append(
        PROVINCE, [event(n, received_at=NOON - timedelta(days=n)) for n in (2, 3, 1)]
    )
    assert numbers(event_store.search(PROVINCE, "", sort=sort).events) == order


@pytest.mark.parametrize("sort", ["-observed_at", "observed_at"])
def test_pages_follow_one_another_without_a_gap_or_a_repeat(event_store: EventStore, sort: str):
    """Also where many events share one microsecond, over several partitions."""
    given = [
        event(
            n,
            observed_at=NOON + timedelta(seconds=n // 10),
            received_at=NOON + timedelta(days=n % 3),
            level=n % 6,
        )
        for n in range(1, 61)
    ]
    event_store.append(PROVINCE, given)
    seen, after = [], None
    while True:
        page = event_store.search(PROVINCE, "", size=7, sort=sort, after=after)
        assert page.total == 60
        seen += numbers(page.events)
        after = page.after
        if after is None:
            break
    assert seen == sorted(range(1, 61), reverse=sort.startswith("-"))


def test_a_cursor_stays_right_while_new_events_arrive(event_store: EventStore):
    event_store.append(PROVINCE, [event(n) for n in range(1, 7)])
    first = event_store.search(PROVINCE, "", size=3)
    event_store.append(PROVINCE, [event(n) for n in range(7, 10)])
    second = event_store.search(PROVINCE, "", size=3, after=first.after)
    assert numbers(first.events) + numbers(second.events) == [6, 5, 4, 3, 2, 1]


def test_the_last_page_has_no_cursor(event_store: EventStore):
    event_store.append(PROVINCE, [event(1), event(2)])
    assert event_store.search(PROVINCE, "", size=2).after is None


def test_a_cursor_of_another_sort_is_refused(event_store: EventStore):
    event_store.append(PROVINCE, [event(1), event(2)])
    page = event_store.search(PROVINCE, "", size=1)
    with pytest.raises(QueryError, match="cursor"):
        event_store.search(PROVINCE, "", size=1, sort="observed_at", after=page.after)


def test_between_includes_the_start_and_excludes_the_end(event_store: EventStore):
    """Neighbouring windows share no event and lose none."""
    event_store.append(PROVINCE, [event(n) for n in range(1, 6)])
    start, end = NOON + timedelta(seconds=2), NOON + timedelta(seconds=4)
    assert numbers(event_store.search(PROVINCE, "", start=start, end=end).events) == [3, 2]


def test_a_window_that_ends_before_it_starts_is_empty(event_store: EventStore):
    event_store.append(PROVINCE, [event(1)])
    assert event_store.count(PROVINCE, "", start=NOON + timedelta(days=1), end=NOON) == 0


def test_events_of_wrong_clocks_are_found_by_their_own_time(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, observed_at=NOON.replace(year=1980)), event(2)])
    assert numbers(event_store.search(PROVINCE, "", end=NOON.replace(year=1990)).events) == [1]


def test_a_scope_sees_its_agencies_and_nothing_else(event_store: EventStore):
    event_store.append(
        PROVINCE, [event(1, agency="a"), event(2, agency="b"), event(3, agency=None)]
    )
    assert numbers(event_store.search(Scope.of("a", "c"), "").events) == [1]
    assert event_store.count(Scope.of("a"), "NOT event.code:1") == 1
    assert event_store.find(Scope.of("a"), event(2).id) is None
    assert numbers(list(event_store.scan(Scope.of("b"), ""))) == [2]


def test_unowned_events_need_the_whole_province(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, agency=None)])
    assert event_store.count(Scope.of("a"), "") == 0
    assert event_store.count(PROVINCE, "") == 1


def test_an_empty_scope_sees_nothing(event_store: EventStore):
    event_store.append(PROVINCE, [event(1)])
    assert event_store.count(Scope.of(), "") == 0


def test_agency_keys_are_compared_exactly(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, agency="A")])
    assert event_store.count(Scope.of("a"), "") == 0


def test_a_query_cannot_widen_the_scope(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, agency="a"), event(2, agency="b")])
    assert event_store.count(Scope.of("a"), "soc.agency_id:b OR *") == 1


def test_aggregations_count_within_the_scope(event_store: EventStore):
    event_store.append(
        PROVINCE,
        [event(1, {"user.name": "an"}, agency="a"), event(2, {"user.name": "an"}, agency="b")],
    )
    answer = event_store.aggregate(Scope.of("a"), "", {"u": {"terms": {"field": "user.name"}}})
    assert answer["u"]["buckets"] == [{"key": "an", "doc_count": 1}]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, scope: store.append(scope, [event(1)]),
        lambda store, scope: store.search(scope, ""),
        lambda store, scope: store.count(scope, ""),
        lambda store, scope: store.aggregate(scope, "", {}),
        lambda store, scope: store.find(scope, event(1).id),
        lambda store, scope: store.get(scope, event(1).id),
        lambda store, scope: list(store.scan(scope, "")),
        lambda store, scope: store.hold(scope, "h", "", start=None, end=None),
        lambda store, scope: store.release(scope, "h"),
        lambda store, scope: store.expire(scope, NOON),
        lambda store, scope: store.health(scope),
    ],
)
@pytest.mark.parametrize("scope", [None, "so-y-te", frozenset({"so-y-te"})])
def test_every_method_wants_a_scope(event_store: EventStore, ask, scope):
    with pytest.raises(ScopeMissing):
        ask(event_store, scope)


def test_events_outside_the_scope_cannot_be_appended(event_store: EventStore):
    with pytest.raises(NotAllowed):
        event_store.append(Scope.of("a"), [event(1, agency="a"), event(2, agency="b")])
    assert event_store.count(PROVINCE, "") == 0


def test_get_of_an_unknown_id_raises(event_store: EventStore):
    with pytest.raises(NotFound):
        event_store.get(PROVINCE, "0" * 32)


def test_scan_gives_every_hit_oldest_arrival_first(event_store: EventStore):
    """Over partitions of days and of weeks that overlap."""
    arrivals = {n: NOON + timedelta(hours=7 * ((n * 5) % 40)) for n in range(1, 40)}
    event_store.append(
        PROVINCE, [event(n, received_at=at, level=n % 6) for n, at in arrivals.items()]
    )
    assert numbers(list(event_store.scan(PROVINCE, ""))) == sorted(
        arrivals, key=lambda n: arrivals[n]
    )


def test_held_events_outlive_their_partition_with_their_raw_bytes(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, {"user.name": "an"}), event(2)])
    assert event_store.hold(PROVINCE, "case 1", "user.name:an", start=None, end=None) == 1
    event_store.expire(PROVINCE, NOON + timedelta(days=400))
    assert list(event_store.scan(PROVINCE, "")) == [event(1, {"user.name": "an"})]


def test_a_held_event_is_found_once(event_store: EventStore):
    event_store.append(PROVINCE, [event(1)])
    event_store.hold(PROVINCE, "case 1", "", start=None, end=None)
    event_store.hold(PROVINCE, "case 2", "", start=None, end=None)
    assert event_store.count(PROVINCE, "") == 1
    event_store.expire(PROVINCE, NOON + timedelta(days=400))
    assert event_store.count(PROVINCE, "") == 1


def test_an_event_of_two_holds_stays_until_both_are_released(event_store: EventStore):
    event_store.append(PROVINCE, [event(1)])
    event_store.hold(PROVINCE, "case 1", "", start=None, end=None)
    event_store.hold(PROVINCE, "case 2", "", start=None, end=None)
    event_store.expire(PROVINCE, NOON + timedelta(days=400))
    event_store.release(PROVINCE, "case 1")
    assert event_store.count(PROVINCE, "") == 1
    event_store.release(PROVINCE, "case 2")
    assert event_store.count(PROVINCE, "") == 0


def test_releasing_an_unknown_hold_raises(event_store: EventStore):
    with pytest.raises(NotFound):
        event_store.release(PROVINCE, "none")


@pytest.mark.parametrize(("level", "days"), [(0, 31), (2, 31), (3, 92), (4, 187), (5, 371)])
def test_each_class_is_kept_as_long_as_its_table_says(
    event_store: EventStore, level: int, days: int
):
    """In months from the arrival; classes with weekly partitions go up to six days later."""
    event_store.append(PROVINCE, [event(1, level=level)])
    assert (
        event_store.expire(PROVINCE, NOON + timedelta(days=days - 7 if level > 3 else days - 2))
        == []
    )
    assert [
        one.dropped for one in event_store.expire(PROVINCE, NOON + timedelta(days=days + 7))
    ] == [True]


def test_own_logs_are_kept_for_a_year(event_store: EventStore):
    event_store.append(PROVINCE, [event(1, {"event.dataset": "soc.agent"})])
    assert event_store.expire(PROVINCE, NOON + timedelta(days=360)) == []


def test_health_tells_events_and_bytes(event_store: EventStore):
    event_store.append(PROVINCE, [event(1), event(2)])
    health = event_store.health(PROVINCE)
    assert health.events == 2
    assert health.size_bytes > 0
    assert health.partitions == 1


def test_a_page_has_a_limit(event_store: EventStore):
    with pytest.raises(QueryError):
        event_store.search(PROVINCE, "", size=1_000_000)


def test_a_page_of_no_hits_still_counts(event_store: EventStore):
    event_store.append(PROVINCE, [event(1)])
    page = event_store.search(PROVINCE, "", size=0)
    assert (page.events, page.total) == ((), 1)


def test_long_values_are_kept_and_named_as_not_indexed(event_store: EventStore):
    long = "x" * 8_192
    event_store.append(PROVINCE, [event(1, {"process.command_line": long, "user.name": "an"})])
    (found,) = event_store.search(PROVINCE, "soc.not_indexed:process.command_line").events
    assert found.fields["process.command_line"] == long
    assert found.fields["soc.not_indexed"] == ["process.command_line"]
    assert event_store.count(PROVINCE, "_exists_:process.command_line") == 1


def test_values_of_the_longest_indexed_length_are_found(event_store: EventStore):
    value = "ặ" * 8_190 + "z"
    event_store.append(PROVINCE, [event(1, {"process.command_line": value})])
    assert event_store.count(PROVINCE, "process.command_line:*z") == 1
