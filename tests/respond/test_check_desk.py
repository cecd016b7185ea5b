"""The three questions about an alert: answered within the scope, in bounded time, and never by an error page."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from soc.errors import StoreError
from soc.model.guidance import Check
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.respond.check_desk import LONGEST_QUERY, CheckDesk
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS, NOON, PROVINCE, event

HOUR = timedelta(hours=1)
HOST = Check("host", "Máy?", "Host?", ("host.name:{host.name}",), HOUR, HOUR)
USER = Check("user", "Ai?", "Who?", ("user.id:{user.id}", "user.name:{user.name}"), HOUR, HOUR)
BEFORE = Check("before", "Trước?", "Before?", ("host.name:{host.name}",), HOUR, timedelta(0))
FIELDS = {"host.name": "may-1", "user.name": "an"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """Ten events of one machine and person, a second apart from noon; three belong to another agency."""
    made = EmbeddedStore(tmp_path_factory.mktemp("events"), months=MONTHS, writable=True)
    made.append(
        PROVINCE,
        [event(n, FIELDS, agency="so-y-te" if n < 7 else "so-khac") for n in range(10)],
    )
    yield made
    made.close()


def asked(store: object, *checks: Check, scope: Scope = PROVINCE, **more: Any) -> list[Any]:
    desk = CheckDesk(cast("EventStore", store), patience=more.pop("patience", timedelta(seconds=5)))
    at = {"first": NOON, "last": NOON} | more
    return list(desk.answers(scope, checks, at.pop("fields", FIELDS), **at))


def test_an_answer_is_the_count_of_events_in_the_window_and_their_query(store: EmbeddedStore):
    (answer,) = asked(store, HOST)
    assert (answer.events, answer.query) == (10, 'host.name:"may-1"')
    assert (answer.start, answer.end) == (NOON - HOUR, NOON + HOUR)


def test_answers_stand_in_the_order_of_the_questions(store: EmbeddedStore):
    assert [one.check.name for one in asked(store, USER, HOST, BEFORE)] == [
        "user",
        "host",
        "before",
    ]


def test_before_means_before_the_alert_and_not_the_alert_itself(store: EmbeddedStore):
    (answer,) = asked(store, BEFORE, first=NOON + timedelta(seconds=4), last=NOON + HOUR)
    assert answer.events == 4


def test_the_first_alternative_that_the_event_can_fill_is_asked(store: EmbeddedStore):
    (answer,) = asked(store, USER)
    assert answer.query == 'user.name:"an"'


def test_an_event_without_the_field_is_said_so(store: EmbeddedStore):
    (answer,) = asked(store, USER, fields={"host.name": "may-1", "user.name": "-"})
    assert (answer.events, answer.problem, answer.detail) == (None, "missing", "user.id")


def test_nobody_counts_events_of_another_agency(store: EmbeddedStore):
    """The scope is the reader's, not the alert's."""
    (answer,) = asked(store, HOST, scope=Scope.of("so-khac"))
    assert answer.events == 3


def test_the_alerts_own_events_are_left_out_save_where_the_question_is_how_often(
    store: EmbeddedStore,
):
    """What else there is does not include what the reader is looking at."""
    often = replace(HOST, own=True)
    own = [event(number).id for number in (2, 3, 4)]
    assert [one.events for one in asked(store, HOST, often, own=own)] == [7, 10]


def test_an_alert_of_very_many_events_leaves_out_the_newest(store: EmbeddedStore):
    """The query stays short enough for a link."""
    own = [event(number).id for number in (1, *range(1000, 3000))]
    (answer,) = asked(store, HOST, own=own)
    assert answer.events == 9
    assert len(answer.query) < LONGEST_QUERY / 3


@pytest.mark.parametrize("value", ['"', "\\", "*", '" OR *:*', "a\x00b", "\ud800", "?", "("])
def test_a_hostile_value_finds_nothing_but_itself(store: EmbeddedStore, value: str):
    (answer,) = asked(store, HOST, fields={"host.name": value})
    assert answer.events in (0, None)
    assert answer.problem in ("", "failed")


def test_a_value_too_long_for_the_search_page_is_said_so(store: EmbeddedStore):
    (answer,) = asked(store, HOST, fields={"host.name": "a" * LONGEST_QUERY})
    assert (answer.events, answer.problem, answer.query) == (None, "long", "")


class Slow:
    """A store that answers for one host only when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def count(self, scope: Scope, query: str, **window: Any) -> int:
        if "host.name" in query:
            self.go.wait(20)
        return 1


def test_a_slow_search_is_not_waited_for_and_spares_the_others():
    slow = Slow()
    begun = time.monotonic()
    try:
        host, user = asked(slow, HOST, USER, patience=timedelta(milliseconds=200))
    finally:
        slow.go.set()
    assert time.monotonic() - begun < 5
    assert (host.events, host.problem, host.query) == (None, "late", 'host.name:"may-1"')
    assert (user.events, user.problem) == (1, "")


def test_many_readers_of_a_store_that_hangs_take_few_threads():
    """Those who come later are told that there is no answer; no thread is added for them."""
    slow = Slow()
    desk = CheckDesk(cast("EventStore", slow), patience=timedelta(milliseconds=20))
    before = threading.active_count()
    try:
        for _ in range(30):
            answers = desk.answers(PROVINCE, [HOST, HOST, HOST], FIELDS, first=NOON, last=NOON)
            assert {one.problem for one in answers} == {"late"}
        assert threading.active_count() - before <= 6
    finally:
        slow.go.set()


class Broken:
    def count(self, scope: Scope, query: str, **window: Any) -> int:
        raise StoreError("the cluster does not answer")


def test_a_failing_search_is_a_sentence():
    (answer,) = asked(Broken(), HOST)
    assert (answer.problem, answer.detail) == ("failed", "the cluster does not answer")
