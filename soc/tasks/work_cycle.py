"""The worker's duties: small callables, each with its interval; one that fails is logged, shown and tried again.

Duties share one thread, so that short ones never overlap; a duty that waits for others (a network, a long job) is
marked ``apart`` and gets a thread of its own, so that it cannot delay alerts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select

from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.jobs import HeartbeatRow

LONGEST_NAP = timedelta(seconds=1)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Duty:
    """What is done every so often. ``act`` gets the time and says how much it did (for the heartbeat)."""

    name: str
    every: timedelta
    act: Callable[[datetime], int | bool | None]
    apart: bool = False


@dataclass(slots=True)
class DutyRecord:
    """What one duty did since the start."""

    runs: int = 0
    done: int = 0
    errors: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    slowest_seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        at = self.last_error_at
        return {
            "runs": self.runs,
            "done": self.done,
            "errors": self.errors,
            "last_error": self.last_error,
            "last_error_at": None if at is None else at.isoformat(),
            "slowest_seconds": round(self.slowest_seconds, 3),
        }


class WorkCycle:
    """Runs duties until told to stop. ``clock`` gives aware UTC."""

    def __init__(
        self, duties: Iterable[Duty], *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.duties, self.clock = tuple(duties), clock
        self.records = {duty.name: DutyRecord() for duty in self.duties}
        self._stop = threading.Event()

    def run(self) -> None:
        """Work in this thread (and one for each duty apart) until ``stop``."""
        apart = [
            threading.Thread(target=self._loop, args=([duty],), name=f"duty-{duty.name}")
            for duty in self.duties
            if duty.apart
        ]
        for thread in apart:
            thread.start()
        try:
            self._loop([duty for duty in self.duties if not duty.apart])
        finally:
            self.stop()
            for thread in apart:
                thread.join()

    def stop(self) -> None:
        """From any thread or a signal handler; the duty at hand is finished first."""
        self._stop.set()

    def heartbeat(self) -> dict[str, Any]:
        """What every duty did, for the health page."""
        return {name: record.plain() for name, record in self.records.items()}

    def _loop(self, duties: list[Duty]) -> None:
        started = time.monotonic()
        due = {duty.name: started for duty in duties}
        while not self._stop.is_set():
            for duty in duties:
                if due[duty.name] <= time.monotonic() and not self._stop.is_set():
                    self.perform(duty)
                    due[duty.name] = time.monotonic() + duty.every.total_seconds()
            nap = min(due.values(), default=started + 1) - time.monotonic()
            self._stop.wait(min(max(nap, 0.0), LONGEST_NAP.total_seconds()))

    def perform(self, duty: Duty) -> None:
        """Do one duty once; its error is logged and kept, never raised."""
        record, began = self.records[duty.name], time.monotonic()
        record.runs += 1
        try:
            record.done += int(duty.act(self.clock()) or 0)
        except Exception as error:  # the worker loop: one duty's error must not end the others
            record.errors += 1
            record.last_error = f"{type(error).__name__}: {error}"
            record.last_error_at = self.clock()
            log.exception("duty failed", duty=duty.name)
        record.slowest_seconds = max(record.slowest_seconds, time.monotonic() - began)


def keep_heartbeat(
    database: Database, process: str, tell: Callable[[], dict[str, Any]]
) -> Callable[[datetime], int]:
    """A duty that writes what ``tell`` says to the row of ``process``."""

    def beat(now: datetime) -> int:
        with database.write(Scope.province()) as session:
            row = session.scalar(select(HeartbeatRow).where(HeartbeatRow.process == process))
            if row is None:
                session.add(HeartbeatRow(process=process, at=now, detail=tell()))
            else:
                row.at, row.detail = now, tell()
        return 1

    return beat
