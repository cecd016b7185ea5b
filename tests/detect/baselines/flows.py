"""Network events as the readers make them, for the detectors' cases."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from soc.detect.baselines.detectors import Detectors
from soc.detect.baselines.finding import Finding
from soc.detect.baselines.thresholds import load_thresholds
from soc.model.event import Event
from soc.shipped import folder

START = datetime(2026, 11, 25, 2, tzinfo=UTC)  # a Wednesday, nine o'clock in Vietnam


def event(at: datetime, fields: dict[str, Any]) -> Event:
    identity = hashlib.blake2b(f"{at}{sorted(fields.items())}".encode(), digest_size=16).hexdigest()
    category = fields.get("event.category", ["network"])
    return Event(
        "sensor",
        at,
        {"event.category": category} | fields,
        b"",
        identity,
        at,
        "sxd",
        "HT-011",
        3,
        "",
    )


def flow(
    after: float,
    source: str,
    destination: str,
    port: int,
    *,
    answered: bool = True,
    sent: int = 500,
    transport: str = "tcp",
    **more: Any,
) -> Event:
    """A flow of the sensor, ``after`` seconds from the start."""
    fields = {
        "event.dataset": "sensor.flow", "event.type": ["connection", "end"], "source.ip": source,
        "destination.ip": destination, "destination.port": port, "network.transport": transport,
        "source.bytes": sent, "destination.packets": 5 if answered else 0,
    }  # fmt: skip
    if transport == "tcp":
        fields["sensor.tcp.destination_flags"] = "SPA" if answered else "R"
    return event(START + timedelta(seconds=after), fields | more)


def denied(after: float, source: str, destination: str, port: int) -> Event:
    """As a firewall says it."""
    fields = {
        "event.dataset": "fortinet.traffic", "event.type": ["connection", "denied"], "source.ip": source,
        "destination.ip": destination, "destination.port": port, "network.transport": "tcp",
    }  # fmt: skip
    return event(START + timedelta(seconds=after), fields)


def asked(after: float, source: str, name: str, *, there: bool = True) -> Event:
    fields = {
        "event.dataset": "sensor.dns", "event.type": ["protocol"], "source.ip": source,
        "destination.ip": "10.8.2.53", "dns.question.name": name,
        "dns.response_code": "NOERROR" if there else "NXDOMAIN",
    }  # fmt: skip
    return event(START + timedelta(seconds=after), fields)


def detectors() -> Detectors:
    return Detectors(
        load_thresholds([folder("rules")]), lambda address: address.startswith("2001:db8:8:")
    )


def findings(events: Iterable[Event], into: Detectors | None = None) -> list[Finding]:
    return list(_all(events, into or detectors()))


def _all(events: Iterable[Event], into: Detectors) -> Iterator[Finding]:
    for one in events:
        yield from into.observe(one)
