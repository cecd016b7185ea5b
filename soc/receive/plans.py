"""What is to be done with a batch, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from soc.model.event import Event, Signal, event_id
from soc.receive.batches import Batch, WireRecord
from soc.receive.clocks import BatchClock
from soc.receive.streams import StreamKey
from soc.records.agents import AgentRow


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one batch; ``reason`` is empty when all of it could be read."""

    batch: str
    records: int
    events: int = 0
    set_aside: int = 0
    duplicates: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A record to be stored. ``arrived_at`` is the arrival time it must keep."""

    record: WireRecord
    stream: str
    source: str
    arrived_at: datetime
    maybe_stored: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """Bytes that are kept because no event could be made of them."""

    agent: AgentRow
    incarnation: str
    stream: str
    sequence: int
    source: str
    reason: str
    raw: bytes
    host: str
    zone: str
    received_at: datetime
    reader_version: str = ""

    @property
    def id(self) -> str:
        """The same for the same bytes of the same record, so that a repeat is kept once."""
        place = event_id(self.agent.id, self.incarnation, self.stream, self.sequence, 0)
        return hashlib.blake2b(place.encode() + self.raw, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Notice:
    """One of an agent's own notices, as far as its row keeps it."""

    kind: str  # start, blind_spot, ...
    version: str  # of the agent
    blind_spot: str = ""  # the input, and why it sees nothing


@dataclass(slots=True)
class Plan:
    """What is to be done with one batch; the flow fills in what becomes of it."""

    batch: Batch
    received_at: datetime
    take: list[Taken] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    ranges: list[list[Any]] = field(default_factory=list)  # [incarnation, stream, first, last]
    conflicts: list[SetAside] = field(
        default_factory=list
    )  # the store has their id with other bytes
    observed: dict[str, datetime] = field(default_factory=dict)  # by stream, the latest event time
    notices: list[Notice] = field(default_factory=list)  # what the agent says of itself
    duplicates: int = 0
    events: int = 0
    clock: BatchClock | None = None

    def set_aside_of(
        self, stream: str, sequence: int, source: str, reason: str, raw: bytes, version: str = ""
    ) -> SetAside:
        """A piece of this batch as it is set aside."""
        header = self.batch.header
        return SetAside(
            agent=self.batch.agent,
            incarnation=header.incarnation,
            stream=stream,
            sequence=sequence,
            source=source,
            reason=reason,
            raw=raw,
            host=header.host,
            zone=header.zone,
            received_at=self.received_at,
            reader_version=version,
        )

    def receipt(self) -> Receipt:
        return Receipt(
            batch=self.batch.id,
            records=len(self.batch.records),
            events=self.events,
            set_aside=len(self.set_aside) + len(self.conflicts),
            duplicates=self.duplicates,
            reason=self.batch.reason,
        )


@dataclass(frozen=True, slots=True)
class InHand:
    """What groups hold that are not stored yet: bytes by stream and number, numbers by agent and a sender's own id."""

    records: dict[StreamKey, dict[int, bytes]] = field(default_factory=dict)
    numbers: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def joined(self, later: InHand) -> InHand:
        records = {key: dict(numbers) for key, numbers in self.records.items()}
        for key, numbers in later.records.items():
            records.setdefault(key, {}).update(numbers)
        return InHand(records, self.numbers | later.numbers)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A group of batches, read and judged; nothing of it is written yet."""

    plans: list[Plan]
    in_hand: InHand
    fresh: list[Event]
    repeated: list[Event]  # of records that may be stored already
    signals: list[Signal]
    rules_digest: str

    def joined(self, later: Prepared) -> Prepared:
        """This group and one that was prepared behind it, by the same rules, as one."""
        return Prepared(
            [*self.plans, *later.plans],
            self.in_hand.joined(later.in_hand),
            [*self.fresh, *later.fresh],
            [*self.repeated, *later.repeated],
            [*self.signals, *later.signals],
            self.rules_digest,
        )
