"""The process dies between any two steps, once or twice; afterwards everything is there exactly once.

The child is a real process that ends by ``os._exit`` at a named step: no cleanup, no rollback, no buffers flushed.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.receive.batches import Batch
from soc.receive.streams import missing
from soc.records.agents import StreamRow
from soc.records.batches import BatchRow, SetAsideRow, SignalRow
from soc.records.database import Database
from tests.receive.builders import (
    NOW,
    PROVINCE,
    LogStore,
    a_batch,
    a_flow,
    a_sender,
    posted,
    use_plain_reader,
)

STEPS = ["planned", "read", "opened", "half appended", "appended", "closed"]
RECORDS: list[str | bytes] = ["one", "evil two", b"\xff\xfe three", "TWO four", "five", "evil six"]
CUTS = {"as before": [3, 3], "in one": [6], "smaller": [2, 2, 2], "across": [1, 4, 1]}
EXIT_CODE = 9
Made = Callable[[int, list[str | bytes]], Batch]
Send = Callable[..., int]


def numbered(first: int, texts: list[str | bytes]) -> Batch:
    """As an agent sends them."""
    return a_batch(a_sender(), texts, first=first)


def by_id(_: int, texts: list[str | bytes]) -> Batch:
    """As another shipper sends them: without numbers, each with an id."""
    return posted(*(text.encode() if isinstance(text, str) else text for text in texts))


@pytest.fixture(params=[numbered, by_id])
def send(request: pytest.FixtureRequest, home: Path) -> Send:
    """Send all records in a process of its own, cut into batches of these sizes; its exit code."""

    def send(cut: list[int], *, die_at: str = "", days_later: int = 0) -> int:
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            _send(home, request.param, cut, die_at, days_later)
        except BaseException:
            os._exit(1)
        os._exit(0)

    return send


def _send(home: Path, batch_of: Made, cut: list[int], die_at: str, days_later: int) -> None:
    def reached(step: str) -> None:
        if step == die_at:
            os._exit(EXIT_CODE)

    use_plain_reader()
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    flow = a_flow(database, LogStore(home / "events.jsonl", reached), reached=reached)
    first = 1
    for size in cut:
        texts = RECORDS[first - 1 : first - 1 + size]
        flow.take([batch_of(first, texts)], NOW + timedelta(days=days_later))
        first += size


@pytest.fixture
def home(tmp_path: Path, empty_database_file: Path) -> Path:
    shutil.copyfile(empty_database_file, tmp_path / "soc.sqlite")
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    a_sender(database)
    database.close()
    return tmp_path


def assert_everything_once(home: Path) -> None:
    """Six records: five read to six events, one set aside, two signals, one whole range, nothing open."""
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    events = LogStore(home / "events.jsonl").events()
    with database.session(PROVINCE) as session:
        signals = session.scalars(select(SignalRow).where(SignalRow.rule_id == "r-evil")).all()
        aside = session.scalars(select(SetAsideRow)).all()
        streams = session.scalars(select(StreamRow)).all()
        still_open = session.scalars(select(BatchRow).where(BatchRow.done.is_(False))).all()
    holes = missing(database, PROVINCE)
    database.close()
    raws = Counter(event.raw for event in events)
    assert raws == {b"one": 1, b"evil two": 1, b"TWO four": 2, b"five": 1, b"evil six": 1}
    assert len({event.id for event in events}) == 6
    evil = {event.id for event in events if b"evil" in event.raw}
    assert Counter(signal.event_id for signal in signals) == Counter(evil)
    assert [row.raw for row in aside] == [b"\xff\xfe three"]
    assert [stream.ranges for stream in streams] == [[[1, 6]]]
    assert (list(still_open), holes) == ([], [])


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_death_between_two_steps_loses_and_doubles_nothing(home, send, step, cut):
    """The agent sends again, a day later, in batches cut in any way."""
    assert send(CUTS["as before"], die_at=step) == EXIT_CODE
    assert send(CUTS[cut], days_later=1) == 0
    assert_everything_once(home)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), list(itertools.product(STEPS, STEPS)))
def test_two_deaths_in_a_row_lose_and_double_nothing(home, send, first, second):
    """The second death is in other batches than the first, on another day."""
    assert send(CUTS["as before"], die_at=first) == EXIT_CODE
    died = send(CUTS["across"], die_at=second, days_later=1)
    assert died == EXIT_CODE or second == "half appended"
    assert send(CUTS["smaller"], days_later=2) == 0
    assert_everything_once(home)


@pytest.mark.parametrize("step", STEPS)
def test_a_death_at_every_step_of_every_batch_loses_and_doubles_nothing(home, send, step):
    """A door that dies at the same step again and again still gets on, batch by batch."""
    deaths = 0
    while send([1, 1, 1, 1, 1, 1], die_at=step, days_later=deaths) == EXIT_CODE:
        deaths += 1
        if deaths == 8:
            break
    send(CUTS["in one"], days_later=9)
    assert deaths > 0
    assert_everything_once(home)


def test_nothing_is_said_to_be_received_before_it_is_stored(home, send):
    """A death after the events are appended leaves the stream's ranges as they were."""
    send(CUTS["in one"], die_at="appended")
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    with database.session(PROVINCE) as session:
        assert session.scalars(select(StreamRow)).all() == []
    database.close()
