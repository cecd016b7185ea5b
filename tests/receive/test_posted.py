"""Records without numbers: whatever dies whenever, those with ids are stored once, and what is not there is named."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.flow import Flow
from soc.receive.batches import StreamName
from soc.receive.posted import KEPT, NO_ID, Post, Posted, PostedBatch, batch_of, key_of
from soc.receive.streams import missing
from soc.records.agents import StreamRow
from soc.records.batches import BatchRow, SetAsideRow, SignalRow
from soc.records.database import Database
from soc.records.shippers import PostedIdRow, ShipperRow
from tests.receive.builders import (
    INCARNATION,
    NOW,
    PROVINCE,
    LogStore,
    a_flow,
    a_sender,
    use_plain_reader,
)

STEPS = ["planned", "read", "opened", "half appended", "appended", "closed"]
RECORDS: list[bytes] = [b"one", b"evil two", b"\xff\xfe three", b"TWO four", b"five", b"evil six"]
CUTS = {"as before": [3, 3], "in one": [6], "smaller": [2, 2, 2], "across": [1, 4, 1]}
EXIT_CODE = 9


def posted(*texts: bytes, ids: bool = True, sender: str = "ag-1") -> PostedBatch:
    """A request of some records; each is its own id."""
    posts = [Post(text, key_of(text) if ids else NO_ID) for text in texts]
    return batch_of(
        a_sender(name=sender).row,
        INCARNATION,
        StreamName("bulk", "plain"),
        Posted(posts),
        zone="Asia/Ho_Chi_Minh",
        heard_at=NOW,
    )


def send(home: Path, cut: list[int], *, die_at: str = "", days_later: int = 0) -> int:
    """Send all records in a process of its own, in requests of these sizes; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        _send(home, cut, die_at, days_later)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _send(home: Path, cut: list[int], die_at: str, days_later: int) -> None:
    def reached(step: str) -> None:
        if step == die_at:
            os._exit(EXIT_CODE)

    use_plain_reader()
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    flow = a_flow(database, LogStore(home / "events.jsonl", reached), reached=reached)
    first = 0
    for size in cut:
        flow.take([posted(*RECORDS[first : first + size])], NOW + timedelta(days=days_later))
        first += size


@pytest.fixture
def home(tmp_path: Path) -> Path:
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database.create_all()
    a_sender(database)
    database.close()
    return tmp_path


def assert_everything_once(home: Path) -> None:
    """Six records: five read to six events, one set aside, two signals, one whole range, nothing open."""
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    events = LogStore(home / "events.jsonl").events()
    with database.session(PROVINCE) as session:
        signals = session.scalars(select(SignalRow)).all()
        aside = session.scalars(select(SetAsideRow)).all()
        streams = session.scalars(select(StreamRow)).all()
        still_open = session.scalars(select(BatchRow).where(BatchRow.done.is_(False))).all()
    holes = missing(database, PROVINCE)
    database.close()
    raws = Counter(event.raw for event in events)
    assert raws == {b"one": 1, b"evil two": 1, b"TWO four": 2, b"five": 1, b"evil six": 1}
    evil = {event.id for event in events if b"evil" in event.raw}
    assert Counter(signal.event_id for signal in signals) == Counter(evil)
    assert [row.raw for row in aside] == [b"\xff\xfe three"]
    assert [stream.ranges for stream in streams] == [[[1, 6]]]
    assert (list(still_open), holes) == ([], [])


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_death_between_two_steps_loses_and_doubles_nothing(home, step, cut):
    """The shipper sends again, a day later, in requests cut in any way."""
    assert send(home, CUTS["as before"], die_at=step) == EXIT_CODE
    assert send(home, CUTS[cut], days_later=1) == 0
    assert_everything_once(home)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(STEPS, STEPS)))
def test_two_deaths_in_a_row_lose_and_double_nothing(home, first, second):
    """The second death is in other requests than the first, on another day."""
    assert send(home, CUTS["as before"], die_at=first) == EXIT_CODE
    died = send(home, CUTS["across"], die_at=second, days_later=1)
    assert died == EXIT_CODE or second == "half appended"
    assert send(home, CUTS["smaller"], days_later=1) == 0
    assert_everything_once(home)


def raws(store: LogStore) -> list[bytes]:
    return sorted(event.raw for event in store.events())


def test_requests_in_one_group_and_in_the_one_behind_know_one_another(flow, store, sender):
    """An id is the same record in the same group, and while the group ahead is still being stored."""
    first = flow.prepare([posted(b"a", b"b"), posted(b"b", b"c")], NOW)
    second = flow.prepare([posted(b"c", b"d"), posted(b"e", ids=False)], NOW, first)
    flow.commit(first)
    flow.commit(second)
    assert raws(store) == [b"a", b"b", b"c", b"d", b"e"]
    assert {event.fields["soc.sequence"] for event in store.events()} == {1, 2, 3, 4, 5}


def test_a_group_that_is_prepared_again_leaves_no_hole(flow, store, sender, database):
    """What was numbered and not stored gets the same numbers anew."""
    flow.prepare([posted(b"lost", b"too")], NOW)
    flow.take([posted(b"a", ids=False), posted(b"b")], NOW)
    flow.take([posted(b"lost")], NOW)
    assert raws(store) == [b"a", b"b", b"lost"]
    assert missing(database, PROVINCE) == []


def a_crash(flow: Flow, store: LogStore, batch: PostedBatch) -> None:
    """The batch is opened, and then the store fails."""
    store.fail = OSError("no more")
    with pytest.raises(OSError):
        flow.take([batch], NOW)
    store.fail = None


def test_what_never_came_again_is_named_as_lost(flow, store, sender, database):
    """Only after the time in which a shipper may send again, and only for shippers; its ids are then forgotten."""
    with database.write(PROVINCE) as session:
        session.add(
            ShipperRow(
                agent_id="ag-1", token_sha256="x", incarnation="y", source="auto", created_by="me"
            )
        )
    flow.take([posted(b"first")], NOW)
    a_crash(flow, store, posted(b"in hand", ids=False))
    flow.take([posted(b"last")], NOW)
    flow.ledger.prune(NOW + KEPT)
    assert [hole.reason for hole in missing(database, PROVINCE)] == [""]
    flow.ledger.prune(NOW + KEPT + timedelta(seconds=1))
    (hole,) = missing(database, PROVINCE)
    assert (hole.first, hole.last) == (2, 2)
    assert (
        hole.reason == f"in hand when the door stopped on {NOW:%Y-%m-%d %H:%M}Z, and not sent again"
    )
    with database.session(PROVINCE) as session:
        assert session.scalars(select(BatchRow).where(BatchRow.done.is_(False))).all() == []
        assert session.scalars(select(PostedIdRow)).all() == []


def test_an_agent_s_open_batches_stay(flow, store, sender, database):
    """They say when their records arrived, however late they come again."""
    a_crash(flow, store, posted(b"in hand"))
    flow.ledger.prune(NOW + KEPT * 10)
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(BatchRow)).all()
    assert row.done is False


def test_thousands_of_ids_are_looked_up(flow, store, sender):
    """More than one query asks for."""
    texts = [b"%d" % number for number in range(1_200)]
    for _ in range(2):
        receipt = flow.take([posted(*texts)], NOW)[0]
    assert (receipt.duplicates, len(store.events())) == (1_200, 1_200)


def test_the_time_of_the_request_is_the_only_clock(flow, store, sender):
    """No offset is read from it."""
    batch = posted(b"a")
    batch.heard_at = datetime(2026, 11, 22, 3, 0, 5, tzinfo=NOW.tzinfo)
    flow.take([batch], NOW)
    assert "skewed" not in store.events()[0].fields.get("soc.flags", [])
