"""The two seams with real implementations on both sides: EventStore and TaskQueue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from soc.model.event import Event
from soc.model.scope import Scope


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the events of one append. The three tuples hold event ids and do not overlap."""

    stored: tuple[str, ...]
    already: tuple[str, ...] = ()  # the same id with the same bytes was there
    conflicting: tuple[str, ...] = ()  # the same id with other bytes: not stored, to be set aside


@dataclass(frozen=True, slots=True)
class Page:
    """One page of hits, newest first unless asked otherwise."""

    events: tuple[Event, ...]
    total: int  # hits in all pages
    after: str | None  # cursor of the next page; None at the end
    took: timedelta
    partial: bool = False  # some partition did not answer
    partial_reason: str = ""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A partition that was dropped, or why one was kept."""

    partition: str
    events: int
    dropped: bool
    reason: str


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """``state`` is ``ok``, ``warn`` (80 % of the disk), ``expire`` (90 %) or ``full`` (95 %: the door answers 429)."""

    state: str
    events: int
    size_bytes: int
    disk_used: float  # share of the disk, 0-1
    partitions: int
    oldest: date | None
    detail: Mapping[str, Any] = field(default_factory=dict)


class EventStore(Protocol):
    """Events by time, found by Lucene query strings on ECS names.

    Every method takes the caller's Scope first. ``start`` is inclusive and ``end`` exclusive, both of
    ``observed_at``.
    ``query`` "" or "*" means everything. Raises QueryError for a text that cannot be read.
    """

    def append(
        self, scope: Scope, events: Sequence[Event], *, maybe_stored: bool = False
    ) -> Appended:
        """Store events durably: after the return they survive SIGKILL and are searchable within 1 s.

        ``maybe_stored``: these are from a repeated batch, so their ids are looked up first (in every retention class
        of their arrival period). Without it the caller vouches that the ids are new.
        """
        ...

    def search(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        sort: str = "-observed_at",  # or "observed_at", "-received_at", "received_at"
        size: int = 50,
        after: str | None = None,
    ) -> Page: ...

    def count(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> int: ...

    def aggregate(
        self,
        scope: Scope,
        query: str,
        aggs: Mapping[str, Any],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> dict[str, Any]:
        """Elasticsearch aggregation JSON in and out: terms, date_histogram (fixed_interval or calendar_interval month,
        UTC+7), cardinality, min, max, avg, sum, value_count; nested one level. Terms are ordered by ``_count``,
        ``_key`` or a nested figure; what the order promises stands at ``soc.store.buckets.Terms``."""
        ...

    def find(self, scope: Scope, event_id: str) -> Event | None: ...

    def get(self, scope: Scope, event_id: str) -> Event:
        """Like ``find``, but raises NotFound."""
        ...

    def scan(
        self,
        scope: Scope,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[Event]:
        """Every hit, oldest arrival first, at constant memory."""
        ...

    def hold(
        self, scope: Scope, name: str, query: str, *, start: datetime | None, end: datetime | None
    ) -> int:
        """Copy the hits with their raw bytes into a partition of its own that never expires; returns how many."""
        ...

    def release(self, scope: Scope, name: str) -> None: ...

    def expire(self, scope: Scope, now: datetime) -> list[Expiry]: ...

    def health(self, scope: Scope) -> StoreHealth: ...

    def close(self) -> None: ...


class TaskQueue(Protocol):
    """Jobs by name. The truth of a job is its row (``soc.records.jobs``); the queue only executes it."""

    def enqueue(
        self,
        scope: Scope,
        name: str,
        arguments: Mapping[str, Any],
        *,
        not_before: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """The job's id; with a known ``idempotency_key`` the id of the job that is already there."""
        ...

    def cancel(self, scope: Scope, job_id: str) -> bool: ...
