"""The hunters' desk: search, histogram, facets, one event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from soc.model.event import EPOCH, Event
from soc.model.scope import Scope
from soc.normalise.query_text import value_text
from soc.ports import EventStore, Page

BUCKETS = tuple(  # widths a person can read off an axis
    timedelta(seconds=seconds)
    for seconds in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400)
)
MOST_BUCKETS = 90


@dataclass(frozen=True, slots=True)
class Hunt:
    page: Page
    histogram: tuple[tuple[datetime, int], ...]  # (start of bucket, events)
    bucket: timedelta


class HuntDesk:
    """Searches within the caller's scope; the store applies it. Raises QueryError for a text that cannot be read."""

    def __init__(self, store: EventStore) -> None:
        self.store = store

    def hunt(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime,
        end: datetime,
        size: int = 50,
        after: str | None = None,
    ) -> Hunt:
        """One page of hits and the histogram over [start, end)."""
        bucket = bucket_of(end - start)
        page = self.store.search(scope, query, start=start, end=end, size=size, after=after)
        histogram = {"field": "@timestamp", "fixed_interval": f"{bucket // timedelta(seconds=1)}s"}
        found = self.store.aggregate(
            scope, query, {"time": {"date_histogram": histogram}}, start=start, end=end
        )
        counts = tuple(
            (EPOCH + timedelta(milliseconds=one["key"]), int(one["doc_count"]))
            for one in found["time"]["buckets"]
        )
        return Hunt(page, counts, bucket)

    def top_values(
        self,
        scope: Scope,
        query: str,
        field: str,
        *,
        start: datetime,
        end: datetime,
        size: int = 10,
    ) -> list[tuple[str, int]]:
        """The commonest values of a field with their counts, the commonest first."""
        aggs = {"top": {"terms": {"field": field, "size": size}}}
        found = self.store.aggregate(scope, query, aggs, start=start, end=end)
        return [(str(one["key"]), int(one["doc_count"])) for one in found["top"]["buckets"]]

    def event(self, scope: Scope, event_id: str) -> Event:
        """Raises NotFound."""
        return self.store.get(scope, event_id)

    def around(
        self, scope: Scope, host: str, at: datetime, *, within: timedelta, size: int = 50
    ) -> Sequence[Event]:
        """What else happened on the host shortly before and after, the earliest first."""
        page = self.store.search(
            scope,
            f"host.name:{value_text(host)}",
            start=at - within,
            end=at + within,
            sort="observed_at",
            size=size,
        )
        return page.events


def bucket_of(span: timedelta) -> timedelta:
    """The narrowest readable width that needs at most 90 bars; whole days beyond that.

    >>> bucket_of(timedelta(hours=24))
    datetime.timedelta(seconds=1800)
    """
    for width in BUCKETS:
        if span <= width * MOST_BUCKETS:
            return width
    days = -(-span // (BUCKETS[-1] * MOST_BUCKETS))
    return BUCKETS[-1] * days
