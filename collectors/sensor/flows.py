"""Flows: the packets between two endpoints, both directions together. The table is bounded; time is the packets' own.

A flow is found by either direction's key: addresses and ports as they stand in the packet. Each direction is a Side,
so that a packet costs one look-up. Source is who spoke first, or who is the client as far as we can tell.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from collectors.sensor.community import ICMP, ICMP6, PORTS, TCP, UDP, community_id

TRANSPORTS = {ICMP: "icmp", TCP: "tcp", UDP: "udp", ICMP6: "ipv6-icmp", 132: "sctp", 47: "gre"}
TRANSPORTS |= {50: "esp", 51: "ah", 2: "igmp", 89: "ospf", 103: "pim", 112: "vrrp", 46: "rsvp"}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
SECOND = 1_000_000
NEW, ESTABLISHED, CLOSED = 0, 1, 2
STATES = ("new", "established", "closed")
IDLE_US = {
    TCP: (60 * SECOND, 600 * SECOND, 60 * SECOND),
    0: (30 * SECOND, 300 * SECOND, 30 * SECOND),
}
"""Protocol (0: others) to the pause that ends a flow which is new, established, closed."""
LOOK_AT = 32  # flows looked at when one has to give way
STEP_US = SECOND


class Side:
    """One direction of a flow."""

    __slots__ = ("flags", "flow", "held", "is_client", "next", "packets", "peer", "size")

    def __init__(self, flow: Flow, is_client: bool) -> None:
        self.flow, self.is_client = flow, is_client
        self.packets = self.size = self.flags = 0
        self.peer = self
        self.next: int | None = None  # the sequence number that is due
        self.held: Any = None  # tcp.Held: segments that came before their turn


class Flow:
    """Two sides, and what is known of what they say."""

    __slots__ = (
        "app",
        "back",
        "base",
        "client",
        "first",
        "gaps",
        "idle",
        "key",
        "last",
        "protocol",
        "protocol_name",
        "server",
        "state",
        "tunnels",
        "vlans",
    )

    def __init__(self, key: bytes, back: bytes, protocol: int, time: int) -> None:
        self.key, self.back, self.protocol = key, back, protocol
        self.first = self.last = time
        self.client, self.server = Side(self, True), Side(self, False)
        self.client.peer, self.server.peer = self.server, self.client
        self.app: Any = None  # the conversation that is still being read
        self.protocol_name = ""
        self.base: dict[str, Any] | None = None
        self.state = NEW
        self.idle = (IDLE_US.get(protocol) or IDLE_US[0])[NEW]
        self.gaps = 0  # bytes of TCP that we never saw
        self.vlans: tuple[int, ...] = ()
        self.tunnels: tuple[str, ...] = ()

    def enter(self, state: int) -> None:
        """Change the state, and with it the pause that ends the flow."""
        self.state = state
        self.idle = (IDLE_US.get(self.protocol) or IDLE_US[0])[state]

    def swap(self) -> None:
        """The one who spoke first turned out to be the server."""
        self.client, self.server = self.server, self.client
        self.client.is_client, self.server.is_client = True, False
        self.key, self.back, self.base = self.back, self.key, None

    def endpoints(self) -> tuple[bytes, bytes, int, int]:
        """(source, destination, their ports; type and code for ICMP)."""
        width = (len(self.key) - 4) // 2
        ends = self.key[2 * width :]
        return (
            self.key[:width],
            self.key[width : 2 * width],
            int.from_bytes(ends[:2], "big"),
            int.from_bytes(ends[2:], "big"),
        )

    def facts(self) -> dict[str, Any]:
        """The fields that every record of this flow has; made once."""
        if self.base is None:
            source, destination, one, two = self.endpoints()
            protocol = self.protocol
            self.base = {
                "source.ip": address_text(source),
                "destination.ip": address_text(destination),
                "network.transport": TRANSPORTS.get(protocol, str(protocol)),
                "network.type": "ipv4" if len(source) == 4 else "ipv6",
                "network.community_id": community_id(protocol, source, destination, one, two),
            }
            if protocol in PORTS:
                self.base["source.port"], self.base["destination.port"] = one, two
            if self.vlans:
                self.base["network.vlan.id"] = str(self.vlans[0])
                if len(self.vlans) > 1:
                    self.base["network.inner.vlan.id"] = str(self.vlans[1])
            if self.tunnels:
                self.base["sensor.tunnels"] = list(self.tunnels)
        return self.base

    def to_record(self, reason: str) -> dict[str, Any]:
        """The JSON line of an ended flow: ``record`` and ECS names."""
        one, two = self.client, self.server
        fields: dict[str, Any] = {
            "record": "flow",
            "@timestamp": time_text(self.first),
            "event.start": time_text(self.first),
            "event.end": time_text(self.last),
            "event.duration": (self.last - self.first) * 1000,  # ns
            **self.facts(),
            "source.bytes": one.size,
            "source.packets": one.packets,
            "destination.bytes": two.size,
            "destination.packets": two.packets,
            "network.bytes": one.size + two.size,
            "network.packets": one.packets + two.packets,
            "sensor.flow.state": STATES[self.state],
            "sensor.flow.end_reason": reason,
        }
        if self.protocol_name:
            fields["network.protocol"] = self.protocol_name
        if self.protocol == TCP:
            fields["sensor.tcp.source_flags"] = flag_text(one.flags)
            fields["sensor.tcp.destination_flags"] = flag_text(two.flags)
            if self.gaps:
                fields["sensor.tcp.missing_bytes"] = self.gaps
        elif self.protocol == ICMP or self.protocol == ICMP6:
            kind = self.key[-4:]
            fields["sensor.icmp.type"] = kind[0] << 8 | kind[1]
            fields["sensor.icmp.code"] = kind[2] << 8 | kind[3]
        return fields


class FlowTable:
    """Open flows, at most ``most``: where there are more, one that is idle or half open gives way."""

    def __init__(self, ended: Callable[[Flow, str], None], *, most: int = 100_000) -> None:
        """``ended`` is called with each flow that ends, and why."""
        self.most, self.evicted = most, 0
        self.tables: dict[int, dict[bytes, Side]] = {TCP: {}, UDP: {}}
        self._ended = ended
        self._open: deque[Flow] = deque()
        self._count = 0
        self._swept = 0

    def __len__(self) -> int:
        return self._count

    def table(self, protocol: int) -> dict[bytes, Side]:
        """The sides of a protocol's flows by their keys."""
        return self.tables.setdefault(protocol, {})

    def open(self, key: bytes, back: bytes, protocol: int, time: int) -> Flow:
        """A new flow whose other direction has the key ``back``."""
        if self._count >= self.most:
            self._make_room()
        if len(self._open) >= 2 * self.most:  # most of them have ended
            self._open = deque(flow for flow in self._open if self.is_open(flow))
        flow = Flow(key, back, protocol, time)
        table = self.table(protocol)
        table[key] = flow.client
        if back != key:
            table[back] = flow.server
        self._open.append(flow)
        self._count += 1
        return flow

    def close(self, flow: Flow, reason: str) -> None:
        """End a flow: it is said, and forgotten."""
        table = self.table(flow.protocol)
        if self._forget(table, flow):
            self._count -= 1
            self._ended(flow, reason)

    def _forget(self, table: dict[bytes, Side], flow: Flow) -> bool:
        found = False
        for key in (flow.key, flow.back):
            side = table.get(key)
            if side is not None and side.flow is flow:
                del table[key]
                found = True
        return found

    def sweep(self, time: int) -> None:
        """Once a second of packet time: end flows that have paused too long. Looks at a part of the table."""
        if 0 <= time - self._swept < STEP_US:
            return
        self._swept = time
        for _ in range(min(len(self._open), max(LOOK_AT, len(self._open) // 8))):
            flow = self._open.popleft()
            if not self.is_open(flow):
                continue
            if time - flow.last > flow.idle:
                self.close(flow, "timeout")
            else:
                self._open.append(flow)

    def is_open(self, flow: Flow) -> bool:
        side = self.table(flow.protocol).get(flow.key)
        return side is not None and side.flow is flow

    def _make_room(self) -> None:
        """One flow gives way: of some that are oldest, the first half open one, or else the most idle one."""
        looked: list[Flow] = []
        while self._open and len(looked) < LOOK_AT:
            flow = self._open.popleft()
            if not self.is_open(flow):
                continue
            looked.append(flow)
            if flow.state != ESTABLISHED:
                break
        if not looked:
            return
        victim = looked[-1]
        if victim.state == ESTABLISHED:
            victim = min(looked, key=lambda one: one.last)
        self._open.extend(one for one in looked if one is not victim)
        self.evicted += 1
        self.close(victim, "evicted")

    def end_all(self) -> None:
        """The capture is over: end what is open, by the time of the first packet."""
        for flow in sorted(self._open, key=lambda one: one.first):
            self.close(flow, "end_of_capture")
        self._open.clear()


def reversed_key(key: bytes) -> bytes:
    """The key of the other direction.

    >>> reversed_key(b"AAAABBBBaabb")
    b'BBBBAAAAbbaa'
    """
    width = (len(key) - 4) // 2
    return key[width : 2 * width] + key[:width] + key[-2:] + key[-4:-2]


def address_text(address: bytes) -> str:
    """An IPv4 or IPv6 address as people write it."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, address)


def flag_text(flags: int) -> str:
    """TCP flags as letters, in the order of their bits.

    >>> flag_text(0x12)
    'SA'
    """
    return "".join(letter for bit, letter in enumerate("FSRPAUEC") if flags >> bit & 1)


def time_text(time: int) -> str:
    """µs since 1970 as ISO 8601 in UTC.

    >>> time_text(1_732_243_200_000_001)
    '2024-11-22T02:40:00.000001Z'
    """
    second, rest = divmod(time, SECOND)
    return f"{_second_text(second)}.{rest:06}Z"


@lru_cache(4096)
def _second_text(second: int) -> str:
    try:
        return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):  # a capture may claim any time
        return "1970-01-01T00:00:00"
