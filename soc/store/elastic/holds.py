"""Holds (đóng băng): events copied, with their raw bytes, into indices that nothing expires.

A held event lies once in the held index of its partition whatever the number of holds, with their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from soc.errors import QueryError
from soc.model.event import Event
from soc.store.elastic.appending import REFUSED_DOCUMENT, must_be_done
from soc.store.elastic.cluster import Item, Outcome, action
from soc.store.elastic.document import bare_document, document_of
from soc.store.elastic.leaves import all_of, is_term
from soc.store.elastic.partitions import Indices
from soc.store.elastic.searching import Holding, Search
from soc.store.holds import CHUNK, LONGEST_NAME
from soc.store.partitions import Partition


class Holds:
    """Used under the store's lock, by one thread at a time."""

    def __init__(self, indices: Indices) -> None:
        self._indices = indices

    def hold(self, name: str, search: Search) -> int:
        """Copy the hits; returns how many there are. Those held before under this name count too."""
        if not name or len(name) > LONGEST_NAME:
            raise QueryError(f"a hold's name has 1 to {LONGEST_NAME} characters", query=name[:80])
        count = 0
        for chunk in _chunks(search.holdings()):
            held = [(replace(place, held=True), event) for place, event, _ in chunk]
            before = self._indices.look_up((place, event.id) for place, event in held)
            self._write(
                (place, event, before.get((place, event.id), (event, frozenset()))[1] | {name})
                for place, event in held
            )
            count += len(chunk)
        return count

    def release(self, name: str, within: dict[str, Any] | None) -> bool:
        """Take a name off the events within a scope; False when no event has it."""
        held = tuple(one for one in self._indices.present() if one.held)
        wanted = is_term("hold", name)
        query = wanted if within is None else all_of([wanted, within])
        found = False
        for chunk in _chunks(Search(self._indices, query, among=held).holdings()):
            found = True
            self._write((place, event, names - {name}) for place, event, names in chunk)
        for place in held if found else ():
            if not self._count(place):
                self._indices.drop(place)
        return found

    def _count(self, place: Partition) -> int:
        return sum(1 for _ in islice(Search(self._indices, {"match_all": {}}, (place,)).scan(), 1))

    def _write(self, holdings: Iterable[Holding]) -> None:
        """Write each event with its names, or remove it when it has none, searchable at once."""
        some = list(holdings)
        outcomes = self._indices.cluster.bulk([self._item(*one) for one in some], refresh=True)
        for one, outcome in zip(some, outcomes, strict=True):
            self._check(one, outcome)

    def _check(self, holding: Holding, outcome: Outcome) -> None:
        place, event, names = holding
        if outcome.status == REFUSED_DOCUMENT:
            bare = bare_document(event, outcome.reason, sorted(names))
            line = action("index", self._indices.name(place), event.id)
            (outcome,) = self._indices.cluster.bulk([Item(line, bare)], refresh=True)
        must_be_done(outcome)

    def _item(self, place: Partition, event: Event, names: frozenset[str]) -> Item:
        index = self._indices.name(place)
        if not names:
            return Item(action("delete", index, event.id), None)
        document = document_of(event, self._indices.names_of(place), sorted(names))
        return Item(action("index", index, event.id), document)


def _chunks(holdings: Iterator[Holding]) -> Iterator[Sequence[Holding]]:
    while chunk := list(islice(holdings, CHUNK)):
        yield chunk
