"""The worker's duty: every stored network event, in the order of arrival, to the detectors; their findings to signals.

How far it has read is saved with the counters, in one transaction. What was read after the last save is read again
after a restart, and a finding that is made again is the same signal: so nothing is counted twice and nothing is told
twice, wherever the process dies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from soc.detect.baselines.detectors import Detectors
from soc.model.event import EPOCH, Signal
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.records.baselines import BaselineRow
from soc.records.database import Database

QUERY = "event.category:network"
PAGE = 2_000
PAGES_AT_ONCE = 10  # then other work has its turn
SETTLED = timedelta(
    seconds=4
)  # batches that arrived at one time may be committed one after the other
LOOK_BACK = timedelta(days=1)  # of a new watch
SAVE_EVERY = timedelta(minutes=5)
NAME = "network"
SCOPE = Scope.province("baselines")
log = structlog.get_logger(__name__)


class BaselineWatch:
    """``make`` gives new detectors; ``keep`` stores signals, those that are there stay as they are."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        make: Callable[[], Detectors],
        keep: Callable[[Sequence[Signal]], None],
    ) -> None:
        self.database, self.store, self.make, self.keep = database, store, make, keep
        self.detectors = make()
        self._row = self._restored()
        self._is_changed = False

    def work(self, now: datetime) -> int:
        """Read on; returns how many events were looked at."""
        row = self._row or self._begun(now)
        self._row, looked, horizon = row, 0, now - SETTLED
        for _ in range(PAGES_AT_ONCE):
            page = self.store.search(
                SCOPE,
                QUERY,
                start=row.since,
                sort="received_at",
                size=PAGE,
                after=row.cursor or None,
            )
            signals, reached = [], EPOCH
            is_whole = True
            for event in page.events:
                if event.received_at > horizon:
                    is_whole = False
                    break
                reached = max(reached, event.received_at)
                if event.received_at <= row.read_to:
                    continue  # of a page that was not full when it was read
                looked += 1
                signals += [finding.signal() for finding in self.detectors.observe(event)]
            if signals:
                self.keep(signals)
            row.findings += len(signals)
            if is_whole and page.after is not None:  # a full page: go on behind it
                row.cursor, row.read_to = page.after, EPOCH
                continue
            row.read_to = max(row.read_to, reached)
            break
        row.events += looked
        self._is_changed |= looked > 0
        if self._is_changed and now - row.saved_at >= SAVE_EVERY:
            self.save(now)
        return looked

    def save(self, now: datetime) -> None:
        """Keep the counters, and how far the events were read."""
        row = self._row
        if row is None:
            return
        row.state, row.saved_at = self.detectors.dump(), now
        with self.database.write(SCOPE) as session:
            session.merge(row)
        self._is_changed = False

    def _restored(self) -> BaselineRow | None:
        with self.database.session(SCOPE) as session:
            row = session.get(BaselineRow, NAME)
            if row is not None:
                session.expunge(row)
        if row is None:
            return None
        try:
            self.detectors.load(row.state)
        except ValueError as error:
            log.error("the network counters begin anew", reason=str(error))
            self.detectors = self.make()
        return row

    def _begun(self, now: datetime) -> BaselineRow:
        return BaselineRow(
            name=NAME,
            since=now - LOOK_BACK,
            cursor="",
            read_to=EPOCH,
            state=self.detectors.dump(),
            events=0,
            findings=0,
            saved_at=now,
        )
