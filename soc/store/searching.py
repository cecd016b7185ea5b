"""One search over the partitions that its time window meets, within one scope."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import tantivy
from tantivy import FieldType, Query

from soc.errors import ScopeMissing, StoreError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Page
from soc.store.aggregate import Target
from soc.store.document import event_of, microseconds
from soc.store.faults import faults
from soc.store.handles import Readers
from soc.store.leaves import EARLIEST, LATEST, SCHEMA, all_of
from soc.store.ordering import Order, Place
from soc.store.partitions import Partition, Shelf

MOST_HITS = 10_000  # of one page
SCAN_CHUNK = 10_000  # addresses taken from the engine at once
OLDEST_ARRIVAL_FIRST = Order("received_at", newest_first=False)


def visible(scope: Scope) -> Query | None:
    """The one filter by scope; None for the whole province. Unowned events need the whole province."""
    if not isinstance(scope, Scope):
        raise ScopeMissing("events were asked for without a Scope")
    if scope.agency_ids is None:
        return None
    if not scope.agency_ids:
        return Query.empty_query()
    return Query.term_set_query(SCHEMA, "agency", sorted(scope.agency_ids))


@dataclass(frozen=True, slots=True)
class Window:
    """Microseconds of ``observed_at``: from ``start`` to before ``end``; None is open."""

    start: int | None
    end: int | None

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None) -> Window:
        return cls(
            None if start is None else microseconds(start),
            None if end is None else microseconds(end),
        )

    def query(self) -> Query | None:
        if self.start is None and self.end is None:
            return None
        low = EARLIEST if self.start is None else self.start
        high = LATEST if self.end is None else self.end - 1
        if low > high:
            return Query.empty_query()
        return Query.range_query(SCHEMA, "observed_at", FieldType.Integer, low, high)


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit that is not yet read."""

    place: Place
    searcher: tantivy.Searcher
    address: tantivy.DocAddress

    def event(self) -> Event:
        with faults("a stored event cannot be read"):
            return event_of(self.searcher.doc(self.address))


class Search:
    """A query with its scope and window."""

    def __init__(
        self,
        shelf: Shelf,
        readers: Readers,
        query: Query,
        within: Query | None,
        window: Window,
    ) -> None:
        self._shelf, self._readers, self._window = shelf, readers, window
        self.query = all_of([one for one in (query, window.query(), within) if one is not None])

    def partitions(self) -> list[Partition]:
        return list(self._shelf.within(self._window.start, self._window.end))

    def searcher(self, partition: Partition) -> tantivy.Searcher | None:
        return self._readers.searcher(partition)

    def targets(self) -> list[Target]:
        """What to ask, for answers that need every partition."""
        found = [self.searcher(partition) for partition in self.partitions()]
        return [Target(searcher, self.query) for searcher in found if searcher is not None]

    def newest_first(self) -> Iterator[tuple[tantivy.Searcher, Query]]:
        for partition in reversed(self.partitions()):
            searcher = self.searcher(partition)
            if searcher is not None:
                yield searcher, self.query

    def count(self) -> int:
        with faults("the events cannot be counted"):
            return sum(_count(one.searcher, one.query) for one in self.targets())

    def page(self, order: Order, size: int, after: Place | None) -> Page:
        """One page over all partitions; one that fails makes it ``partial``."""
        started = time.monotonic()
        total, hits, reasons = 0, [], []
        for partition in self.partitions():
            try:
                count, found = self._page_of(partition, order, size + 1, after)
            except StoreError as error:
                reasons.append(str(error))
                continue
            total += count
            hits += found
            hits = heapq.nsmallest(size + 1, hits, key=lambda hit: order.rank(hit.place))
        shown = hits[:size]
        more = len(hits) > size and bool(shown)
        return Page(
            events=tuple(hit.event() for hit in shown),
            total=total,
            after=order.cursor(shown[-1].place) if more else None,
            took=timedelta(seconds=time.monotonic() - started),
            partial=bool(reasons),
            partial_reason="; ".join(reasons),
        )

    def _page_of(
        self, partition: Partition, order: Order, size: int, after: Place | None
    ) -> tuple[int, list[Hit]]:
        searcher = self.searcher(partition)
        if searcher is None:
            return 0, []
        with faults(f"the partition {partition.name} did not answer"):
            total = _count(searcher, self.query)
            if not total:
                return 0, []
            query = all_of([self.query, order.following(after)]) if after else self.query
            found = order.first(searcher, query, size)
        return total, [Hit(place, searcher, address) for place, address in found]

    def scan(self) -> Iterator[Event]:
        """Oldest arrival first. Partitions are opened when their period is reached."""
        waiting = sorted(self.partitions(), key=lambda one: one.first_day, reverse=True)
        heap: list[tuple[tuple[int, int], int, Hit, Iterator[Hit]]] = []
        opened = 0
        while waiting or heap:
            while waiting and (not heap or _starts(waiting[-1]) <= heap[0][2].place.time):
                opened += 1
                self._push(heap, opened, self._arrivals(waiting.pop()))
            if heap:
                _, number, hit, rest = heapq.heappop(heap)
                yield hit.event()
                self._push(heap, number, rest)

    @staticmethod
    def _push(
        heap: list[tuple[tuple[int, int], int, Hit, Iterator[Hit]]],
        number: int,
        hits: Iterator[Hit],
    ) -> None:
        hit = next(hits, None)
        if hit is not None:
            heapq.heappush(heap, (OLDEST_ARRIVAL_FIRST.rank(hit.place), number, hit, hits))

    def _arrivals(self, partition: Partition) -> Iterator[Hit]:
        """The hits of one partition in order of arrival, as of now."""
        searcher = self.searcher(partition)
        after: Place | None = None
        while searcher is not None:
            query = self.query
            if after is not None:
                query = all_of([query, OLDEST_ARRIVAL_FIRST.following(after)])
            with faults(f"the partition {partition.name} did not answer"):
                found = OLDEST_ARRIVAL_FIRST.first(searcher, query, SCAN_CHUNK)
            yield from (Hit(place, searcher, address) for place, address in found)
            if len(found) < SCAN_CHUNK:
                return
            after = found[-1][0]


def _starts(partition: Partition) -> int:
    return microseconds(partition.starts_at)


def _count(searcher: tantivy.Searcher, query: Query) -> int:
    found: Any = searcher.search(query, limit=1, count=True)  # the stub lacks ``count``
    return int(found.count)
