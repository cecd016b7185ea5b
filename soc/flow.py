"""The order of the stages: a batch is read, stamped, judged and stored, and only then acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from soc.collect import discovery
from soc.collect.set_aside import mark_replayed
from soc.errors import RecordError
from soc.model.event import CLOCK_OFFSET, Event, RawRecord, Signal, event_id
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.normalise.places import Places
from soc.normalise.timestamps import local_hour
from soc.ports import EventStore
from soc.receive.batches import (
    Batch,
    WireRecord,
    from_epoch_microseconds,
    to_epoch_microseconds,
)
from soc.receive.clock_rows import load_clocks
from soc.receive.clocks import BatchClock
from soc.receive.ledger import Ledger
from soc.receive.plans import Notice, Plan, Prepared, Receipt, Taken
from soc.receive.relayed import Ownership, device_of_relayed, owner_of_relayed, peer_address
from soc.records.agents import AgentRow
from soc.records.batches import SetAsideRow
from soc.records.database import Database

FUTURE = timedelta(minutes=10)
FAR_PAST = timedelta(days=7)
_SKEW_US = 300_000_000  # an agent's clock that is off by more is flagged on its events
OWN_NOTICES = "soc_agent"  # the source of what agents say of themselves
_DOOR = Scope.province("door")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """One rule set: its digest, and the judge that turns events into signals."""

    digest: str
    judge: Callable[[Sequence[Event]], list[Signal]]
    over_budget: Callable[[], dict[str, int]] = dict  # rule id to how often it could not judge


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the events of one batch have in common."""

    agent: AgentRow
    incarnation: str
    owner: Owner
    clock: BatchClock


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of set-aside records that were read again; the texts say why one stays."""

    stored: tuple[str, ...]
    stay: dict[str, str]


class Flow:
    """Carries batches from the door to the store. ``rules`` and ``ownership`` may be swapped between two groups.

    ``reached`` is told the name of each step that is behind us: planned, read, opened, appended, closed.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        rules: Rules,
        ownership: Ownership,
        *,
        max_record_bytes: int,
        reached: Callable[[str], None] = lambda step: None,
        places: Places | None = None,
    ) -> None:
        self.places = places or Places()
        self.database, self.store = database, store
        self.rules, self.ownership = rules, ownership
        self.max_record_bytes, self.reached = max_record_bytes, reached
        self.ledger = Ledger(database, lambda wanted: store.find(_DOOR, wanted))
        self.clocks = load_clocks(database)

    def take(self, batches: Sequence[Batch], now: datetime) -> list[Receipt]:
        """Store a group of batches; after the return each may be acknowledged.

        Raises whatever prevents it; the batches may then be half stored, and are told apart when they come again.
        """
        return self.commit(self.prepare(batches, now))

    def prepare(
        self, batches: Sequence[Batch], now: datetime, ahead: Prepared | None = None
    ) -> Prepared:
        """Read and judge a group; ``ahead`` is the group before it, if that is being committed meanwhile.

        What is prepared behind a group that fails must be prepared again.
        """
        rules, ownership = self.rules, self.ownership
        plans, in_hand = self.ledger.plan(batches, now, ahead.in_hand if ahead else None)
        self.reached("planned")
        fresh, repeated = self._read(plans, rules, ownership)
        signals = self._judge(rules, [*fresh, *repeated])
        self.reached("read")
        return Prepared(plans, in_hand, fresh, repeated, signals, rules.digest)

    def commit(self, group: Prepared) -> list[Receipt]:
        """Store a prepared group. The steps and their order are the promise: see ``soc.receive.ledger``."""
        try:
            self.ledger.open(group.plans, group.signals, group.rules_digest)
            self.reached("opened")
            self._store(group.plans, group.fresh, group.repeated)
            self.reached("appended")
            receipts = self.ledger.close(group.plans)
            for plan in group.plans:
                if plan.clock is not None:
                    self.clocks.kept(plan.batch.agent.id, plan.clock)
            self.reached("closed")
            return receipts
        except BaseException:
            self.ledger.reload()
            raise

    # ── read and stamp ───────────────────────────────────────────────────────────────────────────────────────────

    def _read(
        self, plans: Sequence[Plan], rules: Rules, ownership: Ownership
    ) -> tuple[list[Event], list[Event]]:
        """The events of new records, and those of records that may be stored already."""
        fresh: list[Event] = []
        repeated: list[Event] = []
        for plan in plans:
            agent, header = plan.batch.agent, plan.batch.header
            plan.clock = self.clocks.measure(plan.batch, plan.received_at)
            origin = _Origin(agent, header.incarnation, ownership.of_agent(agent), plan.clock)
            for taken in plan.take:
                try:
                    events = self._read_one(
                        _raw_record(plan, taken), origin, rules, ownership, taken.record
                    )
                except RecordError as error:
                    self._set_aside(plan, taken, error.reason)
                    continue
                (repeated if taken.maybe_stored else fresh).extend(events)
                plan.events += len(events)
                latest = max(event.observed_at for event in events)
                before = plan.observed.get(taken.stream)
                plan.observed[taken.stream] = latest if before is None else max(before, latest)
                if taken.source == OWN_NOTICES:
                    plan.notices.extend(map(_notice, events))
        return fresh, repeated

    def _read_one(
        self,
        record: RawRecord,
        origin: _Origin,
        rules: Rules,
        ownership: Ownership,
        wire: WireRecord | None = None,
    ) -> list[Event]:
        """The stamped events of one record: at least one.

        Raises:
            RecordError: it cannot be read, is too large, or gave no event.
        """
        if len(record.raw) > self.max_record_bytes:
            reason = f"{len(record.raw)} bytes; records over {self.max_record_bytes} are not read"
            raise RecordError(reason, source=record.source, raw=record.raw)
        try:
            events = [
                self._stamp(event, ordinal, record, origin, rules, ownership, wire)
                for ordinal, event in enumerate(discovery.read(record))
            ]
        except RecordError:
            raise
        except (
            Exception
        ) as error:  # readers are guests: a fault of one costs one record, not the flow
            reason = f"the reader failed: {error!r:.300}"
            raise RecordError(reason, source=record.source, raw=record.raw) from error
        if not events:
            raise RecordError("the reader made no event", source=record.source, raw=record.raw)
        return events

    def _stamp(
        self,
        event: Event,
        ordinal: int,
        record: RawRecord,
        origin: _Origin,
        rules: Rules,
        ownership: Ownership,
        wire: WireRecord | None,
    ) -> Event:
        """Who, whose and which: the fields of a reader's event are completed in place."""
        agent, fields, owner = origin.agent, event.fields, origin.owner
        observed_at, received_at = event.observed_at, record.received_at
        host = event.host
        if agent.kind == "relay":
            if peer := peer_address(record.stream):
                fields["soc.peer_ip"] = peer
            owner = owner_of_relayed(event, agent, ownership)
            host = host or device_of_relayed(event)
        fields["event.id"] = known_as = event_id(
            record.agent, record.incarnation, record.stream, record.sequence, ordinal
        )
        fields["agent.id"] = record.agent
        fields["soc.stream"] = record.stream
        fields["soc.sequence"] = record.sequence
        fields["soc.level"] = owner.level
        self.places.stamp(fields, lambda ip: ownership.of_address(ip, None).agency_id is not None)
        if rules.digest:
            fields["soc.rules_digest"] = rules.digest
        if owner.agency_id is not None:
            fields["soc.agency_id"] = owner.agency_id
        if owner.system_id is not None:
            fields["soc.system_id"] = owner.system_id
        flags = ["skewed"] if abs(origin.clock.offset_us) > _SKEW_US else []
        if owner.agency_id is None:
            flags.append("unowned")
        if observed_at - received_at > FUTURE:
            flags.append("future")
        elif received_at - observed_at > FAR_PAST:
            flags.append("far_past")
        if flags:
            fields["soc.flags"] = flags
        stamped = Event(
            event.source,
            observed_at,
            fields,
            event.raw,
            known_as,
            received_at,
            owner.agency_id,
            owner.system_id,
            owner.level,
            host or record.host,
        )
        fields.pop(CLOCK_OFFSET, None)  # nobody else says so
        offset = self.clocks.correct(origin.clock, stamped, agent.id, record.stream, wire)
        if offset:
            fields[CLOCK_OFFSET] = offset.total_seconds()
        fields["soc.local_hour"] = local_hour(stamped.corrected_at)
        return stamped

    def _set_aside(self, plan: Plan, taken: Taken, reason: str) -> None:
        reader = discovery.readers().get(taken.source)
        version = reader.source.version if reader is not None else ""
        plan.set_aside.append(
            plan.set_aside_of(
                taken.stream,
                taken.record.sequence,
                taken.source,
                reason,
                taken.record.raw,
                version,
            )
        )

    # ── judge ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _judge(self, rules: Rules, events: list[Event]) -> list[Signal]:
        try:
            return rules.judge(events)
        except Exception as error:  # a fault of the matcher must not stop the flow, nor be hidden
            log.error("the rules failed on a group; judging each event alone", error=repr(error))
            return [signal for event in events for signal in self._judge_alone(rules, event)]

    def _judge_alone(self, rules: Rules, event: Event) -> list[Signal]:
        try:
            return rules.judge([event])
        except Exception as error:  # stored all the same, and flagged so that a backfill finds it
            log.error("the rules failed on an event", event_id=event.id, error=repr(error))
            flags = event.fields.get("soc.flags", [])
            event.fields["soc.flags"] = [*(flags if isinstance(flags, list) else []), "unjudged"]
            event.fields.pop("soc.rules_digest", None)
            return []

    # ── store ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _store(self, plans: Sequence[Plan], fresh: list[Event], repeated: list[Event]) -> None:
        if fresh:
            self.store.append(_DOOR, fresh)
        if not repeated:
            return
        appended = self.store.append(_DOOR, repeated, maybe_stored=True)
        if appended.conflicting:
            by_id = {event.id: event for event in repeated}
            for one in appended.conflicting:
                _keep_conflict(plans, by_id[one])

    # ── replay ───────────────────────────────────────────────────────────────────────────────────────────────────

    def replay(
        self, rows: Sequence[SetAsideRow], agents: Callable[[str], AgentRow | None], now: datetime
    ) -> Replayed:
        """Read set-aside records again; what can be read now is stored as if it had been then."""
        rules, ownership = self.rules, self.ownership
        stay: dict[str, str] = {}
        events: dict[str, list[Event]] = {}
        for row in rows:
            agent = agents(row.agent_id)
            if agent is None or not row.sequence:
                stay[row.id] = "a piece without a number" if agent else f"no agent {row.agent_id}"
                continue
            clock = BatchClock(to_epoch_microseconds(row.received_at), 0)
            origin = _Origin(agent, row.incarnation, ownership.of_agent(agent), clock)
            try:
                events[row.id] = self._read_one(_kept_record(row), origin, rules, ownership)
            except RecordError as error:
                stay[row.id] = error.reason
        every = [event for made in events.values() for event in made]
        if every:
            self.ledger.keep_signals(self._judge(rules, every))
            appended = self.store.append(_DOOR, every, maybe_stored=True)
            other = set(appended.conflicting)
            for key in [key for key, made in events.items() if other & {one.id for one in made}]:
                stay[key] = "another record with this number and other bytes is stored"
                del events[key]
        mark_replayed(self.database, _DOOR, list(events), now)
        return Replayed(tuple(events), stay)


def _notice(event: Event) -> Notice:
    """What the agent's row keeps of its notice."""
    fields = event.fields
    kind, blind_spot = str(fields.get("event.action", "")), ""
    if kind == "blind_spot":
        blind_spot = f"{fields.get('soc.agent.input', '')}: {fields.get('soc.agent.reason', '')}"
    return Notice(kind, str(fields.get("agent.version", "")), blind_spot[:300])


def _raw_record(plan: Plan, taken: Taken) -> RawRecord:
    header, record = plan.batch.header, taken.record
    return RawRecord(
        record.raw,
        taken.source,
        taken.arrived_at,
        plan.batch.agent.id,
        header.incarnation,
        taken.stream,
        record.sequence,
        from_epoch_microseconds(record.collected_at),
        header.host,
        header.zone,
    )


def _kept_record(row: SetAsideRow) -> RawRecord:
    return RawRecord(
        raw=row.raw,
        source=row.source,
        received_at=row.received_at,
        agent=row.agent_id,
        incarnation=row.incarnation,
        stream=row.stream,
        sequence=row.sequence,
        host=row.host,
        zone=row.zone,
    )


def _keep_conflict(plans: Sequence[Plan], event: Event) -> None:
    """Set aside an event whose id the store has with other bytes."""
    stream, sequence = event.fields["soc.stream"], event.fields["soc.sequence"]
    for plan in plans:
        for taken in plan.take:
            if (taken.stream, taken.record.sequence) == (
                stream,
                sequence,
            ) and taken.record.raw == event.raw:
                reason = "another record with this number and other bytes is stored"
                plan.conflicts.append(
                    plan.set_aside_of(
                        taken.stream, taken.record.sequence, taken.source, reason, event.raw
                    )
                )
                return
