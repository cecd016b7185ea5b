"""Names asked of DNS: data in the labels below one domain (a tunnel), and many made-up domains that do not exist."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import log2
from operator import itemgetter

from soc.detect.baselines.bounded import Bounded, Tables, busiest, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen, registered
from soc.detect.baselines.thresholds import Names
from soc.model.own_rules import MADE_UP_NAMES, TUNNEL

PAIRS, SOURCES, NAMES_KEPT = 20_000, 20_000, 512
AGAIN_AFTER = 86_400.0
SHORTEST_MADE_UP = 7  # characters of a label
UNSPOKEN = re.compile(r"[bcdfghjklmnpqrstvwxz0-9]{4}")


class NamesAsked(Tables):
    """(source, registered domain) to the names below it; each source to the domains that were not there."""

    name = "names"

    def __init__(self, thresholds: Names) -> None:
        self.limits = thresholds
        self.below, self.unknown = Bounded(PAIRS), Bounded(SOURCES)
        super().__init__(self.below, self.unknown)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if not one.name or one.name.endswith((".arpa", ".local")) or "." not in one.name:
            return
        domain = registered(one.name)
        label = one.name[: -len(domain) - 1] if one.name != domain else ""
        if label:
            yield from self._tunnel(one, domain, label)
        if one.is_unknown:
            yield from self._made_up(one, domain)

    def _tunnel(self, one: Seen, domain: str, label: str) -> Iterator[Finding]:
        held = self.below.touch((one.home, one.source, domain), lambda: {"asked": {}, "told": 0.0})
        asked, limits = held["asked"], self.limits
        asked[label[:250]] = one.at
        keep_newest(asked, NAMES_KEPT, lambda at: at)
        if len(asked) < limits.tunnel_names or one.at - held["told"] < AGAIN_AFTER:
            return
        recent = [text for text, _ in busiest(asked.items(), one.at, limits.within, itemgetter(1))]
        if len(recent) < limits.tunnel_names:
            return
        length = sum(map(len, recent)) / len(recent)
        if length < limits.tunnel_length:
            return
        held["told"], since = one.at, min(asked[text] for text in recent)
        yield Finding(
            TUNNEL,
            one,
            one.entity,
            since,
            f"{one.source} hỏi {len(recent)} tên khác nhau dưới {domain}, trung bình {length:.0f} ký tự",
            f"{one.source} asked for {len(recent)} different names below {domain}, {length:.0f} characters on average",
            {
                "names": len(recent),
                "domain": domain,
                "length": round(length, 1),
                "since": clock(since),
            },
            domain,
        )

    def _made_up(self, one: Seen, domain: str) -> Iterator[Finding]:
        held = self.unknown.touch((one.home, one.source), lambda: {"asked": {}, "told": 0.0})
        asked, limits = held["asked"], self.limits
        asked[domain[:250]] = one.at
        keep_newest(asked, NAMES_KEPT, lambda at: at)
        if len(asked) < limits.made_up or one.at - held["told"] < AGAIN_AFTER:
            return
        recent = [text for text, _ in busiest(asked.items(), one.at, limits.within, itemgetter(1))]
        odd = [text for text in recent if is_odd(text.partition(".")[0], limits.made_up_entropy)]
        if len(odd) < limits.made_up:
            return
        held["told"], since = one.at, min(asked[text] for text in odd)
        yield Finding(
            MADE_UP_NAMES,
            one,
            one.entity,
            since,
            f"{one.source} hỏi {len(odd)} tên miền lạ không tồn tại, ví dụ {', '.join(sorted(odd)[:3])}",
            f"{one.source} asked for {len(odd)} odd domains that do not exist, such as {', '.join(sorted(odd)[:3])}",
            {"domains": len(odd), "examples": sorted(odd)[:5], "since": clock(since)},
        )


def is_odd(label: str, least: float) -> bool:
    """Long, of many different characters, and not to be spoken: a run of four consonants or digits.

    >>> is_odd("kq3vz9xw1b7t", 2.8), is_odd("trangtin10", 2.8), is_odd("bbbbbbbbbb", 2.8)
    (True, False, False)
    """
    if len(label) < SHORTEST_MADE_UP or UNSPOKEN.search(label) is None:
        return False
    counts = Counter(label).values()
    return -sum(n / len(label) * log2(n / len(label)) for n in counts) >= least
