"""The event store on an Elasticsearch cluster. Any number of doors write, any number of processes read.

``append`` returns when every event is in the translog of the primary and its replicas; half a second later it is
searchable. Faults of the cluster are StoreError; what was not acknowledged is then to be appended again with
``maybe_stored``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from soc.errors import NotFound, QueryError, StoreError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Appended, Expiry, Page, StoreHealth
from soc.store.aggregate import Aggregation
from soc.store.elastic.aggregating import WholeCluster, field_names
from soc.store.elastic.appending import Appending
from soc.store.elastic.cluster import Account, Cluster
from soc.store.elastic.holds import Holds
from soc.store.elastic.leaves import dsl_of, is_term
from soc.store.elastic.partitions import Indices
from soc.store.elastic.searching import Search, visible, window_query
from soc.store.ordering import Order
from soc.store.retention import Retention, state_of
from soc.store.searching import MOST_HITS


@dataclass(frozen=True, slots=True)
class Layout:
    """How the indices are named and spread. ``refresh``: searchable at once and slower, for tests."""

    prefix: str = "soc"
    shards: int = 1
    replicas: int = 0
    refresh: bool = False


@dataclass(slots=True)
class _Prepared:
    """Whether the template has been written by this process."""

    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class ElasticStore:
    """``soc.ports.EventStore`` on Elasticsearch. Making one does not need the cluster to be there.

    Raises:
        SettingsError: the account cannot be used.
    """

    def __init__(
        self,
        account: Account,
        *,
        months: Mapping[str, int],
        writable: bool,
        layout: Layout = Layout(),
    ) -> None:
        self._layout, self._writable = layout, writable
        self._retention = Retention(months)
        self._cluster = Cluster(account)
        self._indices = Indices(self._cluster, layout.prefix)
        self._appending = Appending(self._indices, refresh=layout.refresh)
        self._holds = Holds(self._indices)
        self._holding = threading.Lock()
        self._prepared = _Prepared()

    def _must_write(self) -> None:
        if not self._writable:
            raise StoreError("this process reads the events only; ask a door, which writes them")
        with self._prepared.lock:
            if not self._prepared.done:
                self._indices.prepare(shards=self._layout.shards, replicas=self._layout.replicas)
                self._prepared.done = True

    def append(
        self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool = False
    ) -> Appended:
        """See the port. NotAllowed for events outside the scope; then nothing is stored."""
        visible(scope)
        self._must_write()
        return self._appending.append(scope, events, maybe_stored=maybe_stored)

    def _search(
        self, scope: Scope, query: str, start: datetime | None, end: datetime | None
    ) -> Search:
        within = visible(scope)
        return Search.of(self._indices, dsl_of(query), within, window_query(start, end))

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
        """Raises StoreError when a shard cannot be read: a count is never short in silence."""
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
        """See the port. Keys of text are folded. Raises StoreError when a shard cannot be read."""
        search = self._search(scope, query, start, end)
        asked = Aggregation(aggs)
        return asked.run([WholeCluster(search.aggregate, search.query, field_names(aggs))])

    def find(self, scope: Scope, event_id: str) -> Event | None:
        search = Search.of(self._indices, is_term("id", event_id), visible(scope))
        events = search.page(Order.from_text("-received_at"), 1, None).events
        return events[0] if events else None

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
        """See the port. Raises StoreError when a shard cannot be read."""
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
        with self._holding:
            self._indices.refresh(self._indices.present())
            return self._holds.hold(name, search)

    def release(self, scope: Scope, name: str) -> None:
        """End a hold for the events of the scope. NotFound when there is none of that name."""
        within = visible(scope)
        self._must_write()
        with self._holding:
            if not self._holds.release(name, within):
                raise NotFound("hold", name)

    def expire(self, scope: Scope, now: datetime) -> list[Expiry]:
        """Drop what is past its time; fuller than 90 %, also what only the settings keep longer."""
        visible(scope)
        self._must_write()
        dropped = []
        sizes = self._sizes()
        for partition in sorted(self._indices.present(), key=lambda one: one.last_day):
            reason = self._retention.due(partition, now, self._disk_used())
            if reason:
                events, _ = sizes.get(self._indices.name(partition), (0, 0))
                self._indices.drop(partition)
                dropped.append(Expiry(partition.name, events, dropped=True, reason=reason))
        return dropped

    def _sizes(self) -> dict[str, tuple[int, int]]:
        """Events and bytes (with replicas) by index."""
        with self._cluster.doing("the sizes of the indices cannot be read") as client:
            answer = client.indices.stats(
                index=f"{self._layout.prefix}-*", metric=["docs", "store"]
            ).body
        return {
            index: (one["primaries"]["docs"]["count"], one["total"]["store"]["size_in_bytes"])
            for index, one in answer["indices"].items()
        }

    def _disk_used(self) -> float:
        """Share in use of the fullest node's disk, 0-1."""
        with self._cluster.doing("the disks of the nodes cannot be read") as client:
            nodes = client.nodes.stats(metric="fs").body["nodes"].values()
        totals = [node["fs"]["total"] for node in nodes]
        return max(
            (
                1 - one["available_in_bytes"] / one["total_in_bytes"]
                for one in totals
                if one.get("total_in_bytes")
            ),
            default=0.0,
        )

    def health(self, scope: Scope) -> StoreHealth:
        """The state of the fullest disk and of all indices; ``events`` counts those of the scope."""
        search = Search.of(self._indices, {"match_all": {}}, visible(scope))
        present = self._indices.present()
        used = self._disk_used()
        sizes = {index: size for index, (_, size) in self._sizes().items()}
        with self._cluster.doing("the cluster's health cannot be read") as client:
            cluster = client.cluster.health().body
        return StoreHealth(
            state=state_of(used),
            events=search.count(),
            size_bytes=sum(sizes.values()),
            disk_used=used,
            partitions=len(present),
            oldest=min((one.first_day for one in present), default=None),
            detail={
                "cluster": cluster["status"],
                "nodes": cluster["number_of_nodes"],
                "unassigned_shards": cluster["unassigned_shards"],
                "size_bytes": sizes,
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._cluster.close()
