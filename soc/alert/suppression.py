"""Repeats held back: after one alert of a group, the same rule's signals of the next period are kept and counted only.

Signals are looked at in the order of their numbers, so the result does not depend on how they were cut into batches or
when the worker restarted. A signal that lacks one of the group's fields is never held back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.scope import Scope
from soc.normalise.folding import fold
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.correlations import hash_of
from soc.records.database import Database
from soc.records.suppressions import SuppressedGroupRow, SuppressionRow

LONGEST = timedelta(days=366)
LONGEST_PERIOD = timedelta(days=31)
ENTITY = "entity"  # what the rule's alerts are about


class Holding:
    """The suppressions of some rules, within the joiner's transaction."""

    def __init__(self, session: Session, rule_ids: set[str]) -> None:
        self._session = session
        self._by_rule: dict[str, list[SuppressionRow]] = {}
        wanted = select(SuppressionRow).where(SuppressionRow.rule_id.in_(rule_ids))
        for row in session.scalars(wanted.order_by(SuppressionRow.number)):
            self._by_rule.setdefault(row.rule_id, []).append(row)

    def let_through(self, signals: Sequence[SignalRow]) -> list[SignalRow]:
        """The signals that make alerts; the others say in ``suppressed_by`` what holds them back."""
        return [one for one in signals if not self._holds(one)]

    def _holds(self, signal: SignalRow) -> bool:
        told: list[tuple[SuppressionRow, str]] = []
        for row in self._by_rule.get(signal.rule_id, ()):
            group = _group(row, signal)
            if group is None or not row.created_at <= signal.received_at < row.expires_at:
                continue
            known = self._session.get(SuppressedGroupRow, (row.id, hash_of(group)))
            if known is not None and self._repeats(row, known, signal):
                known.held += 1
                known.last_held_at = max(
                    signal.observed_at, known.last_held_at or signal.observed_at
                )
                signal.suppressed_by = row.id
                return True
            told.append((row, group))
        for row, group in told:
            self._tell(row, group, signal)
        return False

    def _repeats(self, row: SuppressionRow, known: SuppressedGroupRow, signal: SignalRow) -> bool:
        """Within the period of what was told, before or after; and that still stands."""
        if abs(signal.observed_at - known.told_at) >= timedelta(seconds=row.period_seconds):
            return False
        wanted = select(SignalRow.withdrawn_at).where(SignalRow.id == known.told_signal_id)
        return self._session.scalar(wanted) is None

    def _tell(self, row: SuppressionRow, group: str, signal: SignalRow) -> None:
        key = (row.id, hash_of(group))
        known = self._session.get(SuppressedGroupRow, key)
        if known is None:
            known = SuppressedGroupRow(
                suppression_id=row.id, group_key=key[1], group=group, agency_id=signal.agency_id,
                told_at=signal.observed_at, told_signal_id=signal.id, told=0, held=0,
            )  # fmt: skip
            self._session.add(known)
        elif signal.observed_at >= known.told_at or self._is_withdrawn(known):
            known.told_at, known.told_signal_id = signal.observed_at, signal.id
        known.told += 1

    def _is_withdrawn(self, known: SuppressedGroupRow) -> bool:
        wanted = select(SignalRow.withdrawn_at).where(SignalRow.id == known.told_signal_id)
        return self._session.scalar(wanted) is not None


def _group(row: SuppressionRow, signal: SignalRow) -> str | None:
    """The group of a signal, as JSON; None where the suppression does not reach it."""
    if row.agency_id not in (None, signal.agency_id) or row.system_id not in (
        None,
        signal.system_id,
    ):
        return None
    values = [signal.agency_id or ""]
    for name in row.by:
        held = {ENTITY: signal.entity, "host.name": signal.host}.get(name) or signal.fields.get(
            name
        )
        if held in (None, "", []):
            return None
        values.append(fold(str(held)))
    return orjson.dumps(values).decode()


@dataclass(frozen=True, slots=True)
class Listed:
    """``counts``: by agency, how many signals were told and how many held back."""

    row: SuppressionRow
    state: str  # in force, ended
    counts: tuple[tuple[str | None, int, int], ...]

    @property
    def held(self) -> int:
        return sum(held for _, _, held in self.counts)


class SuppressionShelf:
    """Written, ended and listed by people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        scope: Scope,
        rule_id: str,
        *,
        by: Sequence[str],
        period: timedelta,
        reason: str,
        expires_at: datetime,
        now: datetime,
        agency_id: str | None = None,
        system_id: str | None = None,
    ) -> SuppressionRow:
        """Hold back the repeats of a rule's alerts from now on.

        Args:
            by: ``entity``, or fields that the rule's signals have; empty: all of an agency are one group.

        Raises:
            Conflict: no reason, or a period or an end that is none or too far.
            NotAllowed: for an agency outside the scope.
        """
        if not scope.allows(agency_id):
            raise NotAllowed("a suppression is for agencies within your scope only")
        if not reason.strip():
            raise Conflict("a suppression needs a reason")
        if not timedelta(seconds=1) <= period <= LONGEST_PERIOD:
            raise Conflict("a period is between a second and 31 days")
        if not now < expires_at <= now + LONGEST:
            raise Conflict("a suppression ends within a year; it can be renewed")
        with self._database.write(scope) as session:
            number = (session.scalar(select(func.max(SuppressionRow.number))) or 0) + 1
            row = SuppressionRow(
                id=f"HN-{number:04}", number=number, rule_id=rule_id, by=list(by),
                period_seconds=int(period.total_seconds()), agency_id=agency_id, system_id=system_id,
                reason=reason.strip(), author=scope.actor, created_at=now, expires_at=expires_at,
            )  # fmt: skip
            session.add(row)
            _audit(session, scope, "add", row, now)
        return row

    def end(self, scope: Scope, suppression_id: str, now: datetime) -> None:
        """Let the rule's alerts through again. NotFound when none of that id is in force within the scope."""
        row = SuppressionRow
        wanted = select(row).where(row.id == suppression_id, row.expires_at > now)
        with self._database.write(scope) as session:
            found = session.scalar(wanted)
            if found is None:
                raise NotFound("suppression in force", suppression_id)
            found.expires_at, found.ended_by = now, scope.actor
            _audit(session, scope, "end", found, now)

    def listed(self, scope: Scope, now: datetime) -> Iterator[Listed]:
        """The newest first, those that have ended too: what they held back stays to be seen."""
        group = SuppressedGroupRow
        counted = select(
            group.suppression_id, group.agency_id, func.sum(group.told), func.sum(group.held)
        ).group_by(group.suppression_id, group.agency_id)
        with self._database.session(scope) as session:
            rows = list(
                session.scalars(select(SuppressionRow).order_by(SuppressionRow.number.desc()))
            )
            counts = [(str(k), a, int(t), int(h)) for k, a, t, h in session.execute(counted)]
        for row in rows:
            mine = tuple(
                (agency, told, held) for key, agency, told, held in counts if key == row.id
            )
            yield Listed(row, "in force" if row.expires_at > now else "ended", mine)


def _audit(session: Session, scope: Scope, act: str, row: SuppressionRow, now: datetime) -> None:
    detail = {"rule": row.rule_id, "by": row.by, "period_seconds": row.period_seconds}
    audit(
        session, scope, f"suppression.{act}", "suppression", row.id, row.reason, detail,
        now=now, agency_id=row.agency_id,
    )  # fmt: skip
