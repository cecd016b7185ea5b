"""Volume: a machine inside sends far more out in a day than on its other days (median and median deviation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from soc.detect.baselines.bounded import Bounded, Tables, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen
from soc.detect.baselines.thresholds import Volume
from soc.model.own_rules import VOLUME

SOURCES, DAYS_KEPT, DESTINATIONS = 20_000, 15, 20
DAY, VIETNAM = 86_400, 7 * 3_600
LEAST_DEVIATION = (
    0.25  # of the median: a machine that always sends the same is not judged by a hair
)


class Volumes(Tables):
    """Each source with its bytes out by day of Vietnam, and today's largest receivers."""

    name = "volume"

    def __init__(self, thresholds: Volume, inside: Callable[[str], bool]) -> None:
        self.limits, self.inside = thresholds, inside
        self.sources = Bounded(SOURCES)
        super().__init__(self.sources)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if not one.is_connection or not one.out_bytes:
            return
        if not self.inside(one.source) or self.inside(one.destination):
            return
        held = self.sources.touch(
            (one.home, one.source), lambda: {"days": {}, "to": {}, "of": "", "told": ""}
        )
        day = str(int((one.at + VIETNAM) // DAY))
        days = held["days"]
        days[day] = days.get(day, 0) + one.out_bytes
        keep_newest_days(days)
        if held["of"] != day and (not held["of"] or int(day) > int(held["of"])):
            held["of"], held["to"] = day, {}
        if held["of"] != day:  # a late one
            return
        to = held["to"]
        to[one.destination] = to.get(one.destination, 0) + one.out_bytes
        keep_newest(to, DESTINATIONS, lambda sent: sent)
        if held["told"] != day and days[day] >= self.limits.at_least:
            yield from self._judge(one, held, day)

    def _judge(self, one: Seen, held: dict[str, Any], day: str) -> Iterator[Finding]:
        limits = self.limits
        before = [sent for other, sent in held["days"].items() if other != day]
        today = held["days"][day]
        if len(before) >= limits.days:
            usual = median(before)
            deviation = max(median(abs(sent - usual) for sent in before), LEAST_DEVIATION * usual)
            limit = max(usual + limits.times_deviation * deviation, limits.at_least)
        else:
            usual, limit = 0, limits.without_history
        if today < limit:
            return
        held["told"] = day
        most = max(held["to"], key=lambda name: held["to"][name])
        since = int(day) * DAY - VIETNAM
        yield Finding(
            VOLUME,
            one,
            f"source.ip:{one.source}",
            since,
            f"{one.source} đã gửi ra ngoài {today:,} byte trong ngày (thường ngày {usual:,.0f}), nhiều nhất tới {most}",
            f"{one.source} sent {today:,} bytes out today (usually {usual:,.0f}), most of it to {most}",
            {"bytes": today, "usual_bytes": round(usual), "limit_bytes": round(limit),
             "days_known": len(before), "most_to": most, "since": clock(since)},
        )  # fmt: skip


def keep_newest_days(days: dict[str, int]) -> None:
    for old in sorted(days, key=int)[:-DAYS_KEPT]:
        del days[old]
