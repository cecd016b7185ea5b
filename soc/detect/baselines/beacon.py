"""Beacons: a machine inside calls one outside address again and again, at intervals that hardly vary.

The measure is the median deviation of the intervals from their median, as a share of it: one missed call, or a burst,
moves it little. An address that many machines call is a service.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

from soc.detect.baselines.bounded import Bounded, Tables, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen, is_unicast
from soc.detect.baselines.thresholds import Beacon
from soc.model.own_rules import BEACON

PAIRS, ADDRESSES = 50_000, 20_000
CALLS_KEPT = 64
SAME_CALL = 1.0  # seconds: a connection that two devices saw, or its start and its end
AGAIN_AFTER = 7 * 86_400.0


class Beacons(Tables):
    """(source, destination, port) to its latest calls; each destination to the machines that call it."""

    name = "beacon"

    def __init__(self, thresholds: Beacon, inside: Callable[[str], bool]) -> None:
        self.limits, self.inside = thresholds, inside
        self.left_out = frozenset(thresholds.ports_left_out)
        self.pairs, self.callers = Bounded(PAIRS), Bounded(ADDRESSES)
        super().__init__(self.pairs, self.callers)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if not one.is_connection or one.port in self.left_out or not is_unicast(one.destination):
            return
        if not self.inside(one.source) or self.inside(one.destination):
            return
        callers = self.callers.touch((one.destination,), dict)
        caller = f"{one.home} {one.source}"
        callers[caller] = max(callers.get(caller, one.at), one.at)
        keep_newest(callers, self.limits.shared_by + 1, lambda at: at)
        pair = self.pairs.touch(
            (one.home, one.source, one.destination, one.port), lambda: {"calls": [], "told": 0.0}
        )
        calls = pair["calls"]
        if any(abs(one.at - at) < SAME_CALL for at, _ in calls[-8:]):
            return
        insort(calls, [one.at, one.out_bytes])
        del calls[:-CALLS_KEPT]
        if len(calls) >= self.limits.calls and one.at - pair["told"] >= AGAIN_AFTER:
            yield from self._judge(one, pair, len(callers))

    def _judge(self, one: Seen, pair: dict[str, Any], callers: int) -> Iterator[Finding]:
        limits, calls = self.limits, pair["calls"]
        times = [at for at, _ in calls]
        intervals = [later - at for at, later in pairwise(times)]
        usual = median(intervals)
        lasts = times[-1] - times[0]
        if callers > limits.shared_by or lasts < limits.lasts:
            return
        if not limits.shortest <= usual <= limits.longest:
            return
        jitter = median(abs(interval - usual) for interval in intervals) / usual
        if jitter > limits.jitter:
            return
        sizes = [size for _, size in calls if size]
        alike = (
            sum(abs(size - median(sizes)) <= 0.1 * median(sizes) for size in sizes) if sizes else 0
        )
        pair["told"] = times[-1]
        where = (
            f"{one.destination}:{one.port}"
            if ":" not in one.destination
            else f"[{one.destination}]:{one.port}"
        )
        numbers = f"{usual:.0f} s ±{jitter:.1%}"
        yield Finding(
            BEACON,
            one,
            f"source.ip:{one.source}",
            times[0],
            f"{one.source} gọi {where} {len(calls)} lần, cách nhau {numbers}, từ {clock(times[0])}",
            f"{one.source} called {where} {len(calls)} times, {numbers} apart, since {clock(times[0])}",
            {
                "calls": len(calls),
                "interval_seconds": round(usual, 1),
                "jitter": round(jitter, 4),
                "alike_in_size": alike,
                "callers": callers,
                "since": clock(times[0]),
            },
            where,
        )
