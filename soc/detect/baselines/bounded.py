"""A table that never grows beyond its limit: what was touched longest ago goes first, and is counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

Key = tuple[Hashable, ...]
Value = dict[str, Any]
Entry = TypeVar("Entry")


class Bounded:
    """Keys (tuples of texts and numbers) to plain values.

    >>> table = Bounded(2)
    >>> for name in "abc":
    ...     table.touch((name,), dict)["n"] = 1
    >>> sorted(key[0] for key in table), table.evicted
    (['b', 'c'], 1)
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.evicted = limit, 0
        self._held: OrderedDict[Key, Value] = OrderedDict()

    def touch(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is new; it is the last to go from now."""
        value = self._held.get(key)
        if value is None:
            value = self._held[key] = make()
            if len(self._held) > self.limit:
                self._held.popitem(last=False)
                self.evicted += 1
        else:
            self._held.move_to_end(key)
        return value

    def get(self, key: Key) -> Value | None:
        return self._held.get(key)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._held)

    def plain(self) -> list[Any]:
        """What ``restore`` takes: no tuples, no classes."""
        return [self.evicted, [[list(key), value] for key, value in self._held.items()]]

    def restore(self, plain: list[Any]) -> None:
        self.evicted, rows = plain
        self._held = OrderedDict((tuple(key), value) for key, value in rows)


class Tables:
    """The tables of a detector, saved, restored and counted together."""

    def __init__(self, *tables: Bounded) -> None:
        self._tables = tables

    def plain(self) -> list[Any]:
        return [table.plain() for table in self._tables]

    def restore(self, plain: list[Any]) -> None:
        for table, one in zip(self._tables, plain, strict=True):
            table.restore(one)

    def held(self) -> tuple[int, int]:
        """Rows held and rows evicted."""
        return sum(map(len, self._tables)), sum(table.evicted for table in self._tables)


def keep_newest(times: dict[str, Any], most: int, when: Callable[[Any], float]) -> None:
    """Of a small table within a value keep the ``most`` newest entries."""
    if len(times) > most:
        oldest = sorted(times, key=lambda name: when(times[name]))
        for name in oldest[: len(times) - most]:
            del times[name]


def busiest(
    entries: Iterable[Entry], at: float, within: float, when: Callable[[Entry], float]
) -> list[Entry]:
    """Of the stretches of ``within`` seconds that hold ``at``, the entries of the fullest; the earliest of equals.

    What arrives late is judged with what came after it too, so that the order of arrival does not matter.

    >>> busiest([1, 20, 21, 22, 40], 20, 5, float)
    [20, 21, 22]
    """
    near = [one for one in entries if at - within < when(one) < at + within]
    if all(when(one) <= at for one in near):  # in the order of time, as most are
        return near
    near.sort(key=when)
    best: list[Entry] = []
    first = 0
    for last, one in enumerate(near):
        while when(one) - when(near[first]) >= within:
            first += 1
        if last + 1 - first > len(best) and when(near[first]) <= at <= when(one):
            best = near[first : last + 1]
    return best
