from __future__ import annotations

from datetime import timedelta

import pytest

from soc.errors import Conflict, NotFound
from soc.tasks.in_process import InProcessQueue
from tests.respond.builders import CONSTRUCTION, FINANCE, PROVINCE, T, after


class Clock:
    def __init__(self) -> None:
        self.now = T

    def __call__(self):
        return self.now


@pytest.fixture
def seen():
    return []


@pytest.fixture
def queue(database, seen):
    """A queue whose only job remembers what it was given."""

    def remember(job, now):
        seen.append(job)
        return {"told": job.arguments["word"]}

    return InProcessQueue(database, {"remember": remember}, clock=Clock())


def test_a_job_runs_once_with_its_arguments_and_keeps_its_result(queue, seen):
    """Done is done."""
    job_id = queue.enqueue(PROVINCE, "remember", {"word": "chào"})
    assert [queue.run_due(T), queue.run_due(T)] == [True, False]
    row = queue.job(PROVINCE, job_id)
    assert (row.state, row.result, len(seen)) == ("done", {"told": "chào"}, 1)


def test_a_job_carries_its_starters_scope(queue, seen):
    """It may see no more than the person who started it."""
    queue.enqueue(CONSTRUCTION, "remember", {"word": "x"})
    queue.run_due(T)
    assert seen[0].scope == CONSTRUCTION


def test_the_same_key_is_the_same_job(queue):
    """A second click starts nothing."""
    first = queue.enqueue(PROVINCE, "remember", {"word": "x"}, idempotency_key="k")
    queue.run_due(T)
    assert queue.enqueue(PROVINCE, "remember", {"word": "y"}, idempotency_key="k") == first
    assert not queue.run_due(T)


def test_a_job_waits_for_its_time(queue):
    """Not a moment before."""
    queue.enqueue(PROVINCE, "remember", {"word": "x"}, not_before=after(hours=1))
    assert not queue.run_due(after(minutes=59))
    assert queue.run_due(after(hours=1))


def test_a_job_that_fails_is_tried_again_and_at_last_failed(database):
    """Three tries; the error stays on the row, and the loop goes on."""

    def broken(job, now):
        raise ValueError("hỏng")

    clock = Clock()
    queue = InProcessQueue(database, {"broken": broken}, clock=clock)
    job_id = queue.enqueue(PROVINCE, "broken", {})
    states = []
    for _ in range(3):
        assert queue.run_due(clock.now)
        states.append(queue.job(PROVINCE, job_id).state)
        clock.now += timedelta(minutes=1)
    assert states == ["waiting", "waiting", "failed"]
    assert queue.job(PROVINCE, job_id).error == "ValueError: hỏng"


def test_a_job_whose_worker_was_killed_returns_when_its_lease_runs_out(database, seen):
    """No run stays executing for ever."""

    class Killed(BaseException):
        pass

    def killed(job, now):
        raise Killed

    queue = InProcessQueue(database, {"remember": killed}, clock=Clock())
    job_id = queue.enqueue(PROVINCE, "remember", {})
    with pytest.raises(Killed):
        queue.run_due(T)
    assert queue.job(PROVINCE, job_id).state == "running"
    assert queue.reap(T + queue.lease - timedelta(seconds=1)) == 0
    assert queue.reap(T + queue.lease) == 1
    assert queue.job(PROVINCE, job_id).state == "waiting"


def test_a_long_job_that_holds_on_is_not_taken_away(database):
    """Holding extends the lease from that moment."""
    held = []

    def long(job, now):
        held.append(job.hold(after(minutes=4)))
        held.append(queue.reap(after(minutes=8)))
        return {}

    queue = InProcessQueue(database, {"long": long}, clock=Clock())
    queue.enqueue(PROVINCE, "long", {})
    queue.run_due(T)
    assert held == [True, 0]


def test_a_cancelled_job_does_not_run_and_a_running_one_learns_of_it(database, queue):
    """Whoever holds on is told."""
    waiting = queue.enqueue(PROVINCE, "remember", {"word": "x"})
    assert queue.cancel(PROVINCE, waiting)
    assert not queue.run_due(T)
    held = []

    def long(job, now):
        queue.cancel(PROVINCE, job.id)
        held.append(job.hold(T))
        return {}

    other = InProcessQueue(database, {"long": long}, clock=Clock())
    job_id = other.enqueue(PROVINCE, "long", {})
    other.run_due(T)
    assert (held, other.job(PROVINCE, job_id).state) == ([False], "cancelled")


def test_a_job_of_another_agency_cannot_be_seen_or_cancelled(queue):
    """Nor one whose starter saw the whole province."""
    for scope in (CONSTRUCTION, PROVINCE):
        job_id = queue.enqueue(scope, "remember", {"word": "x"})
        with pytest.raises(NotFound):
            queue.cancel(FINANCE, job_id)
        with pytest.raises(NotFound):
            queue.job(FINANCE, job_id)


def test_a_job_that_this_process_cannot_handle_is_left_for_another(database, queue):
    """It waits untouched."""
    job_id = queue.enqueue(PROVINCE, "compile", {})
    assert not queue.run_due(T)
    assert queue.job(PROVINCE, job_id).attempts == 0


def test_a_job_name_has_one_handler(queue):
    """A second one would be a mistake of wiring."""
    with pytest.raises(Conflict):
        queue.handle("remember", lambda job, now: {})
