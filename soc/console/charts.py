"""Small charts as geometry; the templates draw them as SVG with classes, so no style attribute is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LEFT = 34.0  # room for the axis
MOST_BUCKETS = 400


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of one series in one slot; all lengths in the units of the view box."""

    x: float
    y: float
    width: float
    height: float
    series: str
    slot: int


@dataclass(frozen=True, slots=True)
class Tick:
    y: float
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """``starts`` are the beginnings of the slots; slot ``n`` stands between ``edge(n)`` and ``edge(n + 1)``."""

    width: float
    height: float
    floor: float
    ticks: tuple[Tick, ...]
    bars: tuple[Bar, ...]
    starts: tuple[datetime, ...]
    totals: tuple[int, ...]

    @property
    def slot_width(self) -> float:
        return (self.width - LEFT) / max(1, len(self.starts))

    def edge(self, slot: int) -> float:
        return round(LEFT + slot * self.slot_width, 1)

    def labelled(self, most: int = 8) -> tuple[int, ...]:
        """Slots that get a time under them: at most ``most``, evenly apart."""
        step = max(1, -(-len(self.starts) // most))
        return tuple(range(0, len(self.starts), step))

    @property
    def peak(self) -> tuple[datetime, int] | None:
        """The fullest slot; None when all are empty."""
        if not any(self.totals):
            return None
        best = max(range(len(self.totals)), key=self.totals.__getitem__)
        return self.starts[best], self.totals[best]


def nice_ceiling(value: int) -> int:
    """The least of 4, 10, 20, 40, 60, 100, 200, 400, 600, 1,000 ... that is not below ``value``.

    >>> nice_ceiling(0), nice_ceiling(59), nice_ceiling(61), nice_ceiling(1284)
    (4, 60, 100, 2000)
    """
    if value <= 4:
        return 4
    scale = 10
    while True:
        for step in (1, 2, 4, 6):
            if value <= step * scale:
                return step * scale
        scale *= 10


def stacked(
    slots: Sequence[tuple[datetime, Mapping[str, int]]],
    order: Sequence[str],
    *,
    width: float = 720,
    height: float = 196,
) -> Chart:
    """Bars of several series on top of one another, the first of ``order`` at the bottom."""
    floor, top = height - 20, 8.0
    totals = tuple(sum(counts.values()) for _, counts in slots)
    ceiling = nice_ceiling(max(totals, default=0))
    unit = (floor - top) / ceiling
    slot_width = (width - LEFT) / max(1, len(slots))
    gap = min(6.0, slot_width * 0.2)
    bars = []
    for slot, (_, counts) in enumerate(slots):
        level = floor
        for series in order:
            size = counts.get(series, 0) * unit
            if size:
                level -= size
                left = LEFT + slot * slot_width + gap / 2
                wide, high = slot_width - gap, max(size - 1, 0.8)
                bars.append(
                    Bar(
                        round(left, 1),
                        round(level, 1),
                        round(wide, 1),
                        round(high, 1),
                        series,
                        slot,
                    )
                )
    steps = (0, 1, 2, 3, 4) if height > 120 else (0, 2, 4)
    ticks = tuple(
        Tick(round(floor - ceiling * step / 4 * unit, 1), ceiling * step // 4) for step in steps
    )
    starts = tuple(start for start, _ in slots)
    return Chart(width, height, floor, ticks, tuple(bars), starts, totals)


def filled(
    counts: Mapping[datetime, int], start: datetime, end: datetime, width: timedelta
) -> list[tuple[datetime, int]]:
    """Every bucket of [start, end) with the empty ones, so that a silence is seen as one.

    Buckets stand where the given ones stand, else they begin at ``start``. At most 400.
    """
    at = min(counts, default=start)
    while at > start:
        at -= width
    buckets: list[tuple[datetime, int]] = []
    while at < end and len(buckets) < MOST_BUCKETS:
        buckets.append((at, counts.get(at, 0)))
        at += width
    return buckets


def histogram(
    buckets: Sequence[tuple[datetime, int]], *, width: float = 980, height: float = 92
) -> Chart:
    """One bar a bucket."""
    return stacked(
        [(start, {"events": count}) for start, count in buckets],
        ["events"],
        width=width,
        height=height,
    )


def share(part: float, whole: float) -> int:
    """Percent, 0 to 100; 0 of nothing is 0."""
    return 0 if whole <= 0 else max(0, min(100, round(100 * part / whole)))
