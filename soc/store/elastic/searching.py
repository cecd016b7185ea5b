"""One search of the cluster within one scope: pages, counts, scans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError

from soc.errors import ScopeMissing, StoreError
from soc.model.event import Event
from soc.model.scope import Scope
from soc.ports import Page
from soc.store.elastic.document import event_of
from soc.store.elastic.leaves import NOTHING, all_of, between
from soc.store.elastic.partitions import Indices
from soc.store.ordering import Order, Place
from soc.store.partitions import Partition
from soc.store.searching import Window

SCAN_CHUNK = 1_000
KEEP_OPEN = "5m"  # of a scan, between two chunks

Holding = tuple[Partition, Event, frozenset[str]]


def visible(scope: Scope) -> dict[str, Any] | None:
    """The one filter by scope; None for the whole province. Unowned events need the whole province."""
    if not isinstance(scope, Scope):
        raise ScopeMissing("events were asked for without a Scope")
    if scope.agency_ids is None:
        return None
    return {"terms": {"agency": sorted(scope.agency_ids)}}


def window_query(start: datetime | None, end: datetime | None) -> dict[str, Any] | None:
    """Times of ``observed_at``: from ``start`` to before ``end``."""
    window = Window.of(start, end)
    if window.start is None and window.end is None:
        return None
    if window.start is not None and window.end is not None and window.start >= window.end:
        return NOTHING
    last = None if window.end is None else window.end - 1
    return between("observed_at", (window.start, last))


@dataclass(frozen=True, slots=True)
class Search:
    """A query with its scope and window, over the readable partitions or those given."""

    indices: Indices
    query: dict[str, Any]
    among: tuple[Partition, ...] | None = None

    @classmethod
    def of(
        cls,
        indices: Indices,
        query: dict[str, Any],
        within: dict[str, Any] | None,
        window: dict[str, Any] | None = None,
    ) -> Search:
        return cls(indices, all_of([one for one in (query, window, within) if one is not None]))

    def _where(self) -> list[str]:
        places = self.indices.readable() if self.among is None else self.among
        return [self.indices.name(one) for one in places]

    def _path(self) -> str:
        """Held copies are named one by one; the others by a pattern, so that the path stays short."""
        held = [one for one in self._where() if one.startswith(f"{self.indices.prefix}-held-")]
        return ",".join([f"{self.indices.prefix}-events-*", *held])

    def count(self) -> int:
        with self.indices.cluster.doing("the events cannot be counted") as client:
            answer = client.search(
                index=self._path(),
                query=self.query,
                size=0,
                track_total_hits=True,
                allow_partial_search_results=False,
                ignore_unavailable=True,
            )
        return int(answer.body["hits"]["total"]["value"])

    def aggregate(self, query: dict[str, Any], aggs: dict[str, Any]) -> dict[str, Any]:
        with self.indices.cluster.doing("an aggregation failed") as client:
            answer = client.search(
                index=self._path(),
                query=query,
                aggs=aggs,
                size=0,
                allow_partial_search_results=False,
                ignore_unavailable=True,
            )
        return _aggregations(answer.body, aggs)

    def page(self, order: Order, size: int, after: Place | None) -> Page:
        """One page; shards that fail make it ``partial``."""
        options: dict[str, Any] = {}
        if after is not None:
            options["search_after"] = [after.time, f"{after.tie:016x}"]
        with self.indices.cluster.doing("the search failed") as client:
            answer = client.search(
                index=self._path(),
                query=self.query,
                size=size + 1 if size else 0,
                sort=_sort(order),
                track_total_hits=True,
                source_includes=["doc"],
                ignore_unavailable=True,
                **options,
            ).body
        hits = answer["hits"]["hits"]
        shown = hits[:size]
        reason = _failures(answer)
        return Page(
            events=tuple(event_of(hit["_source"]) for hit in shown),
            total=int(answer["hits"]["total"]["value"]),
            after=order.cursor(_place(shown[-1])) if len(hits) > size and shown else None,
            took=timedelta(milliseconds=int(answer["took"])),
            partial=bool(reason),
            partial_reason=reason,
        )

    def scan(self) -> Iterator[Event]:
        """Oldest arrival first, as of the first event taken."""
        for _, event, _ in self.holdings():
            yield event

    def holdings(self) -> Iterator[Holding]:
        """Like ``scan``, with the partition and the names of the holds."""
        where = self._where()
        if not where:
            return
        with self.indices.cluster.doing("the scan cannot start") as client:
            point = client.open_point_in_time(
                index=self._path() if self.among is None else ",".join(where),
                keep_alive=KEEP_OPEN,
                ignore_unavailable=True,
            )["id"]
        try:
            yield from self._chunks(point)
        finally:
            with suppress(ApiError, TransportError):  # it ends by itself otherwise
                self.indices.cluster.client.close_point_in_time(id=point)

    def _chunks(self, point: str) -> Iterator[Holding]:
        after: dict[str, Any] = {}
        while True:
            with self.indices.cluster.doing("the scan failed") as client:
                answer = client.search(
                    pit={"id": point, "keep_alive": KEEP_OPEN},
                    query=self.query,
                    size=SCAN_CHUNK,
                    sort=_sort(Order("received_at", newest_first=False)),
                    source_includes=["doc", "hold"],
                    track_total_hits=False,
                    allow_partial_search_results=False,
                    **after,
                ).body
            hits = answer["hits"]["hits"]
            for hit in hits:
                partition = self.indices.partition(hit["_index"])
                if partition is None:
                    raise StoreError(f"the index {hit['_index']} is not one of the events'")
                holds = frozenset(hit["_source"].get("hold", ()))
                yield partition, event_of(hit["_source"]), holds
            if len(hits) < SCAN_CHUNK:
                return
            after = {"search_after": hits[-1]["sort"]}


def _sort(order: Order) -> list[dict[str, Any]]:
    direction = "desc" if order.newest_first else "asc"
    return [
        {order.field: {"order": direction, "unmapped_type": "long"}},
        {"tie": {"order": direction, "unmapped_type": "keyword"}},
    ]


def _place(hit: Mapping[str, Any]) -> Place:
    return Place(int(hit["sort"][0]), int(hit["sort"][1], 16))


def _failures(answer: Mapping[str, Any]) -> str:
    shards = answer["_shards"]
    if not shards["failed"] and not answer["timed_out"]:
        return ""
    reasons = {
        f"{one.get('index')}: {one.get('reason', {}).get('reason')}"
        for one in shards.get("failures", [])
    }
    parts = "; ".join(sorted(reasons)) or "no copy is up"
    return f"{shards['failed']} of {shards['total']} shards did not answer ({parts})"


def _aggregations(body: Mapping[str, Any], aggs: Mapping[str, Any]) -> dict[str, Any]:
    """Without a single index there are no aggregations in the answer: each is then empty."""
    if "aggregations" in body:
        return dict(body["aggregations"])
    empty = {
        "buckets": [],
        "sum_other_doc_count": 0,
        "doc_count": 0,
        "value": 0,
        "count": 0,
        "sum": 0,
        "min": None,
        "max": None,
    }
    return dict.fromkeys(aggs, empty)
