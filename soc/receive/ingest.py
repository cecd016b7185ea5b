"""Group commit: all the batches that wait are stored together, and then answered.

Two threads: while one group is committed, the next is read and judged. Groups are committed in the order in which they
were prepared, and one that was prepared behind a group that failed is prepared again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import structlog

from soc.errors import Overloaded, StoreError
from soc.receive.batches import Batch
from soc.receive.plans import Prepared, Receipt

T = TypeVar("T")
log = structlog.get_logger(__name__)

WAITING_BYTES = 96 * 2**20  # of decompressed batches, in memory
GROUP_BYTES = 16 * 2**20  # one commit: one or two seconds of work
GROUP_BATCHES = 256
_FAILURES_IN_A_ROW = 3  # then the fault is ours (a full disk), not a batch's


class Storing(Protocol):
    """The flow, as far as it concerns this module."""

    def prepare(
        self, batches: Sequence[Batch], now: datetime, ahead: Prepared | None = None
    ) -> Prepared: ...

    def commit(self, group: Prepared) -> list[Receipt]: ...


@dataclass(slots=True)
class Figures:
    """What the ingest thread has done since its start."""

    commits: int = 0
    batches: int = 0
    records: int = 0
    events: int = 0
    set_aside: int = 0
    duplicates: int = 0
    failures: int = 0
    last_error: str = ""
    slowest_commit_seconds: float = 0.0

    def count(self, receipts: Sequence[Receipt], seconds: float) -> None:
        self.commits += 1
        self.batches += len(receipts)
        self.records += sum(receipt.records for receipt in receipts)
        self.events += sum(receipt.events for receipt in receipts)
        self.set_aside += sum(receipt.set_aside for receipt in receipts)
        self.duplicates += sum(receipt.duplicates for receipt in receipts)
        self.slowest_commit_seconds = max(self.slowest_commit_seconds, seconds)


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    answer: Future[Receipt] = field(default_factory=Future)


@dataclass(slots=True)
class _Call:
    work: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)


@dataclass(slots=True)
class _Flying:
    """A group that is being committed; the future says whether it was."""

    prepared: Prepared
    group: list[_Waiting]
    landed: Future[bool]


class Ingest:
    """The queue before the flow. Bounded in bytes; what does not fit is refused, not dropped.

    Nothing waits on purpose: an idle thread commits a batch at once, a busy one finds more batches when it is done.
    """

    def __init__(self, flow: Storing, *, waiting_bytes: int = WAITING_BYTES) -> None:
        self._flow, self._limit = flow, waiting_bytes
        self._queue: deque[_Waiting | _Call] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stopping = False
        self.closed_because = ""  # set by who watches disk and rules: no batch is taken then
        self.closed_for_seconds = 15
        self.figures = Figures()
        self._flying: _Flying | None = None
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more, finish what waits, and return when the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def check_room(self, size_bytes: int = 0) -> None:
        """Whether a batch of this size would be taken now.

        Raises:
            Overloaded: the disk is full, the queue is full, or the door is stopping.
        """
        if self._stopping:
            raise Overloaded("the door is stopping", retry_after_seconds=2)
        if self.closed_because:
            raise Overloaded(self.closed_because, retry_after_seconds=self.closed_for_seconds)
        if self._bytes and self._bytes + size_bytes > self._limit:
            raise Overloaded("too many batches are waiting", retry_after_seconds=1)

    def submit(self, batch: Batch) -> Future[Receipt]:
        """Queue a batch; the answer comes when it is stored, or with the error that prevented it.

        Raises:
            Overloaded: there is no room.
        """
        with self._changed:
            self.check_room(batch.size_bytes)
            waiting = _Waiting(batch)
            self._queue.append(waiting)
            self._bytes += batch.size_bytes
            self._changed.notify()
        return waiting.answer

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Run ``work`` in the ingest thread, between two groups."""
        with self._changed:
            if self._stopping:
                raise Overloaded("the door is stopping", retry_after_seconds=2)
            call = _Call(work)
            self._queue.append(call)
            self._changed.notify()
        return call.answer

    def _work(self) -> None:
        with ThreadPoolExecutor(1, "commit") as committer:
            while (step := self._next_step()) is not None:
                if isinstance(step, _Call):
                    self._land()
                    self._answer(step)
                elif step:
                    self._take(step, committer)
                else:
                    self._land()

    def _next_step(self) -> list[_Waiting] | _Call | None:
        """The next group, or a call; an empty group when the one on its way has landed; None at the end."""
        with self._changed:
            while True:
                if self._flying is not None and self._flying.landed.done():
                    return []
                if self._queue:
                    return self._next_group()
                if self._stopping and self._flying is None:
                    return None
                self._changed.wait()

    def _take(self, group: list[_Waiting], committer: ThreadPoolExecutor) -> None:
        """Prepare a group, and what comes meanwhile, while the one before it is committed; then have it committed."""
        prepared = self._prepare(group, self._flying.prepared if self._flying is not None else None)
        while prepared is not None and (more := self._more(group)):
            assert self._flying is not None  # only then there is more
            behind = self._prepare(more, self._flying.prepared.joined(prepared))
            if behind is not None and behind.rules_digest == prepared.rules_digest:
                prepared = prepared.joined(behind)
                group = [*group, *more]
                continue
            if self._send_off(group, prepared, committer):
                self._take(more, committer)  # by the new rules, or to see whose fault it was
            else:
                self._take_alone(more)
            return
        if prepared is None:
            self._land()
            self._take_alone(group)
        else:
            self._send_off(group, prepared, committer)

    def _prepare(self, group: list[_Waiting], ahead: Prepared | None) -> Prepared | None:
        try:
            return self._flow.prepare(
                [waiting.batch for waiting in group], datetime.now(UTC), ahead
            )
        except Exception as error:  # the worker loop: each alone will show whose fault it is
            self._note_failure(error, group)
            return None

    def _more(self, group: list[_Waiting]) -> list[_Waiting]:
        """Batches that came while the group before this one is still being committed, if there is room for them."""
        if sum(waiting.batch.size_bytes for waiting in group) >= GROUP_BYTES:
            return []
        with self._changed:
            while self._flying is not None and not self._flying.landed.done():
                if self._queue:
                    break
                self._changed.wait()  # for a batch, or for the landing
            else:
                return []
            if isinstance(self._queue[0], _Call):
                return []
            more = self._next_group()
            return [] if isinstance(more, _Call) else more

    def _send_off(
        self, group: list[_Waiting], prepared: Prepared, committer: ThreadPoolExecutor
    ) -> bool:
        """Commit a prepared group as soon as the one before it is stored; without that it is prepared again."""
        if not self._land():
            self._take_alone(group)
            return False
        landed = committer.submit(self._commit, group, prepared)
        self._flying = _Flying(prepared, group, landed)
        landed.add_done_callback(self._wake)
        return True

    def _wake(self, _: Future[bool]) -> None:
        with self._changed:
            self._changed.notify()

    def _land(self) -> bool:
        """Wait for the group on its way; whether there was none, or it was stored. If not, it is tried again here."""
        flying, self._flying = self._flying, None
        if flying is None or flying.landed.result():
            return True
        self._take_alone(flying.group)
        return False

    def _take_alone(self, group: list[_Waiting]) -> None:
        """One batch after the other, so that one that cannot be stored does not hold up the others."""
        failures = 0
        error: StoreError | None = None
        for waiting in group:
            if failures < _FAILURES_IN_A_ROW:
                error = self._try_alone(waiting)
                failures = 0 if error is None else failures + 1
            if error is not None:
                self._settle(waiting, error)

    def _try_alone(self, waiting: _Waiting) -> StoreError | None:
        try:
            prepared = self._flow.prepare([waiting.batch], datetime.now(UTC))
        except Exception as error:  # the worker loop: whatever it is, the sender keeps its batch
            return self._note_failure(error, [waiting])
        stored = self._commit([waiting], prepared)
        return None if stored else StoreError(f"not stored: {self.figures.last_error}")

    def _commit(self, group: list[_Waiting], prepared: Prepared) -> bool:
        """Store and answer; whether that was done."""
        started = time.monotonic()
        try:
            receipts = self._flow.commit(prepared)
        except (
            Exception
        ) as error:  # the worker loop: whatever it is, the senders keep their batches
            self._note_failure(error, group)
            return False
        self.figures.count(receipts, time.monotonic() - started)
        for waiting, receipt in zip(group, receipts, strict=True):
            self._settle(waiting, receipt)
        return True

    def _note_failure(self, error: Exception, group: list[_Waiting]) -> StoreError:
        self.figures.failures += 1
        self.figures.last_error = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {error!r:.500}"
        log.error("batches were not stored", batches=len(group), error=repr(error)[:500])
        return StoreError(f"not stored: {type(error).__name__}")

    def _settle(self, waiting: _Waiting, result: Receipt | StoreError) -> None:
        """Answer, if somebody still waits for it, and make room."""
        with self._changed:
            self._bytes -= waiting.batch.size_bytes
        if waiting.answer.cancelled():
            return
        if isinstance(result, Receipt):
            waiting.answer.set_result(result)
        else:
            waiting.answer.set_exception(result)

    def _next_group(self) -> list[_Waiting] | _Call:
        group: list[_Waiting] = []
        size = 0
        while self._queue and len(group) < GROUP_BATCHES and size < GROUP_BYTES:
            head = self._queue[0]
            if isinstance(head, _Call):
                if not group:
                    self._queue.popleft()
                    return head
                break
            self._queue.popleft()
            head.answer.set_running_or_notify_cancel()  # from here on it cannot be cancelled
            group.append(head)
            size += head.batch.size_bytes
        return group

    def _answer(self, call: _Call) -> None:
        try:
            call.answer.set_result(call.work())
        except Exception as error:  # the worker loop: the caller gets the error
            self.figures.last_error = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {error!r:.500}"
            call.answer.set_exception(error)
