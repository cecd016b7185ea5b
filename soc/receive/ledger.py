"""Exactly once: which records of a batch are new, and the two transactions around storing their events.

1. ``open``: the batch with its ranges and arrival time, its signals and its set-aside records.
2. (the store takes the events)
3. ``close``: the batch as done, and what its streams have received.

Only then is a batch acknowledged. Whatever is between 1 and 3 when the process dies is an *open* batch: its records may
or may not be stored. When they come again, cut into batches in whatever way, they take the arrival time of the oldest
open batch that had them, are matched again, and the store looks their ids up first. Streams never say "received" of
what is not stored, because their ranges grow only in 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from soc.model.event import EPOCH, Event, Signal, event_id
from soc.model.scope import Scope
from soc.receive.batches import Batch, WireRecord
from soc.receive.clock_rows import note_clocks
from soc.receive.plans import InHand, Plan, Receipt, SetAside, Taken
from soc.receive.posted import PostedBatch, PostedIds, give_up
from soc.receive.rows import (
    batch_values,
    insert_new,
    insert_signals,
    posted_values,
    put_streams,
    set_aside_values,
    touch_agents,
)
from soc.receive.streams import Loss, Ranges, StreamKey, StreamState, runs
from soc.records.agents import StreamRow
from soc.records.batches import BatchRow, SetAsideRow
from soc.records.database import Database
from soc.records.shippers import PostedIdRow

DONE_KEPT = timedelta(days=7)
CLOCK_SET_BACK = timedelta(minutes=5)  # more than this is believed
_STREAMS_AT_ONCE = 500  # in one query
_STREAMS_IN_MEMORY = 100_000
_DOOR = Scope.province("door")
Place = tuple[Ranges, dict[int, bytes], dict[int, bytes], list[tuple[datetime, Ranges]]]


@dataclass(slots=True)
class OpenBatch:
    """A batch whose events may be stored or not."""

    id: str
    received_at: datetime
    ranges: dict[tuple[str, str], Ranges]  # by incarnation and stream


class Ledger:
    """What the door knows of batches and streams; the door is the only writer.

    One group may be opened and closed in one thread while the next is planned in another: what is known of a stream is
    replaced, never changed in place, and ``ahead`` covers what is between.
    """

    def __init__(self, database: Database, find_event: Callable[[str], Event | None]) -> None:
        self._database, self._find_event = database, find_event
        self._posted = PostedIds(database)
        self._streams: dict[StreamKey, StreamState] = {}
        self._open: dict[str, list[OpenBatch]] = {}  # by agent, oldest first
        self._clock = EPOCH
        self._stale = True

    def reload(self) -> None:
        """Read again from the rows what is known, at the next plan: a step failed half-way."""
        self._stale = True

    def _load(self) -> None:
        self._streams.clear()
        self._open.clear()
        with self._database.session(_DOOR) as session:
            rows = session.scalars(
                select(BatchRow).where(BatchRow.done.is_(False)).order_by(BatchRow.received_at)
            ).all()
        for row in rows:
            self._remember_open(row.agent_id, row.id, row.received_at, row.ranges)
            self._clock = max(self._clock, row.received_at)
        self._stale = False

    def _remember_open(
        self, agent_id: str, batch_id: str, received_at: datetime, pairs: Iterable[Sequence[Any]]
    ) -> None:
        ranges: dict[tuple[str, str], Ranges] = {}
        for incarnation, stream, first, last in pairs:
            ranges.setdefault((incarnation, stream), Ranges()).add(first, last)
        known = self._open.setdefault(agent_id, [])
        if not any(batch.id == batch_id for batch in known):
            known.append(OpenBatch(batch_id, received_at, ranges))

    def arrival(self, now: datetime) -> datetime:
        """``now``, but later than every arrival before: the order of open batches rests on it."""
        if now > self._clock or self._clock - now > CLOCK_SET_BACK:
            self._clock = now
        else:
            self._clock += timedelta(microseconds=1)
        return self._clock

    # ── before: what is new ──────────────────────────────────────────────────────────────────────────────────────

    def plan(
        self, batches: Sequence[Batch], now: datetime, ahead: InHand | None = None
    ) -> tuple[list[Plan], InHand]:
        """Sort the records of a group of batches into new, repeated and duplicate ones.

        ``ahead`` is what the group before this one has in hand, if that is still being stored. Its records count as
        there, so this plan is good only if that group is stored.
        """
        if self._stale or (ahead is None and len(self._streams) > _STREAMS_IN_MEMORY):
            self._load()
        self._fetch_streams(batches)
        in_hand = InHand()
        ahead = ahead or InHand()
        plans = [self._plan(batch, self.arrival(now), in_hand, ahead) for batch in batches]
        return plans, in_hand

    def _plan(self, batch: Batch, received_at: datetime, in_hand: InHand, ahead: InHand) -> Plan:
        plan = Plan(batch, received_at)
        places = [
            self._place(batch, stream.name, in_hand, ahead) for stream in batch.header.streams
        ]
        if isinstance(batch, PostedBatch):
            self._number(batch, places[0], in_hand, ahead)
        same = bool(batch.records) and self._known_content(batch)
        for record in batch.records:
            stream = batch.header.streams[record.stream]
            received, now_taken, flying, earlier = places[record.stream]
            number = record.sequence
            if number in received or number in now_taken or number in flying:
                plan.duplicates += 1
                known = now_taken.get(number, flying.get(number))
                if not same and not self._same_bytes(batch, stream.name, record, known):
                    plan.set_aside.append(self._other_bytes(plan, record))
                continue
            now_taken[number] = record.raw
            arrived_at = next((at for at, ranges in earlier if number in ranges), None)
            at = arrived_at or received_at
            taken = Taken(record, stream.name, stream.source, at, arrived_at is not None)
            plan.take.append(taken)
        for piece in batch.broken:
            plan.set_aside.append(plan.set_aside_of("", 0, "", piece.reason, piece.raw))
        plan.ranges = _ranges(batch.header.incarnation, plan.take)
        return plan

    def _place(self, batch: Batch, name: str, in_hand: InHand, ahead: InHand) -> Place:
        """Of a stream: what is stored, what this group and the one ahead have, and what older open batches had."""
        key = (batch.agent.id, batch.header.incarnation, name)
        earlier = [
            (old.received_at, old.ranges[key[1:]])
            for old in self._open.get(batch.agent.id, ())
            if key[1:] in old.ranges
        ]
        taken, flying = in_hand.records.setdefault(key, {}), ahead.records.get(key, {})
        return self._streams[key].received, taken, flying, earlier

    def _number(self, batch: PostedBatch, place: Place, in_hand: InHand, ahead: InHand) -> None:
        """Give the records of a batch that came without numbers theirs: the next ones, or those that they have."""
        received, now_taken, flying, earlier = place
        last = max(
            received.last,
            *(next(reversed(numbers), 0) for numbers in (now_taken, flying)),
            *(ranges.last for _, ranges in earlier),
            0,
        )
        agent_id = batch.agent.id
        known = self._posted.numbers(agent_id, batch.keys)
        for key in batch.keys:
            number = ahead.numbers.get((agent_id, key), in_hand.numbers.get((agent_id, key)))
            if number is not None:
                known[key] = number
        batch.number(last, known)
        in_hand.numbers.update({(agent_id, key): known[key] for key in batch.keys if key})

    def _known_content(self, batch: Batch) -> bool:
        """Whether this very batch is done already: its duplicates need no look at their bytes."""
        with self._database.session(_DOOR) as session:
            row = session.get(BatchRow, batch.id)
        return row is not None and row.done and row.content_sha256 == batch.content_sha256

    def _same_bytes(
        self, batch: Batch, stream: str, record: WireRecord, in_hand: bytes | None
    ) -> bool:
        """Whether a record that is there already has these bytes (or is too old to tell)."""
        if in_hand is not None:
            return in_hand == record.raw
        place = (batch.agent.id, batch.header.incarnation, stream, record.sequence)
        stored = self._find_event(event_id(*place, 0))
        if stored is not None:
            return stored.raw == record.raw
        with self._database.session(_DOOR) as session:
            kept = session.scalars(
                select(SetAsideRow.raw).where(
                    SetAsideRow.agent_id == place[0],
                    SetAsideRow.incarnation == place[1],
                    SetAsideRow.stream == place[2],
                    SetAsideRow.sequence == place[3],
                )
            ).all()
        return not kept or record.raw in kept

    def _other_bytes(self, plan: Plan, record: WireRecord) -> SetAside:
        stream = plan.batch.header.streams[record.stream]
        reason = "another record with this number and other bytes is stored"
        return plan.set_aside_of(stream.name, record.sequence, stream.source, reason, record.raw)

    def _fetch_streams(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            keys = {
                (batch.agent.id, batch.header.incarnation, stream.name)
                for stream in batch.header.streams
            }
            unknown = [key for key in keys if key not in self._streams]
            if unknown:
                self._fetch(batch.agent.id, batch.header.incarnation, unknown)

    def _fetch(self, agent_id: str, incarnation: str, keys: Sequence[StreamKey]) -> None:
        with self._database.session(_DOOR) as session:
            for start in range(0, len(keys), _STREAMS_AT_ONCE):
                some = keys[start : start + _STREAMS_AT_ONCE]
                rows = session.scalars(
                    select(StreamRow).where(
                        StreamRow.agent_id == agent_id,
                        StreamRow.incarnation == incarnation,
                        StreamRow.name.in_([key[2] for key in some]),
                    )
                )
                found = {row.name: StreamState.from_row(row) for row in rows}
                for key in some:
                    self._streams[key] = found.get(key[2]) or StreamState()

    # ── 1: open ──────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, plans: Sequence[Plan], signals: Sequence[Signal], rules_digest: str) -> None:
        """Transaction 1. After it the batches are open until ``close``."""
        fresh = [plan for plan in plans if plan.take]
        kept = [piece for plan in plans for piece in plan.set_aside]
        if not fresh and not kept:
            return
        with self._database.write(_DOOR) as session:
            insert_new(session, BatchRow, [batch_values(plan, rules_digest) for plan in fresh])
            insert_signals(session, signals)
            insert_new(session, SetAsideRow, [set_aside_values(piece) for piece in kept])
            insert_new(session, PostedIdRow, [row for plan in fresh for row in posted_values(plan)])
        for plan in fresh:
            self._remember_open(plan.batch.agent.id, plan.batch.id, plan.received_at, plan.ranges)

    # ── 3: close ─────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, plans: Sequence[Plan]) -> list[Receipt]:
        """Transaction 3: done, and what the streams have received. Memory follows only after the commit."""
        changed = self._grown(plans)
        done = self._covered(plans, changed)
        with self._database.write(_DOOR) as session:
            insert_new(
                session, SetAsideRow, [set_aside_values(c) for p in plans for c in p.conflicts]
            )
            put_streams(session, changed, {plan.batch.agent.id: plan.batch.agent for plan in plans})
            if done:
                session.execute(
                    update(BatchRow).where(BatchRow.id.in_(sorted(done))).values(done=True)
                )
            touch_agents(session, plans)
            note_clocks(session, plans)
        self._streams.update(changed)
        self._forget_open({plan.batch.agent.id for plan in plans}, done)
        return [plan.receipt() for plan in plans]

    def _grown(self, plans: Sequence[Plan]) -> dict[StreamKey, StreamState]:
        changed: dict[StreamKey, StreamState] = {}
        for plan in plans:
            sources = {stream.name: stream.source for stream in plan.batch.header.streams}
            for _, name, first, last in plan.ranges:
                grown = self._changing(changed, plan, name, sources[name])
                grown.received.add(first, last)
                grown.records += last - first + 1
            for place, loss in plan.batch.losses:
                stream = plan.batch.header.streams[place]
                _note_loss(self._changing(changed, plan, stream.name, stream.source), loss)
            for name, moment in plan.observed.items():
                grown = self._changing(changed, plan, name, sources[name])
                grown.last_observed_at = max(moment, grown.last_observed_at or moment)
        return changed

    def _changing(
        self, changed: dict[StreamKey, StreamState], plan: Plan, name: str, source: str
    ) -> StreamState:
        key = (plan.batch.agent.id, plan.batch.header.incarnation, name)
        if key not in changed:
            changed[key] = self._streams[key].copy()
        changed[key].source = source
        changed[key].last_received_at = plan.received_at
        return changed[key]

    def _covered(self, plans: Sequence[Plan], changed: Mapping[StreamKey, StreamState]) -> set[str]:
        """The open batches all of whose records are now stored: these, and older ones cut otherwise."""

        def stored(agent_id: str, place: tuple[str, str], ranges: Ranges) -> bool:
            key = (agent_id, *place)
            state = changed.get(key) or self._streams.get(key)
            return state is not None and all(
                state.received.covers(first, last) for first, last in ranges.pairs()
            )

        return {
            batch.id
            for agent_id in {plan.batch.agent.id for plan in plans}
            for batch in self._open.get(agent_id, ())
            if all(stored(agent_id, place, ranges) for place, ranges in batch.ranges.items())
        }

    def _forget_open(self, agent_ids: Iterable[str], done: set[str]) -> None:
        for agent_id in agent_ids:
            left = [batch for batch in self._open.get(agent_id, ()) if batch.id not in done]
            if left:
                self._open[agent_id] = left
            else:
                self._open.pop(agent_id, None)

    def prune(self, now: datetime) -> None:
        """Forget done batches after a week. Agents' open ones stay: they still say when their records arrived."""
        with self._database.write(_DOOR) as session:
            old = delete(BatchRow).where(
                BatchRow.done.is_(True), BatchRow.received_at < now - DONE_KEPT
            )
            session.execute(old)
            if give_up(session, now):
                self.reload()

    def keep_signals(self, signals: Sequence[Signal]) -> None:
        """Insert the signals of records that are replayed."""
        with self._database.write(_DOOR) as session:
            insert_signals(session, signals)


def _ranges(incarnation: str, taken: Iterable[Taken]) -> list[list[Any]]:
    by_stream: dict[str, list[int]] = {}
    for one in taken:
        by_stream.setdefault(one.stream, []).append(one.record.sequence)
    return [
        [incarnation, stream, first, last]
        for stream, numbers in by_stream.items()
        for first, last in runs(numbers)
    ]


def _note_loss(state: StreamState, loss: Loss) -> None:
    if loss not in state.losses:
        state.losses.append(loss)
