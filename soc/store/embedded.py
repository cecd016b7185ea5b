"""The event store on a local disk: tantivy indexes, one for each partition.

One process writes (the door); any number read, and see a commit at their next search. ``append`` returns when the
events are committed with fsync. Faults of the disk or the engine are StoreError; what was not acknowledged is then
to be appended again with ``maybe_stored``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tantivy import Query

from soc.errors import NotFound, QueryError, StoreError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Appended, Expiry, Page, StoreHealth
from soc.store.aggregate import Aggregation
from soc.store.appending import Appending
from soc.store.document import event_of
from soc.store.handles import Readers, WriterLock, Writers
from soc.store.holds import Holds
from soc.store.leaves import SCHEMA
from soc.store.memory import give_back, use_few_arenas
from soc.store.ordering import Order
from soc.store.partitions import Shelf
from soc.store.query import read_query
from soc.store.retention import Retention, disk_used, state_of
from soc.store.searching import MOST_HITS, Search, Window, visible

MAINTAIN_SECONDS = 20.0


class EmbeddedStore:
    """``soc.ports.EventStore`` on tantivy.

    ``home`` is made if it is not there and ``writable``. ``disk`` tells the share of the disk in use (0-1).

    Raises:
        StoreError: another process writes to ``home``, or it cannot be used.
    """

    def __init__(
        self,
        home: Path,
        *,
        months: Mapping[str, int],
        writable: bool,
        disk: Callable[[Path], float] = disk_used,
    ) -> None:
        self._home = home
        self._disk = disk
        self._retention = Retention(months)
        self._shelf = Shelf(home)
        self._readers = Readers(self._shelf)
        self._writing = threading.RLock()
        self._lock: WriterLock | None = None
        self._stopped = threading.Event()
        if writable:
            self._open_for_writing()
        self._writers = Writers(self._shelf)
        self._appending = Appending(self._shelf, self._readers, self._writers)
        self._holds = Holds(self._shelf, self._readers, self._writers)
        if writable:
            threading.Thread(target=self._maintain, name="store-idle", daemon=True).start()

    def _open_for_writing(self) -> None:
        use_few_arenas()
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(self._home)
            self._shelf.tidy()
        except OSError as error:
            raise StoreError(f"the events cannot be kept in {self._home}: {error}") from error

    def _maintain(self) -> None:
        """Close writers that nobody has used for a while, and give back what commits have freed."""
        while not self._stopped.wait(MAINTAIN_SECONDS):
            with self._writing:
                self._writers.close_idle()
            give_back()

    def _must_write(self) -> None:
        if self._lock is None:
            raise StoreError("this process reads the events only; ask the door, which writes them")

    def append(
        self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool = False
    ) -> Appended:
        """See the port. NotAllowed for events outside the scope; then nothing is stored."""
        visible(scope)
        self._must_write()
        with self._writing:
            return self._appending.append(scope, events, maybe_stored=maybe_stored)

    def _search(
        self, scope: Scope, query: str, start: datetime | None, end: datetime | None
    ) -> Search:
        return Search(
            self._shelf, self._readers, read_query(query), visible(scope), Window.of(start, end)
        )

    def search(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        sort: str = "-observed_at",
        size: int = 50,
        after: str | None = None,
    ) -> Page:
        if not 0 <= size <= MOST_HITS:
            raise QueryError(f"a page has 0 to {MOST_HITS} hits", query=str(size))
        order = Order.from_text(sort)
        place = None if after is None else order.read_cursor(after)
        return self._search(scope, query, start, end).page(order, size, place)

    def count(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> int:
        """Raises StoreError when a partition cannot be read: a count is never short in silence."""
        return self._search(scope, query, start, end).count()

    def aggregate(
        self,
        scope: Scope,
        query: str,
        aggs: Mapping[str, Any],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> dict[str, Any]:
        """See the port. Keys of text are folded. Raises StoreError when a partition cannot be read."""
        search = self._search(scope, query, start, end)
        return Aggregation(aggs).run(search.targets())

    def find(self, scope: Scope, event_id: str) -> Event | None:
        wanted = Query.term_query(SCHEMA, "id", event_id)
        search = Search(self._shelf, self._readers, wanted, visible(scope), Window(None, None))
        for searcher, query in search.newest_first():
            hits = searcher.search(query, limit=1, count=False).hits
            if hits:
                return event_of(searcher.doc(hits[0][1]))
        return None

    def get(self, scope: Scope, event_id: str) -> Event:
        event = self.find(scope, event_id)
        if event is None:
            raise NotFound("event", event_id)
        return event

    def scan(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[Event]:
        """See the port. Raises StoreError when a partition cannot be read."""
        return self._search(scope, query, start, end).scan()

    def hold(
        self,
        scope: Scope,
        name: str,
        query: str,
        *,
        start: datetime | None,
        end: datetime | None,
    ) -> int:
        """See the port. Holding again adds what has come since."""
        search = self._search(scope, query, start, end)
        self._must_write()
        with self._writing:
            return self._holds.hold(name, search)

    def release(self, scope: Scope, name: str) -> None:
        """End a hold for the events of the scope. NotFound when there is none of that name."""
        within = visible(scope)
        self._must_write()
        with self._writing:
            if not self._holds.release(name, within):
                raise NotFound("hold", name)

    def expire(self, scope: Scope, now: datetime) -> list[Expiry]:
        """Drop what is past its time; fuller than 90 %, also what only the settings keep longer."""
        visible(scope)
        self._must_write()
        dropped = []
        with self._writing:
            for partition in sorted(self._shelf.names(), key=lambda one: one.last_day):
                reason = self._retention.due(partition, now, self._disk(self._home))
                if not reason:
                    continue
                searcher = self._readers.searcher(partition)
                events = searcher.num_docs if searcher else 0
                self._writers.forget(partition)
                self._shelf.drop(partition)
                dropped.append(Expiry(partition.name, events, dropped=True, reason=reason))
        return dropped

    def health(self, scope: Scope) -> StoreHealth:
        """The state of the disk and of all partitions; ``events`` counts those of the scope."""
        within = visible(scope)
        search = Search(self._shelf, self._readers, Query.all_query(), within, Window(None, None))
        partitions = self._shelf.names()
        used = self._disk(self._home)
        sizes = {one.name: self._shelf.size_bytes(one) for one in partitions}
        return StoreHealth(
            state=state_of(used),
            events=search.count(),
            size_bytes=sum(sizes.values()),
            disk_used=used,
            partitions=len(partitions),
            oldest=min((one.first_day for one in partitions), default=None),
            detail={"open_writers": len(self._writers), "size_bytes": sizes},
        )

    def close(self) -> None:
        """Close everything; another process may then write."""
        self._stopped.set()
        with self._writing:
            self._writers.close()
            self._readers.close()
            if self._lock is not None:
                self._lock.release()
                self._lock = None
