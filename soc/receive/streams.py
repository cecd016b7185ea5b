"""What of each stream has arrived: contiguous ranges of sequence numbers, named losses, and the gaps between."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.database import Database

StreamKey = tuple[str, str, str]  # agent id, incarnation, stream name
Run = tuple[int, int]  # first and last sequence number, both inside


class Ranges:
    """A set of sequence numbers kept as sorted, disjoint, not touching [first, last] pairs.

    >>> numbers = Ranges([(1, 3), (7, 9)])
    >>> numbers.add(4, 6)
    >>> numbers.pairs(), 9 in numbers, 10 in numbers
    ([(1, 9)], True, False)
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, pairs: Iterable[Sequence[int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        lasts = self._lasts
        if not lasts or number > lasts[-1]:
            return False
        return self._firsts[bisect_left(lasts, number)] <= number

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __len__(self) -> int:
        """How many numbers are inside."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    @property
    def last(self) -> int:
        """The greatest number inside; 0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    def pairs(self) -> list[Run]:
        return list(zip(self._firsts, self._lasts, strict=True))

    def add(self, first: int, last: int) -> None:
        """Take in ``first`` to ``last``, both inside.

        Raises:
            ValueError: ``last`` is before ``first``.
        """
        if last < first:
            raise ValueError(f"a range from {first} to {last}")
        lasts = self._lasts
        if lasts and self._firsts[-1] <= first <= lasts[-1] + 1:  # the usual case: the end grows
            lasts[-1] = max(lasts[-1], last)
            return
        start = bisect_left(lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if start < end:
            first, last = min(first, self._firsts[start]), max(last, lasts[end - 1])
        self._firsts[start:end] = [first]
        lasts[start:end] = [last]

    def covers(self, first: int, last: int) -> bool:
        """Whether every number from ``first`` to ``last`` is inside."""
        if not self._lasts or last > self._lasts[-1]:
            return False
        place = bisect_left(self._lasts, first)
        return self._firsts[place] <= first and last <= self._lasts[place]

    def gaps(self) -> list[Run]:
        """What is missing between 1 and the last number inside.

        >>> Ranges([(3, 4), (8, 8)]).gaps()
        [(1, 2), (5, 7)]
        """
        before = [0, *self._lasts[:-1]] if self._lasts else []
        return [
            (last + 1, first - 1)
            for last, first in zip(before, self._firsts, strict=True)
            if first > last + 1
        ]


def runs(numbers: Iterable[int]) -> Iterator[Run]:
    """Consecutive numbers as runs, in the order given.

    >>> list(runs([4, 5, 6, 9, 1]))
    [(4, 6), (9, 9), (1, 1)]
    """
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = number
    if first is not None and last is not None:
        yield first, last


@dataclass(frozen=True, slots=True)
class Loss:
    """Records that an agent says it had to drop, with its reason."""

    first: int
    last: int
    reason: str


@dataclass(slots=True)
class StreamState:
    """One stream as the door knows it. ``received`` holds only what the store has."""

    source: str = ""
    received: Ranges = field(default_factory=Ranges)
    losses: list[Loss] = field(default_factory=list)
    records: int = 0
    last_received_at: datetime | None = None
    last_observed_at: datetime | None = None

    @classmethod
    def from_row(cls, row: StreamRow) -> StreamState:
        return cls(
            source=row.source,
            received=Ranges(row.ranges),
            losses=[Loss(*loss) for loss in row.losses],
            records=row.records,
            last_received_at=row.last_received_at,
            last_observed_at=row.last_observed_at,
        )

    def copy(self) -> StreamState:
        return StreamState(
            self.source,
            Ranges(self.received.pairs()),
            list(self.losses),
            self.records,
            self.last_received_at,
            self.last_observed_at,
        )

    def unnamed_gaps(self) -> list[Run]:
        """Missing numbers that no loss record explains."""
        known = Ranges(self.received.pairs())
        for loss in self.losses:
            known.add(loss.first, loss.last)
        return known.gaps()


@dataclass(frozen=True, slots=True)
class Missing:
    """What a page says of one hole in a stream; ``reason`` is empty when the agent did not name it."""

    agent_id: str
    host: str
    stream: str
    first: int
    last: int
    reason: str

    @property
    def records(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{self.host} {self.stream}: {self.records} records missing "
            f"between {self.first} and {self.last}{why}"
        )


def missing(database: Database, scope: Scope) -> list[Missing]:
    """Every hole of every stream in the caller's scope: unnamed gaps first, then named losses."""
    with database.session(scope) as session:
        hosts = {row.id: row.name for row in session.scalars(select(AgentRow))}
        rows = session.scalars(select(StreamRow)).all()
    unnamed: list[Missing] = []
    named: list[Missing] = []
    for row in rows:
        state, host = StreamState.from_row(row), hosts.get(row.agent_id, row.agent_id)
        unnamed += [
            Missing(row.agent_id, host, row.name, first, last, "")
            for first, last in state.unnamed_gaps()
        ]
        named += [
            Missing(row.agent_id, host, row.name, loss.first, loss.last, loss.reason)
            for loss in state.losses
        ]
    return unnamed + named
