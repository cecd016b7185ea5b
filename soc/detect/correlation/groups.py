"""One group of one correlation in the records: its entries, its runs, and how the first change the second.

Where one more entry can only lengthen runs, the windows that it falls into are looked at and no others. Elsewhere
(sums, averages, chains, withdrawn entries) every run that could be touched is worked out again from its entries.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.runs import Run, end_of, join, run_at
from soc.detect.correlation.windows import Entry, moments
from soc.records.correlations import CorrelationEntryRow, CorrelationRunRow


@dataclass(frozen=True, slots=True)
class Change:
    """The runs of a stretch of time, before (rows) and after."""

    before: list[CorrelationRunRow]
    after: list[Run]
    start: int  # moments from here
    end: int  # to here were looked at


class Group:
    """The entries and runs of one group, within the caller's transaction."""

    def __init__(self, session: Session, rule: Correlation, group_key: str) -> None:
        self.session, self.rule, self.key = session, rule, group_key

    def changed(self, first: int, last: int, *, grown: bool) -> Change:
        """Work out what entries between two times (µs, inclusive) have changed.

        Args:
            grown: entries were only added.
        """
        start, end = self._windows(first, last)
        if self.rule.only_grows and grown:
            near = self._runs(start, end)
            found = self._found(start, end)
            runs = [Run(row.since, row.first, row.last) for row in near]
            return Change(near, join(self.rule, [*runs, *found]), start, end)
        start, end, near = self._closure(start, end)
        return Change(near, join(self.rule, self._found(start, end)), start, end)

    def _windows(self, first: int, last: int) -> tuple[int, int]:
        """The moments whose windows hold these times."""
        span = self.rule.span_us
        if self.rule.closing:
            return first // span * span, last // span * span
        return first, last + span - 1

    def _closure(self, start: int, end: int) -> tuple[int, int, list[CorrelationRunRow]]:
        """The stretch, widened to the runs that touch it, and those runs."""
        while True:
            near = self._runs(start, end)
            wider = (min([start, *(r.first for r in near)]), max([end, *(r.last for r in near)]))
            if wider == (start, end):
                return start, end, near
            start, end = wider

    def _runs(self, start: int, end: int) -> list[CorrelationRunRow]:
        """Standing runs that moments in the stretch could touch, in the order in which they began."""
        span = self.rule.span_us
        wanted = (
            select(CorrelationRunRow)
            .where(
                CorrelationRunRow.correlation_id == self.rule.id,
                CorrelationRunRow.group_key == self.key,
                CorrelationRunRow.withdrawn_at.is_(None),
                CorrelationRunRow.last >= start - span,
                CorrelationRunRow.first <= end + span,
            )
            .order_by(CorrelationRunRow.first, CorrelationRunRow.id)
        )
        return list(self.session.scalars(wanted))

    def _found(self, start: int, end: int) -> list[Run]:
        """A run for each moment of the stretch at which the condition holds."""
        span = self.rule.span_us
        inside = (start, end + span - 1) if self.rule.closing else (start - span + 1, end)
        held = self.entries(*inside)
        times = [one.at for one in held]
        return [
            run_at(self.rule, moment, times)
            for moment in moments(self.rule, held)
            if start <= moment <= end
        ]

    def entries(self, start: int, end: int) -> list[Entry]:
        """The entries between two times, both inclusive, in order."""
        row = CorrelationEntryRow
        wanted = (
            select(row.at, row.id, row.rule_id, row.value, row.starts)
            .where(self._mine(), row.at >= start, row.at <= end)
            .order_by(row.at, row.id)
        )
        return [Entry(*found) for found in self.session.execute(wanted)]

    def count(self, run: Run) -> int:
        """How many entries a run has."""
        counted = select(func.count(CorrelationEntryRow.number))
        return self.session.scalar(counted.where(self._mine(), *self._within(run))) or 0

    def rows(self, run: Run, *, newest: int) -> list[CorrelationEntryRow]:
        """The newest entries of a run, the latest first."""
        row = CorrelationEntryRow
        wanted = select(row).where(self._mine(), *self._within(run))
        return list(
            self.session.scalars(wanted.order_by(row.at.desc(), row.id.desc()).limit(newest))
        )

    def rows_between(self, start: int, end: int) -> list[CorrelationEntryRow]:
        row = CorrelationEntryRow
        wanted = select(row).where(self._mine(), row.at >= start, row.at <= end)
        return list(self.session.scalars(wanted.order_by(row.at, row.id)))

    def _within(self, run: Run) -> tuple[ColumnElement[bool], ...]:
        row = CorrelationEntryRow
        return row.at >= run.since, row.at <= end_of(self.rule, run)

    def _mine(self) -> ColumnElement[bool]:
        row = CorrelationEntryRow
        return (row.correlation_id == self.rule.id) & (row.group_key == self.key)
