from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import select

from soc.records.jobs import HeartbeatRow
from soc.tasks.work_cycle import Duty, WorkCycle, keep_heartbeat
from tests.respond.builders import PROVINCE, T, after

NOW = timedelta(0)


def test_a_duty_that_fails_is_shown_and_ends_neither_itself_nor_the_others():
    """The error stands in the heartbeat, the cycle goes on."""
    done = []

    def broken(now):
        raise ValueError("hỏng")

    def sound(now):
        done.append(now)
        if len(done) == 3:
            cycle.stop()
        return 2

    cycle = WorkCycle([Duty("broken", NOW, broken), Duty("sound", NOW, sound)], clock=lambda: T)
    cycle.run()
    told = cycle.heartbeat()
    assert told["broken"]["errors"] == 3
    assert told["broken"]["last_error"] == "ValueError: hỏng"
    assert (told["sound"]["runs"], told["sound"]["done"], told["sound"]["errors"]) == (3, 6, 0)


def test_a_duty_that_waits_for_others_does_not_delay_the_rest():
    """A centre that hangs must not delay alerts."""
    hanging, joined = threading.Event(), []

    def hang(now):
        hanging.wait(5)

    def join(now):
        joined.append(now)
        if len(joined) == 5:
            hanging.set()
            cycle.stop()

    cycle = WorkCycle([Duty("outbox", NOW, hang, apart=True), Duty("join", NOW, join)])
    cycle.run()
    assert cycle.heartbeat()["outbox"]["runs"] == 1


def test_a_duty_keeps_its_interval():
    """An hour is not over within this test."""
    runs = []

    def often(now):
        if len(runs) == 10:
            cycle.stop()
        runs.append(now)

    cycle = WorkCycle([Duty("rare", timedelta(hours=1), lambda now: 1), Duty("often", NOW, often)])
    cycle.run()
    assert cycle.heartbeat()["rare"]["runs"] == 1


def test_stopping_from_another_thread_ends_the_cycle_soon():
    """Ctrl-C stops cleanly although every duty sleeps."""
    cycle = WorkCycle([Duty("rare", timedelta(hours=1), lambda now: 1)])
    working = threading.Thread(target=cycle.run)
    working.start()
    cycle.stop()
    working.join(timeout=5)
    assert not working.is_alive()


def test_the_heartbeat_row_is_written_and_then_renewed(database):
    """One row for the process, with what its duties did."""
    told = [{"a": 1}, {"a": 2}]
    beat = keep_heartbeat(database, "work", lambda: told.pop(0))
    beat(T)
    beat(after(seconds=5))
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(HeartbeatRow))
    assert (row.process, row.at, row.detail) == ("work", after(seconds=5), {"a": 2})
