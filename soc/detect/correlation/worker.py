"""The worker's duty: from new entries to runs, in pieces that are whole.

A piece (some entries looked at, their runs and signals written, the cursor moved) is one transaction, so a kill between
any two steps leaves it done or not begun. A group that fails is owed again, with its error, and holds up no other.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from soc.detect.backfill import is_open
from soc.detect.correlation.chains import raise_moments
from soc.detect.correlation.groups import Group
from soc.detect.correlation.rule import Correlation, Correlations
from soc.detect.correlation.telling import Telling, time_of
from soc.detect.exception_shelf import CurrentExceptions
from soc.detect.exceptions import Exceptions
from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.records.correlations import CorrelationCursorRow, CorrelationEntryRow, CorrelationOwedRow
from soc.records.database import Database

AT_ONCE = 300  # entries in one transaction
OWED_AT_ONCE = 100
LATENESS = timedelta(minutes=15)  # a closing window is judged so long after its end
AGAIN = timedelta(minutes=1)  # after a fault, doubled each time
KEPT_BEYOND = timedelta(days=1)  # entries, beside two timespans of their rule
PROVINCE = Scope.province("correlations")
log = structlog.get_logger(__name__)


class Correlator:
    """``current`` gives the correlations in use; they may change between two pieces."""

    def __init__(
        self,
        database: Database,
        current: Callable[[], Correlations],
        exceptions: CurrentExceptions | None = None,
    ) -> None:
        self._database, self._current = database, current
        self._exceptions = exceptions or CurrentExceptions(database)

    def work(self, now: datetime) -> int:
        """Look at what has come and at what is due; returns how many entries were looked at.

        Between two transactions it rests for as long as the last one took (see ``soc.alert.join``).
        """
        looked = 0
        self._exceptions.refresh(now)
        while True:
            began = time.monotonic()
            some = self._look_at_new(now)
            looked += some
            if some < AT_ONCE:
                break
            time.sleep(time.monotonic() - began)
        while self._look_at_owed(now) == OWED_AT_ONCE:
            pass
        return looked

    def prune(self, now: datetime) -> None:
        """Forget entries that no window can need any more; of rules that are gone, all but the last day's.

        Nothing while history is being looked at again, nor what has not been looked at.
        """
        if is_open(self._database):
            return
        current = self._current()
        with self._database.write(PROVINCE) as session:
            row = CorrelationEntryRow
            cursor = session.get(CorrelationCursorRow, 1)
            looked_at = row.number <= (cursor.number if cursor else 0)
            known = list(session.scalars(select(row.correlation_id).distinct()))
            for rule_id in known:
                rule = current.rules.get(rule_id)
                span = timedelta(microseconds=2 * rule.span_us if rule else 0)
                before = (now - span - KEPT_BEYOND - EPOCH) // timedelta(microseconds=1)
                late = row.received_at < now - span - KEPT_BEYOND  # and not only come late
                session.execute(
                    delete(row).where(
                        row.correlation_id == rule_id, row.at < before, late, looked_at
                    )
                )

    def _look_at_new(self, now: datetime) -> int:
        with self._database.session(PROVINCE) as session:
            cursor = session.get(CorrelationCursorRow, 1)
            wanted = select(CorrelationEntryRow.number).where(
                CorrelationEntryRow.number > (cursor.number if cursor else 0)
            )
            if session.scalar(wanted.limit(1)) is None:
                return 0
        with self._database.write(PROVINCE) as session:
            cursor = session.get(CorrelationCursorRow, 1)
            if cursor is None:
                cursor = CorrelationCursorRow(id=1, number=0, evaluated_at=now)
                session.add(cursor)
            row = CorrelationEntryRow
            some = session.execute(
                select(row.number, row.correlation_id, row.group_key, row.at)
                .where(row.number > cursor.number)
                .order_by(row.number)
                .limit(AT_ONCE)
            ).all()
            touched: dict[tuple[str, str], list[int]] = defaultdict(list)
            for _, rule_id, group_key, at in some:
                touched[rule_id, group_key].append(at)
            piece = _Piece(session, self._current(), now, self._exceptions.held)
            for (rule_id, group_key), times in touched.items():
                piece.grown(rule_id, group_key, times)
            cursor.number, cursor.evaluated_at = some[-1][0], now
        return len(some)

    def _look_at_owed(self, now: datetime) -> int:
        row = CorrelationOwedRow
        due = select(row).where(row.due_at <= now).order_by(row.due_at).limit(OWED_AT_ONCE)
        with self._database.session(PROVINCE) as session:
            if session.scalar(due.limit(1)) is None:
                return 0
        with self._database.write(PROVINCE) as session:
            piece = _Piece(session, self._current(), now, self._exceptions.held)
            owed = list(session.scalars(due))
            for one in owed:
                piece.owed(one)
        return len(owed)


class _Piece:
    """What is looked at in one transaction."""

    def __init__(
        self, session: Session, current: Correlations, now: datetime, exceptions: Exceptions
    ) -> None:
        self.session, self.current, self.now = session, current, now
        self.exceptions = exceptions

    def grown(self, rule_id: str, group_key: str, times: Sequence[int]) -> None:
        rule = self.current.rules.get(rule_id)
        if rule is None:
            return  # switched off: its entries age and go
        if not rule.closing:
            for first, last in _near(times, rule.span_us):
                self._try(rule, group_key, first, last, grown=True)
            return
        for start in sorted({at // rule.span_us * rule.span_us for at in times}):
            due = time_of(start + rule.span_us) + LATENESS
            if due > self.now:
                self._owe(rule, group_key, start, start + rule.span_us - 1, due)
            else:
                self._try(rule, group_key, start, start, grown=True)

    def owed(self, row: CorrelationOwedRow) -> None:
        rule = self.current.rules.get(row.correlation_id)
        attempts = row.attempts
        if rule is not None and not self._evaluated(
            rule, row.group_key, row.start, row.end, attempts=attempts
        ):
            return
        self.session.delete(row)

    def _try(
        self, rule: Correlation, group_key: str, first: int, last: int, *, grown: bool
    ) -> None:
        self._evaluated(rule, group_key, first, last, attempts=0, grown=grown)

    def _evaluated(
        self,
        rule: Correlation,
        group_key: str,
        first: int,
        last: int,
        *,
        attempts: int,
        grown: bool = False,
    ) -> bool:
        """Whether the group could be judged; if not, it is owed."""
        try:
            with self.session.begin_nested():
                self._evaluate(rule, group_key, first, last, grown=grown)
        except Exception as error:  # one group's fault must not stop the others, nor be hidden
            log.error("a correlation failed", rule=rule.id, error=repr(error)[:500])
            due = self.now + AGAIN * 2 ** min(attempts, 8)
            self._owe(rule, group_key, first, last, due, repr(error)[:2_000], attempts + 1)
            return False
        return True

    def _evaluate(
        self, rule: Correlation, group_key: str, first: int, last: int, *, grown: bool
    ) -> None:
        group = Group(self.session, rule, group_key)
        change = group.changed(first, last, grown=grown)
        if rule.id not in self.current.silent:
            facts = self.current.facts[rule.id]
            telling = Telling(
                self.session,
                group,
                facts,
                self.now,
                self.exceptions,
                testing=rule.id in self.current.testing,
                testing_agencies=self.current.testing_agencies,
            )
            telling.tell(change)
        above = self.current.above(rule.id)
        if not above:
            return
        for one, key, times in raise_moments(group, change, above):
            for start, end in _near(times, one.span_us):
                self._try(one, key, start, end, grown=False)

    def _owe(
        self,
        rule: Correlation,
        group_key: str,
        start: int,
        end: int,
        due: datetime,
        error: str = "",
        attempts: int = 0,
    ) -> None:
        row = self.session.get(CorrelationOwedRow, (rule.id, group_key, start))
        if row is None:
            row = CorrelationOwedRow(correlation_id=rule.id, group_key=group_key, start=start)
            self.session.add(row)
        row.end, row.due_at = max(end, row.end or end), due
        row.state, row.error, row.attempts = ("failed" if error else "owed"), error, attempts


def _near(times: Sequence[int], span: int) -> list[tuple[int, int]]:
    """Stretches of times that lie less than a timespan apart."""
    stretches: list[tuple[int, int]] = []
    for at in sorted(times):
        if stretches and at - stretches[-1][1] < span:
            stretches[-1] = (stretches[-1][0], at)
        else:
            stretches.append((at, at))
    return stretches
