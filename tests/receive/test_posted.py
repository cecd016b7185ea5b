"""Records without numbers: what is told from their ids, and what is named when it never comes again.

That a door may die at any step is shown with those of agents, in ``test_crash.py``.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from soc.flow import Flow
from soc.model.event import CLOCK_OFFSET
from soc.receive.posted import KEPT, PostedBatch
from soc.receive.streams import missing
from soc.records.batches import BatchRow
from soc.records.shippers import PostedIdRow, ShipperRow
from tests.receive.builders import (
    NOW,
    PROVINCE,
    LogStore,
    posted,
)


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
    """A request that waited an hour to be taken shows no clock that is wrong."""
    flow.take([posted(b"a")], NOW + timedelta(hours=1))
    fields = store.events()[0].fields
    assert CLOCK_OFFSET not in fields
    assert "skewed" not in fields.get("soc.flags", [])
