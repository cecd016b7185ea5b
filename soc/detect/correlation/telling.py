"""Runs as signals: a new run opens one, a longer one extends it, of runs that grow together one stays, and what does
not hold any more is withdrawn. Nothing that was shown is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.detect.correlation.groups import Change, Group
from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.runs import Run, end_of
from soc.detect.exceptions import ENDED, Exceptions
from soc.detect.facts import RuleFacts
from soc.model.alert import AlertStatus, Severity
from soc.model.event import EPOCH, TESTING, signal_id
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.correlations import CorrelationEntryRow, CorrelationRunRow, hash_of

EVENTS_NAMED = 50  # of a run, in its signal's fields: the newest
NO_LONGER = "no longer holds"


def time_of(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


class Telling:
    """One change of one group, told within the caller's transaction."""

    def __init__(
        self,
        session: Session,
        group: Group,
        facts: RuleFacts,
        now: datetime,
        exceptions: Exceptions,
        *,
        testing: bool = False,
        testing_agencies: Collection[str] = (),
    ) -> None:
        self.session, self.group, self.rule = session, group, group.rule
        self.facts, self.now, self.exceptions, self.testing = facts, now, exceptions, testing
        self.testing_agencies = () if facts.level == Severity.CRITICAL else testing_agencies

    def tell(self, change: Change) -> None:
        """Bring the runs' rows, signals and alerts in line with what holds now."""
        left = list(change.before)
        for run in change.after:
            mine = [row for row in left if _overlap(row, run)]
            left = [row for row in left if row not in mine]
            if mine:
                self._extend(mine[0], run)
                for other in mine[1:]:
                    self._withdraw(
                        other, f"one with the run of {time_of(run.first):%Y-%m-%dT%H:%M:%SZ}"
                    )
            else:
                self._open(run)
        for row in left:
            self._withdraw(row, NO_LONGER)

    def _open(self, run: Run) -> None:
        newest = self.group.rows(run, newest=EVENTS_NAMED)
        row = CorrelationRunRow(
            id=hash_of(self.rule.id, newest[0].group, str(run.first), self._generation(run)),
            correlation_id=self.rule.id,
            group_key=self.group.key,
            group=newest[0].group,
            agency_id=agency_of(newest[0].group),
            since=run.since,
            first=run.first,
            last=run.last,
            until=end_of(self.rule, run),
        )
        self.session.add(row)
        self._signal(row, newest)

    def _generation(self, run: Run) -> str:
        """Apart from runs of that beginning that were withdrawn."""
        row = CorrelationRunRow
        mine = (row.correlation_id == self.rule.id) & (row.group_key == self.group.key)
        same = select(func.count()).select_from(row).where(mine, row.first == run.first)
        return str(self.session.scalar(same) or 0)

    def _extend(self, row: CorrelationRunRow, run: Run) -> None:
        count = self.group.count(run)
        if (row.since, row.first, row.last, row.entries) == (*_times(run), count):
            return
        later = run.last > row.last
        row.since, row.first, row.last = _times(run)
        row.until = end_of(self.rule, run)
        signal = self.session.scalar(select(SignalRow).where(SignalRow.id == row.signal_id))
        newest = self.group.rows(run, newest=EVENTS_NAMED)
        alert = self.session.get(AlertRow, signal.alert_id) if signal and signal.alert_id else None
        if signal is None or (later and alert is not None and alert.status == AlertStatus.CLOSED):
            row.told += 1  # it goes on after somebody closed it: a new alert follows the closed one
            self._signal(row, newest)
            return
        self._fill(signal, row, newest)
        if alert is not None:
            self._retell(alert)

    def _signal(self, row: CorrelationRunRow, newest: Sequence[CorrelationEntryRow]) -> None:
        row.signal_id = signal_id(self.rule.id, f"{row.id}.{row.told}")
        signal = SignalRow(
            id=row.signal_id,
            rule_id=self.rule.id,
            rule_title=self.facts.title[:300],
            level=self.facts.level,
            agency_id=row.agency_id,
            entity=entity_of(self.rule, self.facts, row.group)[:400],
        )
        self._fill(signal, row, newest)
        self.session.add(signal)

    def _fill(
        self, signal: SignalRow, row: CorrelationRunRow, newest: Sequence[CorrelationEntryRow]
    ) -> None:
        run = Run(row.since, row.first, row.last)
        row.entries = self.group.count(run)
        latest = newest[0]
        signal.event_id = latest.event_id
        signal.since, signal.observed_at = time_of(row.since), time_of(latest.at)
        signal.received_at = latest.received_at
        signal.host, signal.system_id = latest.host, latest.system_id
        signal.system_level = max(one.system_level for one in newest)
        signal.fields = self._fields(row, newest)
        seen = {"host.name": latest.host, **signal.fields}
        hidden, ended = self.exceptions.holding(
            self.rule.id, seen, row.agency_id, latest.system_id, self.now
        )
        testing = self.testing or row.agency_id in self.testing_agencies
        signal.excepted_by = hidden or (TESTING if testing else None)
        if ended:
            signal.fields = {**signal.fields, ENDED: ended}

    def _fields(
        self, row: CorrelationRunRow, newest: Sequence[CorrelationEntryRow]
    ) -> dict[str, Any]:
        """Group-by values, how many matches, and which events they are."""
        named = dict(zip(self.rule.group_by, group_values(row.group), strict=True))
        return {
            **named,
            "event.count": row.entries,
            "soc.correlation.since": time_of(row.since).isoformat(),
            "soc.correlation.events": list(dict.fromkeys(one.event_id for one in newest)),
        }

    def _withdraw(self, row: CorrelationRunRow, reason: str) -> None:
        row.withdrawn_at, row.withdrawn_because = self.now, reason
        signal = self.session.scalar(select(SignalRow).where(SignalRow.id == row.signal_id))
        if signal is None:
            return
        signal.withdrawn_at = self.now
        alert = self.session.get(AlertRow, signal.alert_id) if signal.alert_id else None
        if alert is not None:
            self._retell(alert)

    def _retell(self, alert: AlertRow) -> None:
        """Times and texts of an alert from those of its signals that stand."""
        self.session.flush()
        standing = select(SignalRow).where(
            SignalRow.alert_id == alert.id, SignalRow.withdrawn_at.is_(None)
        )
        signals = list(self.session.scalars(standing.order_by(SignalRow.observed_at, SignalRow.id)))
        alert.withdrawn_at = None if signals else self.now
        if not signals:
            return
        alert.signals = len(signals)
        alert.first_seen_at = min(one.since or one.observed_at for one in signals)
        alert.last_seen_at = signals[-1].observed_at
        alert.host, alert.fields = signals[-1].host, dict(signals[-1].fields)


def group_values(group: str) -> list[str]:
    """The values of the group-by fields, folded."""
    return [str(one) for one in orjson.loads(group)[1:]]


def agency_of(group: str) -> str | None:
    return orjson.loads(group)[0] or None


def entity_of(rule: Correlation, facts: RuleFacts, group: str) -> str:
    """What the alert is about: the field of ``custom.entity`` if it is grouped by, else the host, else the first."""
    named: Mapping[str, str] = dict(zip(rule.group_by, group_values(group), strict=True))
    for name in (facts.entity, "host.name", *rule.group_by):
        if name in named:
            return f"host:{named[name]}" if name == "host.name" else f"{name}:{named[name]}"
    return f"rule:{facts.title}"


def _overlap(row: CorrelationRunRow, run: Run) -> bool:
    return row.first <= run.last and run.first <= row.last


def _times(run: Run) -> tuple[int, int, int]:
    return run.since, run.first, run.last
