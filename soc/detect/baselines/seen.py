"""What the detectors want of an event, whichever reader made it: a connection, a name asked, a server that offers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from soc.model.event import Event

SECOND_LEVEL = frozenset(
    {"com", "net", "org", "gov", "edu", "ac", "co", "info", "int", "pro", "health", "name", "biz"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection or question. ``at`` is the corrected time of its start, in seconds since 1970."""

    event: Event
    at: float
    source: str
    home: str = ""  # the agency of a private source that the register does not know: many have a 192.168.1.7
    far_home: str = ""  # the same of the destination
    destination: str = ""
    port: int = 0
    transport: str = ""
    failed: bool = False  # denied, or never answered
    out_bytes: int = 0
    in_bytes: int = 0
    name: str = ""  # asked of DNS
    is_unknown: bool = False  # the name is not there
    offers: str = ""  # "dhcp" or "router": the source gives addresses, or a way

    @property
    def entity(self) -> str:
        """What an alert is about: the source's address, or the machine that told of itself (Sysmon, DNS client)."""
        return f"source.ip:{self.source}" if is_address(self.source) else f"host:{self.source}"

    @property
    def is_connection(self) -> bool:
        return bool(self.destination) and not self.name and not self.offers


def seen(event: Event, ours: Callable[[str], bool] = lambda _: False) -> Seen | None:
    """None for an event that none of the detectors looks at; ``ours`` tells the addresses of the register."""
    fields = event.fields
    source, name = fields.get("source.ip"), fields.get("dns.question.name")
    at = event.corrected_at.timestamp()
    if isinstance(name, str) and name:
        asker = source if _is_address(source) else event.host or fields.get("host.name")
        if not isinstance(asker, str) or not asker:
            return None
        asker = asker[:200].encode("utf-8", "replace").decode()
        home = _home(event, asker, ours)
        return Seen(event, at, asker, home, name=_plain(name), is_unknown=_is_unknown(fields))
    if not isinstance(source, str) or not is_address(source):
        return None
    home = _home(event, source, ours)
    if offers := _offers(fields):
        return Seen(event, at, source, home, offers=offers)
    destination = fields.get("destination.ip")
    kinds = fields.get("event.type")
    if not isinstance(destination, str) or not is_address(destination):
        return None
    if not isinstance(kinds, list) or "connection" not in kinds:
        return None
    duration = fields.get("event.duration")
    if isinstance(duration, int | float) and "start" not in kinds:
        at -= min(max(duration, 0) / 1e9, 86_400)
    return Seen(
        event,
        at,
        source,
        home,
        _home(event, destination, ours),
        destination=destination,
        port=_number(fields.get("destination.port")),
        transport=str(fields.get("network.transport", "")),
        failed="denied" in kinds or _unanswered(fields),
        out_bytes=_number(fields.get("source.bytes")),
        in_bytes=_number(fields.get("destination.bytes")),
    )


def _home(event: Event, address: str, ours: Callable[[str], bool]) -> str:
    return (event.agency_id or "") if is_private(address) and not ours(address) else ""


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and is_address(value)


def _plain(name: str) -> str:
    """Lower case, without the root's dot, and with nothing in it that no text can hold."""
    return name[:1_000].encode("utf-8", "replace").decode().lower().rstrip(".")


def _unanswered(fields: dict[str, Any]) -> bool:
    """A flow that the other side never answered, or only to refuse it."""
    if fields.get("event.dataset") == "sensor.flow":
        flags = fields.get("sensor.tcp.destination_flags")
        if fields.get("network.transport") == "tcp" and isinstance(flags, str):
            return "S" not in flags
        return not fields.get("destination.packets")
    if "destination.packets" in fields:
        return not fields["destination.packets"]
    return False


def _is_unknown(fields: dict[str, Any]) -> bool:
    return str(fields.get("dns.response_code", "")).upper() == "NXDOMAIN"


def _offers(fields: dict[str, Any]) -> str:
    if fields.get("sensor.dhcp.type") in ("offer", "ack"):
        return "dhcp"
    if fields.get("event.action") == "router_advertisement":
        return "router"
    return ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


@lru_cache(maxsize=65_536)
def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=65_536)
def is_private(address: str) -> bool:
    """Private, link-local and loopback addresses; others are outside.

    >>> is_private("10.8.1.1"), is_private("fd00::1"), is_private("203.0.113.7"), is_private("no address")
    (True, True, False, False)
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in net for net in INSIDE if net.version == parsed.version)


INSIDE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
                "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip


@lru_cache(maxsize=65_536)
def is_unicast(address: str) -> bool:
    """Whether it is one machine: no multicast, no broadcast, not unspecified."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_multicast or parsed.is_unspecified or address.endswith(".255"))


@lru_cache(maxsize=65_536)
def registered(name: str) -> str:
    """The domain that somebody registered, by the usual second levels of countries.

    >>> registered("a.b.example.com"), registered("www.so.tinh.gov.vn"), registered("localhost")
    ('example.com', 'tinh.gov.vn', 'localhost')
    """
    labels = name.split(".")
    own = 3 if len(labels[-1]) == 2 and len(labels) > 2 and labels[-2] in SECOND_LEVEL else 2
    return ".".join(labels[-own:])
