"""What a window holds, kept as entries come in at its end and leave at its beginning.

Sums are exact (fractions), so the order in which entries came and went leaves no trace.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from soc.detect.correlation.rule import Correlation, satisfied


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One match in one group. ``at`` is µs since 1970; ``key`` names the match; ``value`` is that of ``fields``.

    ``starts`` is False for a moment of a correlation below that only goes on with a run: it is not counted again.
    """

    at: int
    key: str
    rule: str
    value: Any = None
    starts: bool = True


class Window(Protocol):
    """Entries come in the order of time."""

    def add(self, entry: Entry) -> None: ...

    def remove(self, entry: Entry) -> None: ...

    def holds(self, start: int) -> bool:
        """Whether the condition holds over (``start``, the latest entry]."""
        ...


class Counting:
    """event_count."""

    def __init__(self, rule: Correlation) -> None:
        self._rule, self._count = rule, 0

    def add(self, entry: Entry) -> None:
        self._count += entry.starts

    def remove(self, entry: Entry) -> None:
        self._count -= entry.starts

    def holds(self, start: int) -> bool:
        return self._rule.holds(self._count)


class Distinct:
    """value_count by the entries' values, temporal by their rules."""

    def __init__(self, rule: Correlation) -> None:
        self._rule, self._by_rule = rule, rule.kind == "temporal"
        self._held: Counter[Any] = Counter()

    def _what(self, entry: Entry) -> Any:
        return entry.rule if self._by_rule else entry.value

    def add(self, entry: Entry) -> None:
        if (what := self._what(entry)) is not None:
            self._held[what] += 1

    def remove(self, entry: Entry) -> None:
        if (what := self._what(entry)) is not None:
            self._held[what] -= 1
            if not self._held[what]:
                del self._held[what]

    def holds(self, start: int) -> bool:
        if self._rule.expression is not None:
            return satisfied(self._rule.expression, self._held)
        return self._rule.holds(len(self._held))


class Summing:
    """value_sum and value_avg."""

    def __init__(self, rule: Correlation) -> None:
        self._rule, self._total, self._count = rule, Fraction(0), 0

    def add(self, entry: Entry) -> None:
        if (number := number_of(entry.value)) is not None:
            self._total += Fraction(number)
            self._count += 1

    def remove(self, entry: Entry) -> None:
        if (number := number_of(entry.value)) is not None:
            self._total -= Fraction(number)
            self._count -= 1

    def holds(self, start: int) -> bool:
        if not self._count:
            return False
        if self._rule.kind == "value_sum":
            return self._rule.holds(self._total)  # type: ignore[arg-type]  # compares exactly
        return self._rule.holds(self._total / self._count)  # type: ignore[arg-type]


class Ranked:
    """value_percentile and value_median: the nearest rank, the smallest value that p % of all do not exceed."""

    def __init__(self, rule: Correlation) -> None:
        self._rule = rule
        self._sorted: list[float] = []

    def add(self, entry: Entry) -> None:
        if (number := number_of(entry.value)) is not None:
            insort(self._sorted, number)

    def remove(self, entry: Entry) -> None:
        if (number := number_of(entry.value)) is not None:
            del self._sorted[bisect_left(self._sorted, number)]

    def holds(self, start: int) -> bool:
        if not self._sorted:
            return False
        rank = -(-len(self._sorted) * self._rule.percentile // 100)
        return self._rule.holds(self._sorted[max(rank, 1) - 1])


class Ordered:
    """temporal_ordered: the longest chain of rules in the order written, each no earlier than the one before.

    For every place in the order and every length of a chain that ends there, the latest possible beginning is kept: no
    other beginning can serve a window that this one does not. Matches of one moment are taken together, since each
    fills one place only, and any of them may come first.
    """

    def __init__(self, rule: Correlation) -> None:
        self._rule, count = rule, len(rule.rules)
        self._begins = [[-math.inf] * (count + 1) for _ in range(count)]  # by place, by length
        self._moment: list[Entry] = []

    def add(self, entry: Entry) -> None:
        if self._moment and self._moment[0].at != entry.at:
            self._take_moment()
        self._moment.append(entry)

    def remove(self, entry: Entry) -> None:
        """A beginning outside the window is passed over in ``holds``."""

    def holds(self, start: int) -> bool:
        self._take_moment()
        lengths = (
            length
            for begins in self._begins
            for length, begin in enumerate(begins)
            if length and begin > start
        )
        return self._rule.holds(max(lengths, default=0))

    def _take_moment(self) -> None:
        here: list[dict[tuple[int, tuple[str, ...]], float]] = []
        if self._moment:
            at, counts = self._moment[0].at, Counter(one.rule for one in self._moment)
            self._moment = []
            for place, name in enumerate(self._rule.rules):
                here.append(self._ending_at(place, name, at, counts, here) if counts[name] else {})
        for begins, found in zip(self._begins, here, strict=False):
            for (length, _), begin in found.items():
                begins[length] = max(begins[length], begin)

    def _ending_at(
        self,
        place: int,
        name: str,
        at: int,
        counts: Counter[str],
        here: Sequence[dict[tuple[int, tuple[str, ...]], float]],
    ) -> dict[tuple[int, tuple[str, ...]], float]:
        """Chains whose last match is one of this moment: by length, and by the scarce matches of it that they use."""
        scarce = (name,) if self._rule.rules.count(name) > counts[name] else ()
        found: dict[tuple[int, tuple[str, ...]], float] = {(1, scarce): at}
        for before in range(place):
            longer = [
                (length + 1, scarce, begin)
                for length, begin in enumerate(self._begins[before])
                if length
            ]
            longer += [
                (length + 1, tuple(sorted((*used, *scarce))), begin)
                for (length, used), begin in here[before].items()
                if not scarce or used.count(name) < counts[name]
            ]
            for length, used, begin in longer:
                if begin > found.get((length, used), -math.inf):
                    found[length, used] = begin
        return found


def number_of(value: Any) -> float | None:
    """A finite number, also one written as text; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_BY_KIND: dict[str, type[Any]] = {
    "event_count": Counting,
    "value_count": Distinct,
    "temporal": Distinct,
    "temporal_ordered": Ordered,
    "value_sum": Summing,
    "value_avg": Summing,
    "value_percentile": Ranked,
    "value_median": Ranked,
}


def moments(rule: Correlation, entries: Sequence[Entry]) -> list[int]:
    """The times at which the condition holds, for the entries of one group.

    A sliding rule is judged at the time of each entry, over (time - timespan, time], all entries of that time
    included. A closing one is judged once for each fixed window that has entries; its moment is the window's start.
    """
    if rule.closing:
        return _closed(rule, entries)
    ordered = sorted(entries, key=lambda one: one.at)
    window: Window = _BY_KIND[rule.kind](rule)
    inside: deque[Entry] = deque()
    found: list[int] = []
    for number, entry in enumerate(ordered):
        window.add(entry)
        inside.append(entry)
        if number + 1 < len(ordered) and ordered[number + 1].at == entry.at:
            continue
        start = entry.at - rule.span_us
        while inside[0].at <= start:
            window.remove(inside.popleft())
        if window.holds(start):
            found.append(entry.at)
    return found


def _closed(rule: Correlation, entries: Sequence[Entry]) -> list[int]:
    held: dict[int, list[Entry]] = {}
    for entry in entries:
        held.setdefault(entry.at // rule.span_us * rule.span_us, []).append(entry)
    found = []
    for start, some in sorted(held.items()):
        window: Window = _BY_KIND[rule.kind](rule)
        for entry in sorted(some, key=lambda one: one.at):
            window.add(entry)
        if window.holds(start - 1):
            found.append(start)
    return found
