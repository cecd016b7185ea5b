"""Holds (đóng băng): events copied, with their raw bytes, to where nothing expires.

A held event lies once in ``held-<partition>`` whatever the number of holds, with their names. That copy is read only
when the original has expired, so no event is found twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import tantivy
from tantivy import Query

from soc.errors import QueryError
from soc.model.event import Event
from soc.store.appending import document_of, reach_of
from soc.store.document import event_of
from soc.store.faults import faults
from soc.store.handles import Readers, Writers
from soc.store.leaves import SCHEMA, all_of
from soc.store.ordering import Order, Place
from soc.store.partitions import Partition, Shelf
from soc.store.searching import Search

CHUNK = 1_000  # events of one commit
LONGEST_NAME = 200
BY_ARRIVAL = Order("received_at", newest_first=False)

Holding = tuple[Event, frozenset[str]]


class Holds:
    """Used under the store's lock, by one thread at a time."""

    def __init__(self, shelf: Shelf, readers: Readers, writers: Writers) -> None:
        self._shelf, self._readers, self._writers = shelf, readers, writers

    def hold(self, name: str, search: Search) -> int:
        """Copy the hits; returns how many there are. Those held before under this name count too."""
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"a hold's name has 1 to {LONGEST_NAME} characters", query=name[:80])
        count = 0
        for partition in search.partitions():
            searcher = search.searcher(partition)
            if searcher is None:
                continue
            held = replace(partition, held=True)
            for chunk in _chunks(searcher, search.query):
                self._add(held, [event for event, _ in chunk], name)
                count += len(chunk)
        return count

    def _add(self, held: Partition, events: Sequence[Event], name: str) -> None:
        before = self._holds_by_id(held, [event.id for event in events])
        new = [
            (event, before.get(event.id, frozenset()) | {name})
            for event in events
            if name not in before.get(event.id, frozenset())
        ]
        if new:
            self._rewrite(held, new, [])

    def _holds_by_id(self, held: Partition, ids: Sequence[str]) -> dict[str, frozenset[str]]:
        if not self._shelf.path(held).is_dir():
            return {}
        searcher = self._readers.searcher(held)
        if searcher is None:
            return {}
        query = Query.term_set_query(SCHEMA, "id", list(ids))
        return {event.id: names for chunk in _chunks(searcher, query) for event, names in chunk}

    def release(self, name: str, within: Query | None) -> bool:
        """Take a name off the events within a scope; False when no event has it."""
        wanted = Query.term_query(SCHEMA, "hold", name)
        query = wanted if within is None else all_of([wanted, within])
        found = False
        for held in [partition for partition in self._shelf.names() if partition.held]:
            searcher = self._readers.searcher(held)
            if searcher is None:
                continue
            for chunk in _chunks(searcher, query):
                found = True
                kept = [(event, names - {name}) for event, names in chunk if names != {name}]
                self._rewrite(held, kept, [event.id for event, names in chunk if names == {name}])
            self._drop_if_empty(held)
        return found

    def _drop_if_empty(self, held: Partition) -> None:
        searcher = self._readers.searcher(held)
        if searcher is not None and searcher.num_docs == 0:
            self._writers.forget(held)
            self._shelf.drop(held)

    def _rewrite(self, held: Partition, put: Sequence[Holding], remove: Sequence[str]) -> None:
        """Replace and remove events in one commit."""
        try:
            writer = self._writers.writer(held)
            if put:
                self._shelf.widen(held, reach_of(event for event, _ in put))
            with faults(f"holds cannot be written to {held.name}"):
                for identity in [*remove, *(event.id for event, _ in put)]:
                    writer.delete_documents_by_term("id", identity)
                for event, names in put:
                    writer.add_document(document_of(event, sorted(names)))
                self._writers.commit(held)
        except BaseException:
            self._writers.forget(held)
            raise


def _chunks(searcher: tantivy.Searcher, query: Query) -> Iterator[list[Holding]]:
    """The hits of one searcher with the names of their holds, some at a time."""
    after: Place | None = None
    while True:
        following = query if after is None else all_of([query, BY_ARRIVAL.following(after)])
        with faults("the events to hold cannot be read"):
            found = BY_ARRIVAL.first(searcher, following, CHUNK)
            documents = [searcher.doc(address) for _, address in found]
        if documents:
            yield [(event_of(one), frozenset(one.get_all("hold"))) for one in documents]
        if len(found) < CHUNK:
            return
        after = found[-1][0]
