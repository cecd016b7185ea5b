"""Appending: events into their partitions, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import tantivy
from tantivy import Query

from soc.errors import NotAllowed
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Appended
from soc.store.document import encode, event_of, microseconds, plain_fields
from soc.store.faults import faults
from soc.store.handles import Readers, Writers
from soc.store.leaves import SCHEMA
from soc.store.partitions import CLASSES, Partition, Reach, Shelf, class_of, partition_at

LOOKED_UP_AT_ONCE = 1_000  # ids in one query


@dataclass(slots=True)
class Sorted:
    """What becomes of the events of one append."""

    fresh: dict[Partition, list[Event]] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    conflicting: list[str] = field(default_factory=list)

    def stored(self) -> tuple[str, ...]:
        return tuple(event.id for events in self.fresh.values() for event in events)


class Appending:
    """Used under the store's lock, by one thread at a time."""

    def __init__(self, shelf: Shelf, readers: Readers, writers: Writers) -> None:
        self._shelf, self._readers, self._writers = shelf, readers, writers

    def append(self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool) -> Appended:
        """Store what is new, one commit for each partition touched."""
        self._check(scope, events)
        sorted_events = self._sort(events, self._stored(events) if maybe_stored else {})
        for partition, fresh in sorted_events.fresh.items():
            self._commit(partition, fresh)
        return Appended(
            stored=sorted_events.stored(),
            already=tuple(sorted_events.already),
            conflicting=tuple(sorted_events.conflicting),
        )

    def _check(self, scope: Scope, events: Sequence[Event]) -> None:
        if scope.whole_province:
            return
        outside = next((event for event in events if not scope.allows(event.agency_id)), None)
        if outside is not None:
            raise NotAllowed(f"event {outside.id} belongs to an agency outside your scope")

    def _sort(self, events: Sequence[Event], raw_by_id: dict[str, bytes]) -> Sorted:
        """New events by partition; an id that comes twice in one append is stored once."""
        out = Sorted()
        seen = dict(raw_by_id)
        places: dict[tuple[int, str], Partition] = {}
        for event in events:
            known = seen.get(event.id)
            if known is not None:
                (out.already if known == event.raw else out.conflicting).append(event.id)
                continue
            seen[event.id] = event.raw
            kept = class_of(event)
            hour = (microseconds(event.received_at) // 3_600_000_000, kept)
            partition = places.get(hour)
            if partition is None:
                partition = places[hour] = partition_at(event.received_at, kept)
            out.fresh.setdefault(partition, []).append(event)
        return _told_once(out)

    def _stored(self, events: Sequence[Event]) -> dict[str, bytes]:
        """Raw bytes by id of those events that are there, in any class of their arrival period."""
        ids: dict[Partition, list[str]] = {}
        for event in events:
            for kept in CLASSES:
                ids.setdefault(partition_at(event.received_at, kept), []).append(event.id)
        present = {partition.name for partition in self._shelf.names()}
        found: dict[str, bytes] = {}
        for original, wanted in ids.items():
            for partition in (original, replace(original, held=True)):
                if partition.name in present:
                    found |= self._look_up(partition, wanted)
        return found

    def _look_up(self, partition: Partition, ids: Sequence[str]) -> dict[str, bytes]:
        searcher = self._readers.searcher(partition)
        if searcher is None:
            return {}
        found: dict[str, bytes] = {}
        with faults(f"ids cannot be looked up in {partition.name}"):
            for start in range(0, len(ids), LOOKED_UP_AT_ONCE):
                some = ids[start : start + LOOKED_UP_AT_ONCE]
                query = Query.term_set_query(SCHEMA, "id", some)
                for _, address in searcher.search(query, limit=2 * len(some), count=False).hits:
                    event = event_of(searcher.doc(address))
                    found[event.id] = event.raw
        return found

    def _commit(self, partition: Partition, events: Sequence[Event]) -> None:
        """Add and commit. After a fault the writer is thrown away, and with it what it had added."""
        try:
            writer = self._writers.writer(partition)
            self._shelf.widen(partition, reach_of(events))
            with faults(f"events cannot be written to {partition.name}"):
                for event in events:
                    writer.add_document(document_of(event))
                self._writers.commit(partition)
        except BaseException:
            self._writers.forget(partition)
            raise


def _told_once(out: Sorted) -> Sorted:
    """Each id in one of the three answers only; a conflict outweighs."""
    conflicting = dict.fromkeys(out.conflicting)
    stored = set(out.stored())
    out.conflicting = [one for one in conflicting if one not in stored]
    out.already = [
        one for one in dict.fromkeys(out.already) if one not in stored and one not in conflicting
    ]
    return out


def reach_of(events: Iterable[Event]) -> Reach:
    """Least and greatest ``observed_at``."""
    times = [event.observed_at for event in events]
    return Reach(microseconds(min(times)), microseconds(max(times)))


def document_of(event: Event, holds: Iterable[str] = ()) -> tantivy.Document:
    """The document of an event; values that no index can hold are put into a form that it can."""
    try:
        return encode(event, holds)
    except (TypeError, ValueError, OverflowError):
        return encode(replace(event, fields=plain_fields(event.fields)), holds)
