"""New indicators against old events, a day at a time: each window is done, owed, or failed and tried again.

The store is asked for the events in which a value's words stand in a row; what the Watch then says of each is what
counts, so a hit of the past is judged like one of today. A repeat finds the same signals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select

from soc.detect.indicators.current import signal_of
from soc.detect.indicators.shelf import indicator_of
from soc.detect.indicators.warning_lists import WarningLists
from soc.detect.indicators.watch import ADDRESSES, Watch
from soc.errors import SocError
from soc.model.event import Signal
from soc.model.indicator import Indicator, Kind
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.records.database import Database
from soc.records.indicators import IndicatorRow, RetroWindowRow

ASKED_AT_ONCE = 60  # indicators in one query
WINDOWS_AT_ONCE = 20  # then other duties have their turn
AGAIN = timedelta(minutes=5)
MOST_WORDS = 40  # of one value; a longer one is found by its beginning
RETRO = Scope.province("retro")
log = structlog.get_logger(__name__)
Keep = Callable[[Sequence[Signal]], None]


class RetroMatcher:
    """``keep`` stores signals; ``ours`` tells the province's own addresses."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        keep: Keep,
        *,
        ours: Callable[[str], bool],
        lists: WarningLists,
    ) -> None:
        self._database, self._store, self._keep = database, store, keep
        self._ours, self._lists = ours, lists

    def work(self, now: datetime) -> int:
        """Work off some windows that are due, the newest days first; returns how many."""
        worked = 0
        while worked < WINDOWS_AT_ONCE and (row := self._next(now)) is not None:
            self._work_one(row, now)
            worked += 1
        return worked

    def _next(self, now: datetime) -> RetroWindowRow | None:
        row = RetroWindowRow
        wanted = select(row).where(row.state != "done", row.due_at <= now)
        with self._database.session(RETRO) as session:
            return session.scalar(wanted.order_by(row.start.desc(), row.id).limit(1))

    def _work_one(self, row: RetroWindowRow, now: datetime) -> None:
        try:
            hits = self._look(row, now)
        except (
            SocError
        ) as error:  # a partition that cannot be read now may be later; the window stays owed
            log.error("looking back failed", start=row.start.isoformat(), error=str(error))
            self._settle(row.id, "failed", due_at=now + AGAIN, error=str(error)[:2_000])
        else:
            self._settle(row.id, "done", hits=hits, finished_at=now, error="")

    def _look(self, row: RetroWindowRow, now: datetime) -> int:
        found = 0
        for some in _pieces(self._in_force(row.indicators, now)):
            watch = Watch(some, ours=self._ours, lists=self._lists)
            signals = [
                signal_of(hit, event)
                for event in self._store.scan(RETRO, query_of(some), start=row.start, end=row.end)
                for hit in watch.hits(event)
                if not hit.held_back
            ]
            if signals:
                self._keep(signals)
            found += len(signals)
        return found

    def _in_force(self, ids: Sequence[str], now: datetime) -> list[Indicator]:
        wanted = select(IndicatorRow).where(
            IndicatorRow.id.in_(ids),
            IndicatorRow.withdrawn_at.is_(None),
            IndicatorRow.expires_at > now,
        )
        with self._database.session(RETRO) as session:
            return [indicator_of(row) for row in session.scalars(wanted.order_by(IndicatorRow.id))]

    def _settle(self, key: int, state: str, **values: object) -> None:
        with self._database.write(RETRO) as session:
            row = session.get(RetroWindowRow, key)
            if row is not None:
                row.state, row.attempts = state, row.attempts + 1
                for name, value in values.items():
                    setattr(row, name, value)


def progress(database: Database) -> dict[str, int]:
    """How many windows are done, owed and failed."""
    counted = select(RetroWindowRow.state, func.count()).group_by(RetroWindowRow.state)
    with database.session(RETRO) as session:
        return {"done": 0, "owed": 0, "failed": 0} | {
            row[0]: row[1] for row in session.execute(counted)
        }


def query_of(indicators: Sequence[Indicator]) -> str:
    """A query for every event that can hold one of them (and some that do not).

    >>> from datetime import UTC, datetime
    >>> of = lambda kind, value: Indicator(kind, value, "s", datetime.now(UTC), datetime.now(UTC))
    >>> query_of([of(Kind.DOMAIN, "xau.example"), of(Kind.IP, "203.0.113.7")])
    '"xau example" OR "203 0 113 7"'
    """
    return " OR ".join(part for one in indicators for part in _parts(one))


def _parts(one: Indicator) -> Iterator[str]:
    if one.kind in (Kind.NETWORK, Kind.IP) and (one.kind is Kind.NETWORK or ":" in one.value):
        yield from (f'{name}:"{one.value}"' for name in ADDRESSES if name.endswith("ip"))
        return
    words = re.findall(r"[^\W_]+", one.value)[:MOST_WORDS]
    yield f'"{" ".join(words)}"'


def _pieces(indicators: Sequence[Indicator]) -> Iterator[Sequence[Indicator]]:
    for start in range(0, len(indicators), ASKED_AT_ONCE):
        yield indicators[start : start + ASKED_AT_ONCE]
