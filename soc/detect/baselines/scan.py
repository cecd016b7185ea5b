"""Scans: one source tries many machines on a port, many ports of a machine, or many machines over hours.

Most tries of a scan come to nothing: they are denied, refused or never answered. A monitoring server that reaches as
many machines, and is answered, is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from soc.detect.baselines.bounded import Bounded, Tables, Value, busiest, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen, is_unicast
from soc.detect.baselines.thresholds import Scan
from soc.model.own_rules import SCAN_DEEP, SCAN_SLOW, SCAN_WIDE, OwnRule

SOURCES = 20_000  # pairs that are watched at a time
TARGETS = 512  # of one pair
AGAIN_AFTER = 86_400.0


class Scans(Tables):
    """Two tables: (source, port) to the machines tried, (source, machine) to the ports tried."""

    name = "scan"

    def __init__(self, thresholds: Scan) -> None:
        self.limits = thresholds
        self.machines, self.ports = Bounded(SOURCES), Bounded(SOURCES)
        super().__init__(self.machines, self.ports)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if (
            not one.is_connection
            or not is_unicast(one.destination)
            or one.transport not in ("tcp", "udp")
        ):
            return
        limits = self.limits
        wide = self.machines.touch((one.home, one.source, one.port, one.transport), _new)
        _note(wide, one.destination, one)
        if limits.machines <= len(wide["tried"]):
            where = f"{one.transport}/{one.port}"
            yield from _judge(
                SCAN_WIDE, wide, one, limits.within, limits.machines, limits.failed_share, where
            )
            yield from _judge(
                SCAN_SLOW,
                wide,
                one,
                limits.slow_within,
                limits.slow_machines,
                limits.failed_share,
                where,
            )
        deep = self.ports.touch((one.home, one.far_home, one.source, one.destination), _new)
        _note(deep, str(one.port), one)
        if limits.ports <= len(deep["tried"]):
            yield from _judge(
                SCAN_DEEP,
                deep,
                one,
                limits.within,
                limits.ports,
                limits.failed_share,
                one.destination,
            )


def _new() -> Value:
    return {"tried": {}, "told": {}}


def _note(value: Value, target: str, one: Seen) -> None:
    """The newest try of each target, and whether it failed."""
    tried = value["tried"]
    before = tried.get(target)
    if before is None or one.at >= before[0]:
        tried[target] = [one.at, one.failed]
    keep_newest(tried, TARGETS, lambda entry: entry[0])


def _judge(
    rule: OwnRule, value: Value, one: Seen, within: float, many: int, share: float, where: str
) -> Iterator[Finding]:
    told = value["told"].get(rule.id)
    if told is not None and one.at - told < AGAIN_AFTER:
        return
    recent = busiest(value["tried"].values(), one.at, within, lambda entry: entry[0])
    failed = sum(entry[1] for entry in recent)
    if len(recent) < many or failed < share * len(recent):
        return
    since = min(entry[0] for entry in recent)
    if (
        rule is SCAN_SLOW
        and max(entry[0] for entry in recent) - since < within / 4
        and SCAN_WIDE.id in value["told"]
    ):
        return  # the quick scan was told
    value["told"][rule.id] = one.at
    minutes = max(round((max(entry[0] for entry in recent) - since) / 60), 1)
    what = ("cổng của", "ports of") if rule is SCAN_DEEP else ("máy ở cổng", "machines on")
    yield Finding(
        rule,
        one,
        f"source.ip:{one.source}",
        since,
        f"{one.source} đã thử {len(recent)} {what[0]} {where} trong {minutes} phút, {failed} lần không được",
        f"{one.source} tried {len(recent)} {what[1]} {where} within {minutes} min, {failed} in vain",
        {"tried": len(recent), "failed": failed, "where": where, "since": clock(since)},
        where,
    )
