"""Flows: the packets between two endpoints, both directions together. Pure: packets' facts in, records out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

TRANSPORTS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
IDLE_SECONDS = 300.0  # a pause of that length ends a flow


@dataclass(frozen=True, slots=True)
class Seen:
    """What the flow table needs of one packet."""

    time: float  # Unix seconds
    source: str
    destination: str
    source_port: int | None  # None where the protocol has no ports
    destination_port: int | None
    protocol: int  # IANA number
    size_bytes: int  # of the IP packet


@dataclass(slots=True)
class Flow:
    """Source is who sent the first packet."""

    first: Seen
    last_time: float
    packets: int = 0
    size_bytes: int = 0
    source_packets: int = 0
    source_bytes: int = 0

    def take(self, seen: Seen) -> None:
        self.last_time = max(self.last_time, seen.time)
        self.packets += 1
        self.size_bytes += seen.size_bytes
        is_forward = (seen.source, seen.source_port) == (self.first.source, self.first.source_port)
        self.source_packets += is_forward
        self.source_bytes += seen.size_bytes if is_forward else 0

    def to_record(self) -> dict[str, Any]:
        """The JSON line: ``record`` and ECS names."""
        first = self.first
        fields: dict[str, Any] = {
            "record": "flow",
            "@timestamp": _text_of(first.time),
            "event.start": _text_of(first.time),
            "event.end": _text_of(self.last_time),
            "event.duration": round((self.last_time - first.time) * 1e9),  # ns
            "source.ip": first.source,
            "source.port": first.source_port,
            "source.bytes": self.source_bytes,
            "source.packets": self.source_packets,
            "destination.ip": first.destination,
            "destination.port": first.destination_port,
            "destination.bytes": self.size_bytes - self.source_bytes,
            "destination.packets": self.packets - self.source_packets,
            "network.transport": TRANSPORTS.get(first.protocol, str(first.protocol)),
            "network.type": "ipv6" if ":" in first.source else "ipv4",
            "network.bytes": self.size_bytes,
            "network.packets": self.packets,
        }
        return {name: value for name, value in fields.items() if value is not None}


class FlowTable:
    """Open flows by their two endpoints and protocol."""

    def __init__(self) -> None:
        self._open: dict[tuple[Any, ...], Flow] = {}

    def take(self, seen: Seen) -> Flow | None:
        """Count a packet; the flow that it ended by coming after a long pause, if it did."""
        ends = sorted(
            [(seen.source, seen.source_port or 0), (seen.destination, seen.destination_port or 0)]
        )
        key = (seen.protocol, *ends)
        flow, ended = self._open.get(key), None
        if flow is not None and seen.time - flow.last_time > IDLE_SECONDS:
            flow, ended = None, flow
        if flow is None:
            flow = self._open[key] = Flow(seen, seen.time)
        flow.take(seen)
        return ended

    def rest(self) -> Iterator[Flow]:
        """The flows that are still open, by the time of their first packet."""
        yield from sorted(self._open.values(), key=lambda flow: flow.first.time)


def _text_of(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
