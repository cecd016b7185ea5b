"""A rule over the events that are stored already, in windows of a day: done, owed, or failed and tried again.

For a rule that is new, or that could not judge some events when they came. The store is asked for the candidates, and
the matcher that judges at the door judges each of them: a window finds what the door would have found with this rule.
A repeat finds the same matches. A correlation is looked for by way of all the rules below it, oldest day first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from pathlib import Path

import structlog
from sqlalchemy import exists, select

from soc.detect.candidates import EVERYTHING, candidates
from soc.detect.current import current_digest, load_current
from soc.detect.exceptions import Exceptions
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack
from soc.errors import NotAllowed, NotFound, QueryError, SocError
from soc.model.event import Event, Signal
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.rules import BackfillWindowRow

WINDOWS_AT_ONCE = 20  # then other duties have their turn
EVENTS_AT_ONCE = 500
AGAIN = timedelta(minutes=5)
END_OF_TIME = datetime(
    9999, 1, 1, tzinfo=UTC
)  # the newest window takes what clocks in the future wrote
BACKFILL = Scope.province("backfill")
log = structlog.get_logger(__name__)
Keep = Callable[[Sequence[Signal]], None]
Mark = Callable[[Sequence[Signal], Pack], list[Signal]]


def owe_windows(
    database: Database, scope: Scope, pack: Pack, rule_id: str, days: int, now: datetime
) -> int:
    """Owe a window for each of the last days, today's included, for the rule or all rules below the correlation.

    Returns how many windows. One that is owed already stays, one that is done is judged again.

    Raises:
        NotFound: no such rule can be used.
        NotAllowed: the scope is not the whole province.
    """
    if not scope.whole_province:
        raise NotAllowed("looking back over history concerns the whole province")
    rules = sorted(_rules_of(pack, rule_id))
    if not rules:
        raise NotFound("rule that can be used", rule_id)
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    starts = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
    with database.write(scope) as session:
        open_now = select(BackfillWindowRow.rule_id, BackfillWindowRow.start).where(
            BackfillWindowRow.rule_id.in_(rules), BackfillWindowRow.state != "done"
        )
        owed = {(one, start) for one, start in session.execute(open_now)}
        made = [(one, start) for start in starts for one in rules if (one, start) not in owed]
        for one, start in made:
            end = END_OF_TIME if start == today else start + timedelta(days=1)
            session.add(
                BackfillWindowRow(
                    rule_id=one, start=start, end=end, due_at=now, created_at=now, created_by=scope.actor
                )
            )  # fmt: skip
        detail = {"days": days, "rules": rules}
        audit(session, scope, "rule.backfill", "rule", rule_id, "", detail, now=now)
    return len(made)


def _rules_of(pack: Pack, rule_id: str) -> set[str]:
    """The rule itself, or the single-event rules below a correlation."""
    correlation = pack.correlations.get(rule_id)
    if correlation is None:
        return {rule_id} & pack.rules.keys()
    return {one for below in correlation.rules for one in _rules_of(pack, below)}


class Backfill:
    """Works off the windows. ``mark`` gives each signal its rule's state; ``exceptions`` are those in force."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        packs_home: Path,
        *,
        mark: Mark,
        exceptions: Callable[[datetime], Exceptions],
        keep: Keep,
    ) -> None:
        self._database, self._store, self._packs_home = database, store, packs_home
        self._mark, self._exceptions, self._keep = mark, exceptions, keep

    def work(self, now: datetime) -> int:
        """Work off some windows that are due, the oldest days first; returns how many."""
        with self._database.session(BACKFILL) as session:
            due = (
                select(BackfillWindowRow)
                .where(BackfillWindowRow.state != "done", BackfillWindowRow.due_at <= now)
                .order_by(BackfillWindowRow.start, BackfillWindowRow.id)
            )
            rows = list(session.scalars(due.limit(WINDOWS_AT_ONCE)))
        if not rows or current_digest(self._packs_home) is None:
            return 0
        pack = load_current(self._packs_home)
        exceptions = self._exceptions(now)
        for row in rows:
            self._work_one(row, pack, exceptions, now)
        return len(rows)

    def _work_one(
        self, row: BackfillWindowRow, pack: Pack, exceptions: Exceptions, now: datetime
    ) -> None:
        try:
            if row.rule_id not in pack.rules:
                raise NotFound("rule in use", row.rule_id)
            looked_at = matches = 0
            alone = only(pack, row.rule_id)
            for events, signals in judged(alone, self._store, row.start, row.end):
                looked_at += len(events)
                matches += len(signals)
                self._keep(exceptions.mark(self._mark(signals, pack), events, at=now))
        except SocError as error:  # a partition that cannot be read now may be later
            start = row.start.isoformat()
            log.error("a backfill failed", rule_id=row.rule_id, start=start, error=str(error))
            self._settle(row.id, state="failed", due_at=now + AGAIN, error=str(error)[:2_000])
        else:
            self._settle(
                row.id, state="done", looked_at=looked_at, matches=matches, digest=pack.digest,
                finished_at=now, error="",
            )  # fmt: skip

    def _settle(self, key: int, **values: object) -> None:
        with self._database.write(BACKFILL) as session:
            row = session.get(BackfillWindowRow, key)
            if row is not None:
                row.attempts += 1
                for name, value in values.items():
                    setattr(row, name, value)


def only(pack: Pack, rule_id: str) -> Matcher:
    """A matcher of one rule, which feeds the correlations that it feeds in the pack."""
    alone = Pack(
        digest=pack.digest,
        mapping=pack.mapping,
        rules={rule_id: pack.rules[rule_id]},
        conditions={rule_id: pack.conditions[rule_id]},
        fields=pack.fields,
        correlations=pack.correlations,
        silent=pack.silent,
    )
    return Matcher(alone)


def judged(
    matcher: Matcher, store: EventStore, start: datetime, end: datetime
) -> Iterator[tuple[list[Event], list[Signal]]]:
    """The candidates among the stored events, some at a time, with the matches among them."""
    (condition,) = matcher.pack.conditions.values()
    waiting = _found(store, candidates(condition, matcher.pack.fields), start, end)
    while events := list(islice(waiting, EVENTS_AT_ONCE)):
        yield events, judge(matcher, events)


def _found(store: EventStore, query: str, start: datetime, end: datetime) -> Iterator[Event]:
    """The events of a query; if the store will not take it, all of the time."""
    found: Iterable[Event]
    try:
        found = store.scan(BACKFILL, query, start=start, end=end)
        first = list(islice(found, 1))
    except QueryError as error:
        log.info("a backfill reads every event", reason=str(error))
        yield from store.scan(BACKFILL, EVERYTHING, start=start, end=end)
        return
    yield from first
    yield from found


def is_open(database: Database) -> bool:
    """Whether a window is owed: what correlations need of the past must then be kept."""
    wanted = exists().where(BackfillWindowRow.state != "done")
    with database.session(BACKFILL) as session:
        return bool(session.scalar(select(wanted)))
