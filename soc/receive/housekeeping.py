"""What a door does beside receiving: small chores, each every so often, in one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from soc.errors import SocError
from soc.model.scope import Scope
from soc.receive.ingest import Ingest
from soc.records.database import Database
from soc.records.jobs import HeartbeatRow

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Chore:
    """``work`` is done at the start and then ``every_seconds``; a failure is logged, counted, and tried again."""

    name: str
    every_seconds: float
    work: Callable[[], None]
    due: float = 0.0
    last_error: str = ""


class Housekeeping:
    """Runs chores one after the other."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self.chores = tuple(chores)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def errors(self) -> dict[str, str]:
        """The chores whose last try failed, and why."""
        return {chore.name: chore.last_error for chore in self.chores if chore.last_error}

    def _run(self) -> None:
        while not self._stopping.is_set():
            for chore in self.chores:
                if time.monotonic() >= chore.due and not self._stopping.is_set():
                    self._do(chore)
            self._stopping.wait(0.25)

    def _do(self, chore: Chore) -> None:
        try:
            chore.work()
            chore.last_error = ""
        except (SocError, SQLAlchemyError, OSError, ValueError) as error:
            if repr(error) != chore.last_error:
                log.error("a chore failed", chore=chore.name, error=repr(error)[:500])
            chore.last_error = repr(error)
        chore.due = time.monotonic() + chore.every_seconds


class Heartbeat:
    """Writes the row by which the health page knows that the door lives, and how fast."""

    def __init__(
        self,
        database: Database,
        ingest: Ingest,
        errors: Callable[[], dict[str, str]],
        slow_rules: Callable[[], dict[str, int]] = dict,
    ) -> None:
        self._database, self._ingest, self._errors = database, ingest, errors
        self._slow_rules = slow_rules
        self._before = (time.monotonic(), 0)

    def beat(self) -> None:
        figures, tick = self._ingest.figures, time.monotonic()
        seconds, events = tick - self._before[0], figures.events - self._before[1]
        self._before = (tick, figures.events)
        detail = {
            "queue_bytes": self._ingest.waiting_bytes,
            "refusing": self._ingest.closed_because,
            "events_per_second": round(events / seconds, 1) if seconds > 0 else 0.0,
            "commits": figures.commits,
            "batches": figures.batches,
            "events": figures.events,
            "set_aside": figures.set_aside,
            "duplicates": figures.duplicates,
            "failures": figures.failures,
            "slowest_commit_seconds": round(figures.slowest_commit_seconds, 3),
            "last_error": figures.last_error,
            "chores": self._errors(),
            "rules_over_budget": self._slow_rules(),
        }
        with self._database.write(Scope.province("door")) as session:
            session.merge(HeartbeatRow(process="door", at=datetime.now(UTC), detail=detail))
