"""The indicators in the records: taken in, listed, withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.detect.indicators.windows import owe_windows
from soc.errors import NotAllowed, NotFound
from soc.model.indicator import Indicator, Kind, Tlp
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.indicators import IndicatorRow

RULE_PREFIX = "ioc-"  # a signal's rule_id is this and the indicator's id
AT_ONCE = 500  # rows in one transaction, since the door waits for the write lock


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of indicators that were read."""

    new: int
    renewed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Listed:
    """One indicator with what it has done. ``hits`` are signals; ``held_back`` made none."""

    id: str
    indicator: Indicator
    created_at: datetime
    created_by: str
    withdrawn_at: datetime | None
    withdrawn_because: str
    hits: int
    held_back: int
    held_because: str


class IndicatorShelf:
    """Reads and writes under the caller's Scope: an agency's officer sees and takes in only that agency's own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_in(self, scope: Scope, indicators: Sequence[Indicator], now: datetime) -> TakenIn:
        """Put indicators in force. One that is there is renewed: the newest message says how long, how bad, for whom.

        Raises:
            NotAllowed: one is for an agency outside the scope; nothing is taken in.
        """
        for one in indicators:
            if not scope.allows(one.agency_id):
                raise NotAllowed(
                    f"{one.value} is for {one.agency_id or 'the whole province'}, which you may not watch"
                )
        by_id = {one.id: one for one in indicators}
        counted: Counter[str] = Counter()
        ids = list(by_id)
        for start in range(0, len(ids), AT_ONCE):
            some = [by_id[key] for key in ids[start : start + AT_ONCE]]
            with self._database.write(scope) as session:
                became = list(_put(session, some, scope.actor, now))
                counted.update(became)
                pairs = zip(some, became, strict=True)
                owe_windows(session, [one.id for one, was in pairs if was != "unchanged"], now)
                detail = f"{len(some)} indicators of {', '.join(sorted({one.source for one in some}))[:200]}"
                audit(
                    session, scope, "indicators.take_in", "indicator", some[0].id, detail, now=now
                )
        return TakenIn(counted["new"], counted["renewed"], counted["unchanged"])

    def withdraw(self, scope: Scope, indicator_id: str, reason: str, now: datetime) -> None:
        """End an indicator at once. NotFound when there is none in the scope that is still in force."""
        with self._database.write(scope) as session:
            row = session.scalar(select(IndicatorRow).where(IndicatorRow.id == indicator_id))
            if row is None or row.withdrawn_at is not None:
                raise NotFound("indicator in force", indicator_id)
            row.withdrawn_at = now
            row.version += 1
            row.withdrawn_by, row.withdrawn_because = scope.actor, reason
            audit(
                session,
                scope,
                "indicators.withdraw",
                "indicator",
                row.id,
                f"{row.value}: {reason}"[:200],
                now=now,
            )

    def listed(
        self, scope: Scope, now: datetime, *, everything: bool = False, value: str = ""
    ) -> list[Listed]:
        """The indicators in force, or all there ever were; the newest first. ``value`` is a part of it."""
        wanted = select(IndicatorRow).order_by(IndicatorRow.created_at.desc(), IndicatorRow.id)
        if not everything:
            wanted = wanted.where(
                IndicatorRow.withdrawn_at.is_(None), IndicatorRow.expires_at > now
            )
        if value:
            wanted = wanted.where(IndicatorRow.value.contains(value, autoescape=True))
        with self._database.session(scope) as session:
            rows = list(session.scalars(wanted))
            hits = _hits(session)
        return [_listed(row, hits.get(RULE_PREFIX + row.id, 0)) for row in rows]

    def version(self) -> int:
        """Grows whenever an indicator is taken in, renewed or withdrawn."""
        with self._database.session(Scope.province("indicators")) as session:
            return session.scalar(select(func.sum(IndicatorRow.version))) or 0

    def in_force(self, now: datetime) -> list[Indicator]:
        """All that hold now, of every agency."""
        wanted = select(IndicatorRow).where(
            IndicatorRow.withdrawn_at.is_(None), IndicatorRow.expires_at > now
        )
        with self._database.session(Scope.province("indicators")) as session:
            return [indicator_of(row) for row in session.scalars(wanted)]

    def count_held_back(self, held: Mapping[str, tuple[int, str]]) -> None:
        """Add to what was held back: by indicator id, how often and why."""
        with self._database.write(Scope.province("indicators")) as session:
            for row in session.scalars(select(IndicatorRow).where(IndicatorRow.id.in_(held))):
                count, reason = held[row.id]
                row.held_back += count
                row.held_because = reason


def indicator_of(row: IndicatorRow) -> Indicator:
    return Indicator(
        kind=Kind(row.kind),
        value=row.value,
        source=row.source,
        expires_at=row.expires_at,
        valid_from=row.valid_from,
        level=row.level,
        tlp=Tlp(row.tlp),
        note=row.note,
        agency_id=row.agency_id,
    )


def _put(
    session: Session, indicators: Sequence[Indicator], actor: str, now: datetime
) -> Iterable[str]:
    """Write one piece; what became of each."""
    ids = [one.id for one in indicators]
    known = {
        row.id: row for row in session.scalars(select(IndicatorRow).where(IndicatorRow.id.in_(ids)))
    }
    for one in indicators:
        facts = {
            "tlp": str(one.tlp),
            "level": one.level,
            "note": one.note,
            "valid_from": one.valid_from,
            "expires_at": one.expires_at,
        }
        row = known.get(one.id)
        if row is None:
            fixed = {
                "kind": str(one.kind),
                "value": one.value,
                "source": one.source[:120],
                "agency_id": one.agency_id,
            }
            session.add(IndicatorRow(id=one.id, created_at=now, created_by=actor, **fixed, **facts))
            yield "new"
        elif row.withdrawn_at is None and all(getattr(row, k) == v for k, v in facts.items()):
            yield "unchanged"
        else:
            for name, value in facts.items():
                setattr(row, name, value)
            row.withdrawn_at, row.withdrawn_because = None, ""
            row.version += 1
            yield "renewed"


def _hits(session: Session) -> dict[str, int]:
    counted = (
        select(SignalRow.rule_id, func.count())
        .where(SignalRow.rule_id.startswith(RULE_PREFIX))
        .group_by(SignalRow.rule_id)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def _listed(row: IndicatorRow, hits: int) -> Listed:
    return Listed(
        id=row.id,
        indicator=indicator_of(row),
        created_at=row.created_at,
        created_by=row.created_by,
        withdrawn_at=row.withdrawn_at,
        withdrawn_because=row.withdrawn_because,
        hits=hits,
        held_back=row.held_back,
        held_because=row.held_because,
    )
