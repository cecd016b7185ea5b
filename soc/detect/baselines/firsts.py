"""Firsts: a country or a network that an agency never reached before, a domain that a weighty system never asked for.

Countries and networks (autonomous systems) are those that the source tells, or that a table of places gave the event.
Domains are watched for systems of level 3 and above only: servers ask for few, people for new ones every hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from soc.detect.baselines.bounded import Bounded, Tables, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen, registered
from soc.detect.baselines.thresholds import Firsts
from soc.model.own_rules import FIRST_COUNTRY, FIRST_DOMAIN, FIRST_NETWORK, OwnRule

WHOSE, KNOWN = 2_000, 2_000
WEIGHTY_LEVEL = 3
WORDS: dict[str, tuple[str, str]] = {
    FIRST_COUNTRY.id: ("lần đầu kết nối tới nước", "reached this country for the first time:"),
    FIRST_NETWORK.id: ("lần đầu kết nối tới mạng", "reached this network for the first time:"),
    FIRST_DOMAIN.id: ("lần đầu truy vấn tên miền", "asked for this domain for the first time:"),
}


class FirstsSeen(Tables):
    """(kind, agency or system) to what it has met, and when last."""

    name = "firsts"

    def __init__(self, thresholds: Firsts, inside: Callable[[str], bool]) -> None:
        self.limits, self.inside = thresholds, inside
        self.met = Bounded(WHOSE)
        super().__init__(self.met)

    def observe(self, one: Seen) -> Iterator[Finding]:
        event = one.event
        if one.name:
            if (
                event.level >= WEIGHTY_LEVEL
                and event.system_id
                and not one.is_unknown
                and "." in one.name
            ):
                yield from self._meet(FIRST_DOMAIN, event.system_id, registered(one.name), one)
            return
        if not one.is_connection or one.failed or not event.agency_id:
            return
        if not self.inside(one.source) or self.inside(one.destination):
            return
        fields = event.fields
        country = fields.get("destination.geo.country_iso_code") or fields.get(
            "destination.geo.country_name"
        )
        if isinstance(country, str) and country:
            yield from self._meet(FIRST_COUNTRY, event.agency_id, country[:80], one)
        network = fields.get("destination.as.number")
        if isinstance(network, int):
            yield from self._meet(FIRST_NETWORK, event.agency_id, f"AS{network}", one)

    def _meet(self, rule: OwnRule, whose: str, what: str, one: Seen) -> Iterator[Finding]:
        held = self.met.touch((rule.id, whose), lambda: {"since": one.at, "met": {}})
        met, is_new = held["met"], what not in held["met"]
        met[what] = max(met.get(what, one.at), one.at)
        keep_newest(met, KNOWN, lambda at: at)
        if not is_new or one.at - held["since"] < self.limits.learn_for:
            return
        vi, en = WORDS[rule.id]
        yield Finding(
            rule,
            one,
            one.entity,
            one.at,
            f"{whose} {vi} {what} (từ {one.source})",
            f"{whose} {en} {what} (from {one.source})",
            {"first": what, "known": len(met) - 1, "since": clock(one.at)},
            f"{whose} {what}",
        )
