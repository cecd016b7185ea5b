"""Who gives out addresses (DHCP) or announces routes (IPv6 RA): in a network that is known, a new one is a stranger."""

from __future__ import annotations

from collections.abc import Iterator

from soc.detect.baselines.bounded import Bounded, Tables, keep_newest
from soc.detect.baselines.finding import Finding, clock
from soc.detect.baselines.seen import Seen
from soc.detect.baselines.thresholds import Servers
from soc.model.own_rules import ROGUE_SERVER

NETWORKS, SERVERS_KEPT = 5_000, 64
WORDS = {"dhcp": ("cấp phát địa chỉ (DHCP)", "gives out addresses (DHCP)"),
         "router": ("quảng bá bộ định tuyến IPv6", "announces itself as an IPv6 router")}  # fmt: skip


class ServersSeen(Tables):
    """(agency, sensor, kind) to the servers seen there and when first."""

    name = "servers"

    def __init__(self, thresholds: Servers) -> None:
        self.limits = thresholds
        self.networks = Bounded(NETWORKS)
        super().__init__(self.networks)

    def observe(self, one: Seen) -> Iterator[Finding]:
        if not one.offers:
            return
        fields = one.event.fields
        sensor = str(
            fields.get("observer.hostname") or fields.get("observer.name") or one.event.host
        )
        held = self.networks.touch(
            (one.event.agency_id or "", sensor, one.offers), lambda: {"since": one.at, "first": {}}
        )
        first, is_new = held["first"], one.source not in held["first"]
        first.setdefault(one.source, one.at)
        keep_newest(first, SERVERS_KEPT, lambda at: at)
        if not is_new or one.at - held["since"] < self.limits.learn_for:
            return
        vi, en = WORDS[one.offers]
        yield Finding(
            ROGUE_SERVER,
            one,
            f"source.ip:{one.source}",
            one.at,
            f"{one.source} {vi}, chưa từng thấy trong mạng này",
            f"{one.source} {en}, never seen in this network before",
            {
                "offers": one.offers,
                "known": sorted(set(first) - {one.source})[:10],
                "since": clock(one.at),
            },
            f"{one.offers} {sensor}",
        )
