"""The indicators in force, and which of them an event holds.

Every field that can hold a value of a kind is looked up in one dictionary of that kind, so the cost of an event does
not grow with the number of indicators.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from soc.detect.indicators.networks import Networks
from soc.detect.indicators.values import domain, url
from soc.detect.indicators.warning_lists import WarningLists
from soc.model.event import Event, Fields
from soc.model.indicator import Indicator, Kind
from soc.normalise.addresses import ip_address

ADDRESSES = (
    "source.ip", "destination.ip", "client.ip", "server.ip", "source.nat.ip", "destination.nat.ip",
    "network.forwarded_ip", "dns.resolved_ip", "url.domain",
)  # fmt: skip
NAMES = (
    "dns.question.name", "dns.answers.name", "dns.answers.data", "url.domain", "destination.domain", "source.domain",
    "tls.client.server_name", "server.domain", "client.domain",
)  # fmt: skip
URLS = ("url.full", "url.original", "http.request.referrer")
HASHES = tuple(
    f"{owner}.hash.{kind}"
    for owner in ("file", "process", "process.parent", "dll", "email.attachments.file")
    for kind in ("md5", "sha1", "sha256")
)
EMAILS = ("email.from.address", "email.sender.address", "email.reply_to.address", "email.to.address")  # fmt: skip
JA4S = ("suricata.eve.tls.ja4", "labels.ja4")  # ECS 9 has no field for it
OURS = "an address of our own"


@dataclass(frozen=True, slots=True)
class Hit:
    """An indicator that an event holds. ``held_back`` is empty, or says why it makes no alert by itself."""

    indicator: Indicator
    field: str
    value: str  # as the event has it
    held_back: str = ""
    listed: str = ""  # a warning list that names it and does not hold it back


class Watch:
    """A picture of the indicators at one time; a change is a new Watch."""

    def __init__(
        self,
        indicators: Iterable[Indicator] = (),
        *,
        ours: Callable[[str], bool] = lambda address: False,
        lists: WarningLists | None = None,
    ) -> None:
        """``ours``: whether an address belongs to an agency of the register."""
        self._ours, self._lists = ours, lists or WarningLists()
        self._networks: Networks[Indicator] = Networks()
        self._exact: dict[Kind, dict[str, list[Indicator]]] = defaultdict(lambda: defaultdict(list))
        self.size = 0
        for one in indicators:
            self.size += 1
            if one.kind in (Kind.IP, Kind.NETWORK):
                self._networks.put(one.value, one)
            else:
                self._exact[one.kind][one.value].append(one)
        self._wanted = [
            (name, look)
            for names, look in self._looks()
            for name in names
        ]  # fmt: skip

    def _looks(self) -> Iterator[tuple[tuple[str, ...], Callable[[str], Iterable[Indicator]]]]:
        """Only what some indicator needs is looked at."""
        kinds = {kind for kind, held in self._exact.items() if held}
        yield ADDRESSES, self._address
        if Kind.DOMAIN in kinds:
            yield NAMES, self._domain
            yield URLS, self._host_of_url
        if Kind.URL in kinds:
            yield URLS, self._url
        for kind, names in ((Kind.HASH, HASHES), (Kind.EMAIL, EMAILS)):
            if kind in kinds:
                yield names, self._folded(kind)
        if Kind.JA4 in kinds:
            yield JA4S, self._folded(Kind.JA4)

    def hits(self, event: Event) -> list[Hit]:
        """Each indicator in force at the event's arrival that it holds, once, in the order of the fields above."""
        if not self.size:
            return []
        found: dict[str, Hit] = {}
        for indicator, name, value in self._candidates(event.fields):
            if indicator.id not in found and _in_force(indicator, event):
                found[indicator.id] = self._hit(indicator, name, value)
        return list(found.values())

    def _candidates(self, fields: Fields) -> Iterator[tuple[Indicator, str, str]]:
        for name, look in self._wanted:
            held: Any = fields.get(name)
            if held is None:
                continue
            for value in held if isinstance(held, list) else (held,):
                if isinstance(value, str):
                    for indicator in look(value):
                        yield indicator, name, value

    def _hit(self, indicator: Indicator, name: str, value: str) -> Hit:
        address = ip_address(value) if indicator.kind in (Kind.IP, Kind.NETWORK) else None
        if address is not None and self._ours(address):
            return Hit(indicator, name, value, held_back=OURS)
        listed = self._lists.listed(indicator.kind, address or indicator.value)
        if listed is None:
            return Hit(indicator, name, value)
        if listed.harmless:
            return Hit(indicator, name, value, held_back=listed.name)
        return Hit(indicator, name, value, listed=listed.name)

    def _address(self, value: str) -> Iterable[Indicator]:
        address = ip_address(value)
        return () if address is None else self._networks.of(address)

    def _domain(self, value: str) -> Iterator[Indicator]:
        """Those of the name and of every domain above it."""
        name = domain(value)
        if name is None:
            return
        table, labels = self._exact[Kind.DOMAIN], name.split(".")
        for start in range(len(labels) - 1):
            yield from table.get(".".join(labels[start:]), ())

    def _host_of_url(self, value: str) -> Iterator[Indicator]:
        canonical = url(value)
        if canonical is not None:
            yield from self._domain(canonical.partition("/")[0].partition(":")[0])

    def _url(self, value: str) -> Iterable[Indicator]:
        canonical = url(value)
        return () if canonical is None else self._exact[Kind.URL].get(canonical, ())

    def _folded(self, kind: Kind) -> Callable[[str], Iterable[Indicator]]:
        table = self._exact[kind]
        return lambda value: table.get(value.lower(), ())


def _in_force(indicator: Indicator, event: Event) -> bool:
    """At the event's arrival, and for its agency."""
    if indicator.agency_id not in (None, event.agency_id):
        return False
    return expires_after(indicator, event.received_at)


def expires_after(indicator: Indicator, moment: datetime) -> bool:
    """Whether the indicator still holds; its expiry itself is already outside."""
    return moment < indicator.expires_at
