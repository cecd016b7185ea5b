"""IP headers and fragments. Pure: bytes in, facts out.

Formats: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 4302 (AH), RFC 5722 (overlapping IPv6 fragments).
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import NamedTuple

V4 = struct.Struct("!BBHHHBB2x4s4s").unpack_from
V6 = struct.Struct("!IHBB16s16s").unpack_from
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, OPTIONS = 0, 43, 44, 51, 60
EXTENSIONS = frozenset({HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, OPTIONS, 135, 139, 140})
MOST_EXTENSIONS = 16
LARGEST = 65_535


class Ip(NamedTuple):
    """An IP packet: ``data[at:end]`` is its payload."""

    source: bytes
    destination: bytes
    protocol: int
    at: int
    end: int
    size: int  # bytes on the wire, header included
    ttl: int
    fragment: tuple[int, int, bool] | None  # (identification, offset in bytes, more follow)


def ip_packet(data: bytes, at: int) -> Ip | None:
    """Read the IP header at ``at``, IPv4 or IPv6; None if it is none."""
    version = data[at] >> 4 if at < len(data) else 0
    try:
        if version == 4:
            return _v4(data, at)
        return _v6(data, at) if version == 6 else None
    except (struct.error, IndexError):
        return None


def _v4(data: bytes, at: int) -> Ip | None:
    first, _, size, number, bits, ttl, protocol, source, destination = V4(data, at)
    header = (first & 15) * 4
    if header < 20 or at + header > len(data):
        return None
    if size < header:  # 0 where the network card cuts the packet later (TSO)
        if size:
            return None
        size = len(data) - at
    offset, more = (bits & 0x1FFF) * 8, bool(bits & 0x2000)
    fragment = (number, offset, more) if offset or more else None
    end = min(at + size, len(data))
    return Ip(source, destination, protocol, at + header, end, size, ttl, fragment)


def _v6(data: bytes, at: int) -> Ip | None:
    _, size, kind, ttl, source, destination = V6(data, at)
    start, at = at, at + 40
    end = min(at + size, len(data)) if size else len(data)
    size = size + 40 if size else len(data) - start
    fragment = None
    for _ in range(MOST_EXTENSIONS):
        if kind not in EXTENSIONS:
            return Ip(source, destination, kind, at, end, size, ttl, fragment)
        if at + 8 > end:
            return None
        if kind == FRAGMENT:
            bits, number = struct.unpack_from("!2xHI", data, at)
            kind, at, more = data[at], at + 8, bool(bits & 1)
            if bits & 0xFFF9:
                fragment = (number, bits & 0xFFF8, more)
                if bits & 0xFFF8:
                    return Ip(source, destination, kind, at, end, size, ttl, fragment)
            continue
        length = (data[at + 1] + 2) * 4 if kind == AUTHENTICATION else (data[at + 1] + 1) * 8
        kind, at = data[at], at + length
    return None


class Fragments:
    """Puts datagrams together again, within limits of number, bytes and time."""

    def __init__(
        self, *, most: int = 4096, most_bytes: int = 16 << 20, within_us: int = 30_000_000
    ) -> None:
        self.most, self.most_bytes, self.within_us = most, most_bytes, within_us
        self.held_bytes = self.given_up = 0
        self._open: OrderedDict[tuple[bytes, bytes, int, int], _Datagram] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, packet: Ip, data: bytes, time: int) -> bytes | None:
        """The payload of the datagram that this fragment completes, or None.

        Where IPv4 fragments overlap the first one's bytes stand; an IPv6 datagram with an overlap is dropped.
        """
        if packet.fragment is None:
            return data[packet.at : packet.end]
        number, offset, more = packet.fragment
        body = data[packet.at : packet.end]
        key = (packet.source, packet.destination, packet.protocol, number)
        datagram = self._open.get(key)
        if datagram is not None and time - datagram.since > self.within_us:
            self._drop(key)
            datagram = None
        if datagram is None:
            datagram = self._open[key] = _Datagram(time)
        if not body or offset + len(body) > LARGEST or (more and len(body) % 8):
            self._drop(key)
            return None
        before = datagram.size
        sound = datagram.add(offset, body, more, strict=len(packet.source) == 16)
        self.held_bytes += datagram.size - before
        whole = datagram.whole() if sound else None
        if whole is not None or not sound:
            self._drop(key, counted=not sound)
            return whole
        while len(self._open) > self.most or self.held_bytes > self.most_bytes:
            self._drop(next(iter(self._open)))
        return None

    def _drop(self, key: tuple[bytes, bytes, int, int], *, counted: bool = True) -> None:
        self.held_bytes -= self._open.pop(key).size
        self.given_up += counted


class _Datagram:
    """The fragments of one datagram so far, sorted, without overlap."""

    __slots__ = ("length", "parts", "since", "size")
    MOST_PARTS = 1024

    def __init__(self, since: int) -> None:
        self.since, self.size = since, 0
        self.parts: list[tuple[int, bytes]] = []
        self.length: int | None = None  # known with the last fragment

    def add(self, offset: int, body: bytes, more: bool, *, strict: bool) -> bool:
        """Take a fragment; False if the datagram is beyond repair."""
        if not more and self.length is None:
            self.length = offset + len(body)
        if len(self.parts) >= self.MOST_PARTS:
            return False
        if strict and (offset, body) in self.parts:
            return True  # the same once more
        at, end = offset, offset + len(body)
        fresh: list[tuple[int, bytes]] = []
        for start, held in self.parts:
            if start + len(held) <= at:
                continue
            if start >= end:
                break
            if strict:
                return False
            if start > at:
                fresh.append((at, body[at - offset : start - offset]))
            at = start + len(held)
        if at < end:
            fresh.append((at, body[at - offset :]))
        self.size += sum(len(part) for _, part in fresh)
        self.parts = sorted(self.parts + fresh)
        return True

    def whole(self) -> bytes | None:
        if self.length is None or self.size < self.length:
            return None
        at = 0
        for start, body in self.parts:
            if start != at:
                return None
            at += len(body)
        return (
            b"".join(body for _, body in self.parts)[: self.length] if at >= self.length else None
        )
