"""Lateral movement: a machine inside reaches many others by administration ports, none of which it used before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from soc.detect.baselines.bounded import Bounded, Tables, busiest, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen
from soc.detect.baselines.thresholds import Spread
from soc.model.own_rules import SPREAD

SOURCES, TARGETS = 20_000, 512
AGAIN_AFTER = 86_400.0


class Spreads(Tables):
    """Each source with the machines that it reached by such a port, and when first."""

    name = "spread"

    def __init__(self, thresholds: Spread, inside: Callable[[str], bool]) -> None:
        self.limits, self.inside = thresholds, inside
        self.ports = frozenset(thresholds.ports)
        self.sources = Bounded(SOURCES)
        super().__init__(self.sources)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if not one.is_connection or one.port not in self.ports or one.failed:
            return
        if not self.inside(one.source) or not self.inside(one.destination):
            return
        held = self.sources.touch(
            (one.home, one.source), lambda: {"since": one.at, "first": {}, "told": 0.0}
        )
        first = held["first"]
        first[one.destination] = min(first.get(one.destination, one.at), one.at)
        keep_newest(first, TARGETS, lambda at: at)
        limits = self.limits
        if one.at - held["since"] < limits.learn_for or one.at - held["told"] < AGAIN_AFTER:
            return
        new = busiest(first.values(), one.at, limits.within, float)
        if len(new) < limits.machines:
            return
        held["told"], since = one.at, min(new)
        minutes = max(round((max(new) - since) / 60), 1)
        yield Finding(
            SPREAD,
            one,
            f"source.ip:{one.source}",
            since,
            f"{one.source} kết nối quản trị tới {len(new)} máy mới trong {minutes} phút",
            f"{one.source} reached {len(new)} machines by administration ports, all new to it, within {minutes} min",
            {
                "new_machines": len(new),
                "known_machines": len(first) - len(new),
                "since": clock(since),
            },
        )
