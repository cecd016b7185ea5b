"""What comes through a relay: which device wrote it, and whose that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from soc.model.event import Event
from soc.model.register import Owner
from soc.records.agents import AgentRow

# Of the device that wrote the record, never of its traffic: what the record says, then who sent it to the relay.
RELAY_ADDRESSES = ("host.ip", "observer.ip", "soc.peer_ip")
# What watches a network speaks of those who talk there: the one who is asked, then the one who asks.
WATCHERS = frozenset({"flow_export", "sensor", "suricata"})
WATCHED_ADDRESSES = ("destination.ip", "source.ip")


class Ownership(Protocol):
    """Whose an agent or an address is (``soc.register.ownership``)."""

    def of_agent(self, agent: AgentRow) -> Owner: ...

    def of_address(self, ip: str, within: Sequence[str] | None) -> Owner: ...


def peer_address(stream: str) -> str:
    """The address of the device that sent a stream to a relay; empty where the stream is not a device's.

    >>> peer_address("syslog:udp:514/192.0.2.7"), peer_address("file:/var/log/10.1.1.1")
    ('192.0.2.7', '')
    """
    kind, _, rest = stream.partition("/")
    return rest.partition("/")[0] if kind.startswith("syslog:") else ""


def owner_of_relayed(event: Event, agent: AgentRow, ownership: Ownership) -> Owner:
    """The owner of the device that wrote the record, if the relay may speak for it; else nobody.

    What a sensor saw belongs to the system that was talked to.
    """
    is_watched = event.source in WATCHERS
    for name in (*WATCHED_ADDRESSES, *RELAY_ADDRESSES) if is_watched else RELAY_ADDRESSES:
        value = event.fields.get(name)
        for address in _texts(value):
            owner = ownership.of_address(address, agent.prefixes)
            if owner.agency_id is not None:
                return owner
    return Owner(None)


def device_of_relayed(event: Event) -> str:
    """The name of the device that wrote the record; empty where the record does not say it."""
    fields = event.fields
    return next(_texts(fields.get("host.name") or fields.get("observer.name")), "")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))
