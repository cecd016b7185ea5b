"""Whose clock was wrong by how much when a record was made, told from what came with it (docs/decisions/0009).

An agent says its clock at the moment of sending, so how far it is off is measured at receipt, and a delay is no skew:
what waited a day behind a right clock is corrected by nothing. A device that only sends syslog says no such thing: its
message is believed within ten minutes of the time at which the relay got it, and else that time is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from soc.model.event import Event
from soc.receive.batches import (
    Batch,
    WireRecord,
    from_epoch_microseconds,
    to_epoch_microseconds,
)

OFF = timedelta(minutes=10)  # a clock that is wrong by so much is told
SLACK_US = 120_000_000  # records of several inputs come a little out of order
TRANSIT_US = 30_000_000  # a request may take so long; a clock seems so much behind then
MOST_DRIFT = 20  # a clock may gain or lose one part in so many; more is a jump
AFTER_US = 2_000_000  # an event may seem so much later than its collection
LIVE_STREAMS = ("syslog:",)  # as devices send them, with the devices' own times
_SECOND_US = 1_000_000
_OFF_US = OFF // timedelta(microseconds=1)

Place = tuple[str, str]  # stream ("" is the agent's own clock) and host


@dataclass(slots=True)
class BatchClock:
    """The clocks behind one batch, in µs; an offset is theirs minus ours.

    ``seen`` are the clocks that must be told of, with the least delayed measurement of each.
    """

    heard_us: int
    offset_us: int
    by_record: dict[int, int] = field(default_factory=dict)  # by id(); where it changed meanwhile
    seen: dict[Place, int] = field(default_factory=dict)

    def of(self, record: WireRecord) -> int:
        return self.by_record.get(id(record), self.offset_us)

    def readable(self, collected_at: int) -> int:
        """A time of the agent's clock; one that no clock can show is that of its sending."""
        if from_epoch_microseconds(collected_at) is None:
            return self.heard_us + self.offset_us
        return collected_at


@dataclass(frozen=True, slots=True)
class Last:
    """What was known at an agent's last batch: its offset then, and at its last record (``at_us`` by our clock)."""

    at_us: int
    offset_us: int
    record_offset_us: int
    place: tuple[str, str, int] = ("", "", 0)  # of that record: incarnation, stream, sequence
    collected_us: int = 0


@dataclass(slots=True)
class Clocks:
    """What is known: ``last`` by agent, ``stored`` the offsets in the records, and the places that were ever wrong."""

    last: dict[str, Last] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    watched: set[tuple[str, str, str]] = field(default_factory=set)  # agent, stream, host

    def measure(self, batch: Batch, received_at: datetime) -> BatchClock:
        """The clock of a batch's agent at its sending, and at the collection of each record."""
        heard = to_epoch_microseconds(batch.heard_at or received_at)
        before = self.last.get(batch.agent.id) or Last(heard, 0, 0)
        now = before.offset_us
        if batch.sent_at is not None:
            now = measured(now, batch.header.sent_at - heard)
        clock = BatchClock(heard, now)
        collected = [clock.readable(one.collected_at) for one in batch.records]
        chained = [before.collected_us] if _follows(batch, before.place) else []
        known = Known(before.record_offset_us, before.at_us, heard, now)
        offsets = offsets_of([*chained, *collected], known)
        if offsets is not None:
            pairs = zip(batch.records, offsets[len(chained) :], strict=True)
            clock.by_record = {id(record): offset for record, offset in pairs}
        self.last[batch.agent.id] = _last(batch, clock)
        shown = round((batch.agent.clock_offset_seconds or 0.0) * 1e6)
        if max(abs(now - self.stored.get(batch.agent.id, 0)), abs(now - shown)) >= _SECOND_US:
            clock.seen["", ""] = now
        return clock

    def kept(self, agent_id: str, clock: BatchClock) -> None:
        """Told when the records have what was seen."""
        if ("", "") in clock.seen:
            self.stored[agent_id] = clock.seen["", ""]

    def correct(
        self, clock: BatchClock, event: Event, agent: str, stream: str, record: WireRecord | None
    ) -> timedelta:
        """What to take from an event's time to have ours. ``record`` is None where the offset is unknown (a replay)."""
        said = to_epoch_microseconds(event.observed_at)
        if record is None:
            late = said - clock.heard_us
            return timedelta(microseconds=late if late > AFTER_US else 0)
        offset = clock.of(record)
        collected = min(clock.readable(record.collected_at) - offset, clock.heard_us)
        if stream.startswith(LIVE_STREAMS):
            if said == record.collected_at:  # it told no time: this is the relay's
                return timedelta(microseconds=said - collected)
            gap = said - collected
            self._see(clock, (agent, stream, _host(event)), gap)
            return timedelta(microseconds=gap if not -_OFF_US < gap <= 0 else 0)
        gap = said - offset - collected
        if gap >= _OFF_US or (self.watched and (agent, stream, _host(event)) in self.watched):
            self._see(clock, (agent, stream, _host(event)), gap)
        if offset and said - offset < 0:  # before 1970: no clock that this could be
            return timedelta(microseconds=said - clock.heard_us)
        return timedelta(microseconds=offset + max(gap, 0) if gap > AFTER_US else offset)

    def _see(self, clock: BatchClock, key: tuple[str, str, str], gap: int) -> None:
        place = key[1:]
        if abs(gap) >= _OFF_US:
            self.watched.add(key)
        if key in self.watched:
            known = clock.seen.get(place)
            clock.seen[place] = gap if known is None or abs(gap) < abs(known) else known


def _host(event: Event) -> str:
    """Whose clock it was, as the record itself says."""
    said = event.fields.get("host.name")
    return (said if isinstance(said, str) and said else event.host)[:200]


def measured(before: int, now: int) -> int:
    """The agent's offset after one more measurement; all in µs.

    A request takes time and never gains any, so a clock that seems a little slower than before is what it was.

    >>> measured(0, -20_000_000), measured(0, 3_000_000), measured(0, -86_400_000_000)
    (0, 3000000, -86400000000)
    """
    return before if before - TRANSIT_US <= now <= before else now


@dataclass(frozen=True, slots=True)
class Known:
    """Two measurements of one clock by ours, in µs: its offset at the last record known, and now."""

    before: int
    before_at: int
    now_at: int
    now: int


def offsets_of(collected: Sequence[int], known: Known) -> list[int] | None:
    """The offset at which each record was collected, all in µs; None where it is ``now`` for all.

    Records come in the order of their collection, so a time that falls shows a clock that was set back. A rise is a
    pause or a clock set forward. Jumps add up to what the offset changed by: what is missing of that is the rise that
    comes nearest to it, or a delay hid part of a fall, or, if it is slight, the clock gained or lost all the time.
    """
    steps = [later - one for one, later in pairwise([*collected, known.now_at + known.now])]
    jumps = {place: step for place, step in enumerate(steps) if step < -SLACK_US}
    missing = known.now - known.before - sum(jumps.values())
    elapsed = known.now_at - known.before_at
    drifts = 0 < abs(missing) <= elapsed // MOST_DRIFT
    if missing < -SLACK_US and jumps:
        jumps[max(jumps)] += missing
    elif missing > SLACK_US:
        limit = max(_OFF_US, missing)
        near = [p for p, step in enumerate(steps) if -SLACK_US <= step - missing <= limit]
        if near:
            jumps[min(near, key=lambda place: abs(steps[place] - missing))] = missing
            drifts = False
    if not jumps:
        return _drifting(collected, known) if drifts and collected else None
    offsets, offset = [known.now] * len(collected), known.now
    for place in range(len(collected) - 1, -1, -1):
        offset -= jumps.get(place, 0)
        offsets[place] = known.before if abs(offset - known.before) <= SLACK_US else offset
    return offsets


def _drifting(collected: Sequence[int], known: Known) -> list[int]:
    """A clock that gained or lost evenly between the two measurements."""
    change, elapsed = known.now - known.before, known.now_at - known.before_at
    passed = (min(max(at - known.before - known.before_at, 0), elapsed) for at in collected)
    return [known.before + change * one // elapsed for one in passed]


def _follows(batch: Batch, place: tuple[str, str, int]) -> bool:
    """Whether a batch may go on after the record there: not one that came again, or before its turn."""
    incarnation, name, last = place
    streams = batch.header.streams
    first = next((r.sequence for r in batch.records if streams[r.stream].name == name), last + 1)
    return incarnation == batch.header.incarnation and first == last + 1


def _last(batch: Batch, clock: BatchClock) -> Last:
    if not batch.records:
        return Last(clock.heard_us, clock.offset_us, clock.offset_us)
    record = batch.records[-1]
    place = (batch.header.incarnation, batch.header.streams[record.stream].name, record.sequence)
    at = clock.readable(record.collected_at)
    offset = clock.of(record)
    return Last(at - offset, clock.offset_us, offset, place, at)
