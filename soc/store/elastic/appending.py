"""Appending: events into their indices, each exactly once, whatever single events are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from soc.errors import NotAllowed, StoreError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Appended
from soc.store.elastic.cluster import BUSY, READ_ONLY, Item, Outcome, action
from soc.store.elastic.document import bare_document, document_of
from soc.store.elastic.partitions import Indices
from soc.store.partitions import CLASSES, Partition, class_of, partition_at

EXISTS = 409
REFUSED_DOCUMENT = 400


@dataclass(slots=True)
class Told:
    """What the append will say, by id; one answer for each."""

    stored: dict[str, None] = field(default_factory=dict)
    already: dict[str, None] = field(default_factory=dict)
    conflicting: dict[str, None] = field(default_factory=dict)

    def compare(self, event: Event, known: bytes) -> None:
        (self.already if known == event.raw else self.conflicting)[event.id] = None

    def appended(self) -> Appended:
        """A conflict outweighs a repeat, and what was stored now outweighs both."""
        conflicting = [one for one in self.conflicting if one not in self.stored]
        already = [
            one for one in self.already if one not in self.stored and one not in self.conflicting
        ]
        return Appended(tuple(self.stored), tuple(already), tuple(conflicting))


class Appending:
    """``create`` with the event's id, so that a repeat meets what it wrote before."""

    def __init__(self, indices: Indices, *, refresh: bool) -> None:
        self._indices, self._refresh = indices, refresh

    def append(self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool) -> Appended:
        outside = next((one for one in events if not scope.allows(one.agency_id)), None)
        if outside is not None:
            raise NotAllowed(f"event {outside.id} belongs to an agency outside your scope")
        told = Told()
        seen = self._stored(events) if maybe_stored else {}
        fresh: list[tuple[Partition, Event]] = []
        for event in events:
            known = seen.get(event.id)
            if known is not None:
                told.compare(event, known)
                continue
            seen[event.id] = event.raw
            fresh.append((partition_at(event.received_at, class_of(event)), event))
        if fresh:
            self._create(fresh, told)
        return told.appended()

    def _stored(self, events: Sequence[Event]) -> dict[str, bytes]:
        """Raw bytes by id of those that are there, in any class of their arrival period."""
        present = set(self._indices.present())
        wanted = [
            (place, event.id)
            for event in events
            for kept in CLASSES
            for held in (False, True)
            if (place := replace(partition_at(event.received_at, kept), held=held)) in present
        ]
        found = self._indices.look_up(dict.fromkeys(wanted))
        return {identity: event.raw for (_, identity), (event, _) in found.items()}

    def _create(self, fresh: Sequence[tuple[Partition, Event]], told: Told) -> None:
        items = (
            Item(
                action("create", self._indices.name(place), event.id),
                document_of(event, self._indices.names_of(place)),
            )
            for place, event in fresh
        )
        outcomes = self._indices.cluster.bulk(items, refresh=self._refresh)
        there, poisonous = [], []
        for (place, event), outcome in zip(fresh, outcomes, strict=True):
            if outcome.status == EXISTS:
                there.append((place, event))
            elif outcome.status == REFUSED_DOCUMENT:
                poisonous.append((place, event, outcome.reason))
            else:
                must_be_done(outcome)
                told.stored[event.id] = None
        self._compare(there, told)
        self._store_bare(poisonous, told)

    def _compare(self, there: Sequence[tuple[Partition, Event]], told: Told) -> None:
        """Ids that were there: the same bytes are a repeat, others a conflict."""
        if not there:
            return
        found = self._indices.look_up([(place, event.id) for place, event in there])
        for place, event in there:
            known = found.get((place, event.id))
            if known is None:
                raise StoreError(f"event {event.id} was there and has gone; append it again")
            told.compare(event, known[0].raw)

    def _store_bare(self, poisonous: Sequence[tuple[Partition, Event, str]], told: Told) -> None:
        """What Elasticsearch cannot index is kept whole, with the reason, and found by time and id."""
        items = [
            Item(
                action("create", self._indices.name(place), event.id), bare_document(event, reason)
            )
            for place, event, reason in poisonous
        ]
        if not items:
            return
        outcomes = self._indices.cluster.bulk(items, refresh=self._refresh)
        for (_, event, _), outcome in zip(poisonous, outcomes, strict=True):
            if outcome.status != EXISTS:
                must_be_done(outcome)
            told.stored[event.id] = None


def must_be_done(outcome: Outcome) -> None:
    """Raises StoreError for an outcome that is neither done nor known to be harmless."""
    if outcome.status < 300:
        return
    if "cluster_block" in outcome.reason:
        raise StoreError(f"the events cannot be written: {READ_ONLY} ({outcome.reason})")
    kind = "is too busy" if outcome.status in BUSY else f"answers {outcome.status}"
    raise StoreError(f"the events cannot be written: Elasticsearch {kind}: {outcome.reason}")
