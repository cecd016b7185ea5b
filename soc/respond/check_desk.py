"""The three questions about an alert, answered from the stored events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from soc.errors import SocError
from soc.model.guidance import Check
from soc.model.scope import Scope
from soc.normalise.query_text import filled, unknown, value_text
from soc.ports import EventStore

PATIENCE = timedelta(seconds=3)  # for all questions of one alert together
MOST_AT_ONCE = 6  # searches of all readers together; who comes later waits, and is told so
LONGEST_QUERY = 8_000  # characters, as the search page takes
MOST_OWN = 50  # ids of an alert's events in a query
TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """How many events a question finds in [start, end), or why it has no answer.

    ``problem`` is "", ``missing`` (the event lacks the fields in ``detail``), ``long`` (a value is too long to look
    for), ``late`` (no answer in time) or ``failed`` (``detail`` says why).
    """

    check: Check
    start: datetime
    end: datetime
    query: str = ""
    events: int | None = None
    problem: str = ""
    detail: str = ""


class CheckDesk:
    """Asks the questions of one alert at once, within the caller's scope and a bounded time."""

    def __init__(self, store: EventStore, *, patience: timedelta = PATIENCE) -> None:
        self.store, self.patience = store, patience
        self._asking = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="checks")

    def answers(
        self,
        scope: Scope,
        checks: Sequence[Check],
        fields: Mapping[str, Any],
        *,
        first: datetime,
        last: datetime,
        own: Sequence[str] = (),
    ) -> tuple[Answer, ...]:
        """In the order of the checks.

        ``fields`` are the event's; ``first`` and ``last`` when the alert was seen; ``own`` the ids of its events, of
        which the first fifty are left out of the answers.
        """
        prepared = [_prepared(check, fields, first, last, own) for check in checks]
        asked = {
            number: self._asking.submit(self._count, scope, answer)
            for number, answer in enumerate(prepared)
            if not answer.problem
        }
        wait(asked.values(), timeout=self.patience.total_seconds())
        return tuple(
            _answered(answer, asked[number]) if number in asked else answer
            for number, answer in enumerate(prepared)
        )

    def _count(self, scope: Scope, answer: Answer) -> int:
        return self.store.count(scope, answer.query, start=answer.start, end=answer.end)


def _prepared(
    check: Check, fields: Mapping[str, Any], first: datetime, last: datetime, own: Sequence[str]
) -> Answer:
    """The question with the event's values, not yet asked."""
    start, end = first - check.before, last + check.after
    end = end if check.after else first  # "before" does not count the alert's own events
    end = max(end, start + TICK)
    lacking: tuple[str, ...] = ()
    for query in check.queries:
        missing = unknown(query, fields)
        if not missing:
            text = filled(query, fields) + ("" if check.own else _without(own))
            too_long = len(text) > LONGEST_QUERY
            return Answer(check, start, end, "" if too_long else text, problem="long" * too_long)
        lacking = lacking or missing
    return Answer(check, start, end, problem="missing", detail=", ".join(lacking))


def _without(own: Sequence[str]) -> str:
    """So that "what else" does not count what the reader is looking at."""
    ids = " OR ".join(map(value_text, own[:MOST_OWN]))
    return f" AND NOT _id:({ids})" if ids else ""


def _answered(answer: Answer, asked: Future[int]) -> Answer:
    found: dict[str, Any]
    if asked.cancel() or not asked.done():
        found = {"problem": "late"}
    else:
        try:
            found = {"events": asked.result()}
        except SocError as error:
            found = {"problem": "failed", "detail": str(error)}
    return Answer(answer.check, answer.start, answer.end, answer.query, **found)
