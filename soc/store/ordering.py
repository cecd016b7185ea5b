"""Hits in the order of (time, tie), page by page, the same whatever arrives meanwhile.

``tie`` comes from the event's id, so that no two events share a place.

The engine sorts by one field only. So a page of one partition is taken by time, and of the events that share the
page's last microsecond those that belong to it are asked for again, in the order of ``tie``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import tantivy
from tantivy import FieldType, Occur, Query

from soc.errors import QueryError
from soc.store.leaves import EARLIEST, LATEST, SCHEMA

SORTS = {
    "-observed_at": ("observed_at", True),
    "observed_at": ("observed_at", False),
    "-received_at": ("received_at", True),
    "received_at": ("received_at", False),
}
CURSOR = re.compile(r"(?P<sort>-?[a-z_]+)~(?P<time>-?\d{1,19})~(?P<tie>[0-9a-f]{16})")
U64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the order."""

    time: int  # microseconds
    tie: int


@dataclass(frozen=True, slots=True)
class Order:
    """A sort by one of the two times."""

    field: str  # observed_at or received_at
    newest_first: bool

    @classmethod
    def from_text(cls, sort: str) -> Order:
        """Raises QueryError for another sort than the port names."""
        try:
            return cls(*SORTS[sort])
        except KeyError:
            known = ", ".join(SORTS)
            raise QueryError(f"cannot sort by {sort!r}; known: {known}", query=sort) from None

    @property
    def text(self) -> str:
        return f"{'-' if self.newest_first else ''}{self.field}"

    def rank(self, place: Place) -> tuple[int, int]:
        """Smaller comes first."""
        sign = -1 if self.newest_first else 1
        return sign * place.time, sign * place.tie

    def cursor(self, place: Place) -> str:
        return f"{self.text}~{place.time}~{place.tie:016x}"

    def read_cursor(self, text: str) -> Place:
        """The place of a cursor. Raises QueryError for one that is not of this sort."""
        found = CURSOR.fullmatch(text)
        if found is None or found["sort"] != self.text:
            raise QueryError("this cursor is not one of this search", query=text[:80])
        return Place(max(EARLIEST, min(LATEST, int(found["time"]))), int(found["tie"], 16))

    def following(self, place: Place) -> Query:
        """Everything that comes after a place."""
        same = Query.boolean_query(
            [(Occur.Must, self._times(place.time, place.time)), (Occur.Must, self._ties(place.tie))]
        )
        if self.newest_first:
            later = self._times(EARLIEST, place.time - 1)
        else:
            later = self._times(place.time + 1, LATEST)
        return Query.boolean_query([(Occur.Should, later), (Occur.Should, same)])

    def _times(self, low: int, high: int) -> Query:
        return Query.range_query(SCHEMA, self.field, FieldType.Integer, low, high)

    def _ties(self, tie: int) -> Query:
        low, high = (0, tie - 1) if self.newest_first else (tie + 1, U64)
        if low > high or high > U64:
            return Query.empty_query()
        return Query.range_query(SCHEMA, "tie", FieldType.Unsigned, low, high)

    @property
    def _engine_order(self) -> tantivy.Order:
        return tantivy.Order.Desc if self.newest_first else tantivy.Order.Asc

    def first(
        self, searcher: tantivy.Searcher, query: Query, size: int
    ) -> list[tuple[Place, tantivy.DocAddress]]:
        """The first ``size`` hits of one partition, in order."""
        if size < 1:
            return []
        hits = self._top(searcher, query, self.field, size)
        times = [time for time, _ in hits]
        if len(hits) == size:
            last = times[-1]
            whole = [hit for hit in hits if hit[0] != last]
            same = Query.boolean_query([(Occur.Must, query), (Occur.Must, self._times(last, last))])
            tied = self._top(searcher, same, "tie", size - len(whole))
            hits = whole + [(last, address) for _, address in tied]
        addresses = [address for _, address in hits]
        ties = searcher.fast_field_values("tie", addresses) if addresses else []
        placed = [
            (Place(time, int(tie or 0)), address)
            for (time, address), tie in zip(hits, ties, strict=True)
        ]
        placed.sort(key=lambda hit: self.rank(hit[0]))
        return placed

    def _top(
        self, searcher: tantivy.Searcher, query: Query, field: str, size: int
    ) -> list[tuple[int, tantivy.DocAddress]]:
        found = searcher.search(
            query, limit=size, count=False, order_by_field=field, order=self._engine_order
        )
        return [(int(value), address) for value, address in found.hits]
