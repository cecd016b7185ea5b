"""The task queue of the small site: rows are the truth, one thread executes them.

A job is claimed with a lease that a long job may extend; when the lease runs out the reaper returns it, so no job stays
"running" for ever. A job runs at least once; handlers are written so that twice is the same as once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotFound
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.jobs import JobRow

LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 3
SHORTEST_PAUSE = timedelta(seconds=5)
LIVE = frozenset({"waiting", "running"})
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """What a handler gets: its arguments, the scope of whoever started it, and a way to hold on longer."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    scope: Scope
    attempt: int
    hold: Callable[[datetime], bool]  # extend the lease from now; False: cancelled or taken away


Handler = Callable[[Job, datetime], Mapping[str, Any]]


def pause(attempts: int) -> timedelta:
    """Before the next try.

    >>> [pause(n).total_seconds() for n in (1, 2, 3)]
    [5.0, 10.0, 20.0]
    """
    factor: int = 2 ** (attempts - 1)
    return SHORTEST_PAUSE * factor


class InProcessQueue:
    """Implements ``soc.ports.TaskQueue`` over JobRow. ``clock`` tells our time when a job is enqueued."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler] = MappingProxyType({}),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        lease: timedelta = LEASE,
        most_attempts: int = MOST_ATTEMPTS,
    ) -> None:
        self.database, self.handlers, self.clock = database, dict(handlers), clock
        self.lease, self.most_attempts = lease, most_attempts

    def handle(self, name: str, handler: Handler) -> None:
        """Register what a job name does; a process that only enqueues needs none."""
        if name in self.handlers:
            raise Conflict(f"the job {name!r} already has a handler")
        self.handlers[name] = handler

    def enqueue(
        self,
        scope: Scope,
        name: str,
        arguments: Mapping[str, Any],
        *,
        not_before: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """The job's id; with a known ``idempotency_key`` the id of the job that is already there."""
        now = self.clock()
        with self.database.write(scope) as session:
            if idempotency_key is not None:
                same = select(JobRow.id).where(JobRow.idempotency_key == idempotency_key)
                known = session.scalar(same)
                if known is not None:
                    return known
            row = JobRow(
                id=uuid.uuid4().hex,
                name=name,
                arguments=dict(arguments),
                scope=None if scope.agency_ids is None else sorted(scope.agency_ids),
                actor=scope.actor,
                state="waiting",
                not_before=not_before or now,
                idempotency_key=idempotency_key,
                created_at=now,
            )
            session.add(row)
            return row.id

    def cancel(self, scope: Scope, job_id: str) -> bool:
        """Whether it was still live. A running handler notices when it next holds on.

        Raises NotFound for a job whose starter saw more than the caller does.
        """
        with self.database.write(scope) as session:
            row = _get(session, job_id)
            if not _covers(scope, row):
                raise NotFound("job", job_id)
            if row.state not in LIVE:
                return False
            row.state, row.finished_at, row.lease_until = "cancelled", self.clock(), None
            return True

    def job(self, scope: Scope, job_id: str) -> JobRow:
        """The row as it stands. Raises NotFound."""
        with self.database.session(scope) as session:
            row = _get(session, job_id)
            if not _covers(scope, row):
                raise NotFound("job", job_id)
            return row

    def run_due(self, now: datetime) -> bool:
        """Execute the one job that has waited longest; False when none is due."""
        job = self._claim(now)
        if job is None:
            return False
        try:
            result = self.handlers[job.name](job, now)
        except Exception as error:  # the worker loop: a job's error is kept on its row
            log.exception("job failed", job=job.name, id=job.id)
            self._failed(job, f"{type(error).__name__}: {error}")
        else:
            self._finish(job, "done", result=dict(result))
        return True

    def reap(self, now: datetime) -> int:
        """Return jobs whose lease ran out; returns how many."""
        province = Scope.province()
        expired = select(JobRow).where(JobRow.state == "running", JobRow.lease_until <= now)
        with self.database.session(province) as session:
            if session.scalar(expired.limit(1)) is None:
                return 0
        with self.database.write(province) as session:
            rows = session.scalars(expired).all()
            for row in rows:
                self._try_again(row, "the lease ran out: its worker was killed or hung", now)
            return len(rows)

    def _claim(self, now: datetime) -> Job | None:
        province = Scope.province()
        due = select(JobRow).where(
            JobRow.state == "waiting", JobRow.not_before <= now, JobRow.name.in_(self.handlers)
        )
        due = due.order_by(JobRow.not_before, JobRow.created_at).limit(1)
        with self.database.session(province) as session:
            if session.scalar(due) is None:
                return None
        with self.database.write(province) as session:
            row = session.scalar(due)
            if row is None:
                return None
            row.state, row.lease_until = "running", now + self.lease
            row.attempts += 1
            return self._job(row)

    def _job(self, row: JobRow) -> Job:
        scope = Scope(None if row.scope is None else frozenset(row.scope), row.actor)
        job_id, attempt = row.id, row.attempts

        def hold(now: datetime) -> bool:
            with self.database.write(Scope.province()) as session:
                held = _get(session, job_id)
                if held.state != "running" or held.attempts != attempt:
                    return False
                held.lease_until = now + self.lease
                return True

        return Job(job_id, row.name, dict(row.arguments), scope, attempt, hold)

    def _failed(self, job: Job, error: str) -> None:
        with self.database.write(Scope.province()) as session:
            row = _get(session, job.id)
            if row.state == "running" and row.attempts == job.attempt:
                self._try_again(row, error, self.clock())

    def _try_again(self, row: JobRow, error: str, now: datetime) -> None:
        row.error, row.lease_until = error, None
        if row.attempts >= self.most_attempts:
            row.state, row.finished_at = "failed", now
        else:
            row.state, row.not_before = "waiting", now + pause(row.attempts)

    def _finish(self, job: Job, state: str, *, result: dict[str, Any]) -> None:
        """A job that was cancelled or taken away meanwhile keeps its state."""
        with self.database.write(Scope.province()) as session:
            row = _get(session, job.id)
            if row.state == "running" and row.attempts == job.attempt:
                row.state, row.result, row.error = state, result, ""
                row.finished_at, row.lease_until = self.clock(), None


def _get(session: Session, job_id: str) -> JobRow:
    row = session.scalar(select(JobRow).where(JobRow.id == job_id))
    if row is None:
        raise NotFound("job", job_id)
    return row


def _covers(scope: Scope, row: JobRow) -> bool:
    """Jobs belong to whoever may see all that their starter saw."""
    if scope.agency_ids is None:
        return True
    return row.scope is not None and set(row.scope) <= scope.agency_ids
