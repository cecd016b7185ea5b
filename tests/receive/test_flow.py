"""The flow with a plain reader and a plain store: read, stamp, judge, store, once each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from collectors.agent import wire
from soc.errors import StoreError
from soc.flow import Flow, Rules
from soc.model.register import Owner
from soc.normalise.timestamps import local_hour
from soc.receive.batches import Batch
from soc.receive.plans import Receipt
from soc.receive.streams import missing
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import BatchRow, SetAsideRow, SignalRow
from soc.records.database import Database
from tests.receive.builders import (
    EVIL,
    NOW,
    PROVINCE,
    Owners,
    a_batch,
    a_flow,
    a_sender,
)


def rows(database: Database, kind: type) -> list:
    with database.session(PROVINCE) as session:
        return list(session.scalars(select(kind)))


def take(flow: Flow, *batches: Batch, now=NOW) -> list[Receipt]:
    return flow.take(batches, now)


def test_every_record_becomes_an_event_with_its_bytes(flow, store, sender):
    """What was sent is what is stored, in order."""
    take(flow, a_batch(sender, ["one", "two", "ba"]))
    assert [event.raw for event in store.events()] == [b"one", b"two", b"ba"]


def test_the_receipt_counts_what_became_of_the_batch(flow, sender):
    """Three records: two events of one, none readable of another."""
    batch = a_batch(sender, ["TWO", b"\xff", "three"])
    assert take(flow, batch) == [Receipt(batch.id, records=3, events=3, set_aside=1)]


def test_an_event_says_whose_and_which_it_is(flow, store, sender):
    """The stamp of the flow stands in the fields, and beside them."""
    take(flow, a_batch(sender, ["one"], first=7, stream="journal"))
    (event,) = store.events()
    stamped = {
        name: value for name, value in event.fields.items() if name.startswith(("soc.", "agent."))
    }
    assert stamped == {
        "agent.id": "ag-1",
        "soc.agency_id": "agency-1",
        "soc.level": 0,
        "soc.local_hour": local_hour(event.observed_at),
        "soc.rules_digest": EVIL.digest,
        "soc.stream": "journal",
        "soc.sequence": 7,
    }
    assert (event.agency_id, event.host, event.received_at) == ("agency-1", "srv-01", NOW)


def test_the_hour_of_the_day_is_vietnam_s_by_our_clock(flow, store, sender):
    """Rules ask for the night with it; an agent whose clock is an hour ahead does not move it."""
    take(flow, a_batch(sender, ["one"]), now=NOW - timedelta(hours=1))
    (event,) = store.events()
    assert (event.observed_at.hour, event.fields["soc.local_hour"]) == (3, 2 + 7)


def test_an_event_of_the_future_is_flagged_and_still_judged(flow, store, sender, database):
    """A wrong clock hides nothing."""
    take(flow, a_batch(sender, ["evil"]), now=NOW - timedelta(minutes=11))
    assert store.events()[0].fields["soc.flags"] == ["skewed", "future"]
    assert [row.rule_id for row in rows(database, SignalRow)] == ["r-evil", "soc-clock-wrong"]


def test_an_event_of_the_far_past_is_flagged(flow, store, sender):
    """Eight days late, sent by a clock that is right."""
    late = NOW + timedelta(days=8)
    take(flow, a_batch(sender, ["one"], sent_at=late), now=late)
    assert store.events()[0].fields["soc.flags"] == ["far_past"]


def test_an_agent_without_an_agency_gives_unowned_events(flow, store, database):
    """Unowned is flagged, not guessed."""
    take(flow, a_batch(a_sender(database, "ag-2", agency_id=None), ["one"]))
    event = store.events()[0]
    assert (event.agency_id, event.fields["soc.flags"]) == (None, ["unowned"])


@pytest.mark.parametrize(("prefixes", "agency"), [(["10.1."], "agency-9"), (["10.2."], None)])
def test_a_relay_stamps_only_within_its_prefixes(database, store, plain_reader, prefixes, agency):
    """The owner of the address counts only where the relay may speak for it."""
    owners = Owners({"10.1.0.9": Owner("agency-9", "sys-9", 4)})
    flow = a_flow(database, store, ownership=owners)
    relay = a_sender(database, "rl-1", kind="relay", prefixes=prefixes, agency_id="agency-1")
    from soc.collect import discovery

    read = discovery.read

    def with_address(record):
        for event in read(record):
            event.fields["host.ip"] = ["10.1.0.9"]
            yield event

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "read", with_address)
        take(flow, a_batch(relay, ["one"]))
    assert store.events()[0].agency_id == agency


def test_an_event_by_a_relay_is_of_the_device_that_wrote_it(database, store, plain_reader):
    """Its host is the device's name, where the record says it; the relay's own is the last resort."""
    flow = a_flow(database, store)
    relay = a_sender(database, "rl-1", kind="relay", prefixes=["10."])
    from soc.collect import discovery

    read = discovery.read

    def with_name(record):
        for event in read(record):
            if record.raw != b"none":
                event.fields[record.raw.decode()] = "fw-01"
            yield event

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "read", with_name)
        take(flow, a_batch(relay, ["host.name", "observer.name", "none"]))
    assert [event.host for event in store.events()] == ["fw-01", "fw-01", "srv-01"]


@pytest.mark.parametrize(
    ("source", "fields", "agency"),
    [
        ("sensor", {"destination.ip": "10.1.0.1", "source.ip": "10.1.0.2"}, "asked"),
        ("suricata", {"destination.ip": "203.0.113.1", "source.ip": "10.1.0.2"}, "asking"),
        ("sensor", {"destination.ip": "203.0.113.1", "source.ip": "203.0.113.2"}, None),
        ("syslog", {"destination.ip": "10.1.0.1", "source.ip": "10.1.0.2"}, None),
    ],
)
def test_what_a_sensor_saw_belongs_to_who_was_talked_to(
    database, store, plain_reader, source, fields, agency
):
    """Else to who talked; a device's lines never belong to its traffic."""
    owners = Owners({"10.1.0.1": Owner("asked"), "10.1.0.2": Owner("asking")})
    flow = a_flow(database, store, ownership=owners)
    relay = a_sender(database, "rl-1", kind="relay", prefixes=["10.1."])
    from soc.collect import discovery

    read = discovery.read

    def watched(record):
        for event in read(record):
            event.fields.update(fields)
            yield replace(event, source=source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "read", watched)
        take(flow, a_batch(relay, ["one"]))
    assert store.events()[0].agency_id == agency


def test_an_unreadable_record_is_set_aside_with_its_bytes(flow, database, sender):
    """Reason, reader version and place are kept with it."""
    take(flow, a_batch(sender, ["one", b"\xff\xfe"]))
    (row,) = rows(database, SetAsideRow)
    assert (row.raw, row.reason, row.reader_version, row.sequence) == (
        b"\xff\xfe",
        "not UTF-8",
        "7",
        2,
    )


def test_a_fault_of_a_reader_costs_one_record(flow, store, database, sender):
    """The others of the batch are stored."""
    take(flow, a_batch(sender, ["one", "FAULT", "three"]))
    assert [event.raw for event in store.events()] == [b"one", b"three"]
    assert "KeyError" in rows(database, SetAsideRow)[0].reason


def test_a_record_without_an_event_is_set_aside(flow, database, sender):
    """Its bytes would be gone otherwise."""
    take(flow, a_batch(sender, ["NONE"]))
    assert rows(database, SetAsideRow)[0].reason == "the reader made no event"


def test_a_record_over_the_limit_is_set_aside_unread(database, store, plain_reader, sender):
    """The limit is of the record, and named in the reason."""
    flow = a_flow(database, store, max_record_bytes=100)
    take(flow, a_batch(sender, ["x" * 101, "y" * 100]))
    assert [event.raw for event in store.events()] == [b"y" * 100]
    assert rows(database, SetAsideRow)[0].reason == "101 bytes; records over 100 are not read"


def test_a_matching_event_leaves_a_signal(flow, store, database, sender):
    """The signal names the event."""
    take(flow, a_batch(sender, ["good", "evil"]))
    assert [row.event_id for row in rows(database, SignalRow)] == [store.events()[1].id]


def test_a_fault_of_the_rules_is_flagged_on_the_event_alone(database, store, plain_reader, sender):
    """Its neighbours are judged, it is stored."""

    def judge(events):
        if any(event.raw == b"strange" for event in events):
            raise ValueError("a fault of the matcher")
        return EVIL.judge(events)

    flow = a_flow(database, store, rules=Rules("d", judge))
    take(flow, a_batch(sender, ["evil", "strange"]))
    judged, unjudged = store.events()
    assert len(rows(database, SignalRow)) == 1
    assert unjudged.fields["soc.flags"] == ["unjudged"]
    assert "soc.rules_digest" in judged.fields
    assert "soc.rules_digest" not in unjudged.fields


def test_a_batch_sent_twice_is_stored_once(flow, store, sender):
    """The repeat is answered with its duplicates."""
    batch = a_batch(sender, ["one", "evil"])
    take(flow, batch)
    assert take(flow, batch)[0].duplicates == 2
    assert len(store.events()) == 2


def test_a_batch_twice_in_one_group_is_stored_once(flow, store, sender):
    """An agent that gave up waiting sends again while the first still waits."""
    take(flow, a_batch(sender, ["one"]), a_batch(sender, ["one"]))
    assert len(store.events()) == 1


def test_records_cut_into_other_batches_are_stored_once(flow, store, sender):
    """What counts is the record's number, not the batch."""
    take(flow, a_batch(sender, ["1", "2", "3"]))
    take(flow, a_batch(sender, ["2", "3", "4"], first=2))
    assert [event.raw for event in store.events()] == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("together", [True, False])
def test_the_same_number_with_other_bytes_is_set_aside(flow, store, database, sender, together):
    """In one group or later: the second is kept, and shown, but is no event."""
    batches = [a_batch(sender, ["one"]), a_batch(sender, ["two"])]
    if together:
        take(flow, *batches)
    else:
        take(flow, batches[0])
        take(flow, batches[1])
    (row,) = rows(database, SetAsideRow)
    assert (row.raw, row.sequence) == (b"two", 1)
    assert "other bytes" in row.reason
    assert [event.raw for event in store.events()] == [b"one"]


def test_an_unreadable_record_sent_twice_is_set_aside_once(flow, database, sender):
    """Also when it is cut into another batch the second time."""
    take(flow, a_batch(sender, [b"\xff", "two"]))
    take(flow, a_batch(sender, [b"\xff"]))
    assert len(rows(database, SetAsideRow)) == 1


def test_a_gap_is_shown_with_its_numbers(flow, database, sender):
    """Counted by arithmetic, not guessed."""
    take(flow, a_batch(sender, ["1", "2"]))
    take(flow, a_batch(sender, ["6"], first=6))
    assert [str(hole) for hole in missing(database, PROVINCE)] == [
        "host-of-ag-1 file:/var/log/x: 3 records missing between 3 and 5"
    ]


def test_a_named_loss_is_no_unnamed_gap(flow, database, sender):
    """The agent's reason stands with it."""
    lost = wire.loss(3, 5, "spool full", collected_at=0)
    take(flow, a_batch(sender, ["1", "2"]))
    take(flow, a_batch(sender, ["6"], first=6, losses=[lost]))
    assert [(hole.first, hole.last, hole.reason) for hole in missing(database, PROVINCE)] == [
        (3, 5, "spool full")
    ]


def test_a_late_record_closes_its_gap(flow, database, sender):
    """Order of arrival does not matter."""
    take(flow, a_batch(sender, ["3"], first=3))
    take(flow, a_batch(sender, ["1", "2"]))
    (row,) = rows(database, StreamRow)
    assert (row.ranges, row.records) == ([[1, 3]], 3)


def test_what_the_store_refused_is_not_said_to_be_received(flow, store, database, sender):
    """The stream grows only with the store; the batch stays open."""
    store.fail = StoreError("no room")
    with pytest.raises(StoreError):
        take(flow, a_batch(sender, ["one"]))
    assert rows(database, StreamRow) == []
    assert [row.done for row in rows(database, BatchRow)] == [False]


def test_a_repeat_after_a_failure_keeps_the_first_arrival_time(flow, store, sender):
    """So that the store looks for it in the right partition."""
    store.fail = StoreError("no room")
    with pytest.raises(StoreError):
        take(flow, a_batch(sender, ["one"]))
    store.fail = None
    take(flow, a_batch(sender, ["one"]), now=NOW + timedelta(days=1))
    assert [event.received_at for event in store.events()] == [NOW]


def test_an_open_batch_is_done_when_its_records_came_in_other_batches(
    flow, store, database, sender
):
    """Nothing stays open for ever because of how records were cut."""
    store.fail = StoreError("no room")
    with pytest.raises(StoreError):
        take(flow, a_batch(sender, ["1", "2"]))
    store.fail = None
    take(flow, a_batch(sender, ["1"]))
    take(flow, a_batch(sender, ["2", "3"], first=2))
    assert all(row.done for row in rows(database, BatchRow))


def test_a_replay_stores_what_can_be_read_now(flow, store, database, sender, monkeypatch):
    """With the arrival time of then; what still cannot be read stays."""
    from soc.collect import discovery
    from soc.collect.set_aside import list_set_aside
    from tests.receive.builders import PLAIN, read_plain

    take(flow, a_batch(sender, [b"\xffevil", "FAULT"]))
    broken = list_set_aside(database, PROVINCE)
    later = NOW + timedelta(days=3)

    def mended(record):
        text = record.raw.replace(b"\xff", b"")
        yield from read_plain(type(record)(text, "plain", record.received_at, record.agent))

    monkeypatch.setattr(discovery, "read", mended)
    done = flow.replay(broken, lambda agent_id: sender.row, later)
    assert (len(done.stored), list(done.stay.values())) == (
        1,
        ["the reader failed: KeyError('a fault of the reader')"],
    )
    assert [event.received_at for event in store.events()] == [NOW]
    assert len(rows(database, SignalRow)) == 1
    assert len(list_set_aside(database, PROVINCE)) == 1
    assert PLAIN.source.version == "7"


def test_a_replay_twice_stores_once(flow, store, database, sender, monkeypatch):
    """A kill between storing and marking is harmless."""
    from soc.collect import discovery
    from soc.collect.set_aside import list_set_aside
    from tests.receive.builders import read_plain

    take(flow, a_batch(sender, [b"\xff"]))
    broken = list_set_aside(database, PROVINCE)

    def mended(record):
        for event in read_plain(type(record)(b"mended", "plain", record.received_at)):
            yield type(event)(event.source, event.observed_at, event.fields, record.raw)

    monkeypatch.setattr(discovery, "read", mended)
    flow.replay(broken, lambda agent_id: sender.row, NOW)
    flow.replay(broken, lambda agent_id: sender.row, NOW)
    assert len(store.events()) == 1


def test_an_agent_s_row_keeps_what_it_says_it_cannot_see(database, store, sender):
    """Until it starts again; with the real reader of agents' notices."""

    def notice(kind: str, **facts: str) -> str:
        told = {"time": NOW.isoformat(), "kind": kind, "message": "m", "version": "0.9"}
        return json.dumps(told | facts)

    flow = a_flow(database, store)
    blind = notice("blind_spot", input="audit", reason="needs root")
    take(flow, a_batch(sender, [notice("start"), blind], stream="agent", source="soc_agent"))
    (agent,) = rows(database, AgentRow)
    assert (agent.blind_spots, agent.version) == (["audit: needs root"], "0.9")
    again = a_batch(sender, [notice("start")], first=3, stream="agent", source="soc_agent")
    take(flow, again)
    assert rows(database, AgentRow)[0].blind_spots == []
