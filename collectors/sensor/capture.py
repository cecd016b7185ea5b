"""Capture files: pcap (µs and ns, both byte orders) and pcapng, plain or gzipped, read as a stream.

Formats: the IETF drafts draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. A packet is a tuple, since there are many:
(time in µs since 1970, link type, bytes, length on the wire).
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from collectors.sensor.errors import CaptureError

Packet = tuple[int, int, bytes, int]

READ = 1 << 20
LARGEST_PACKET = 1 << 18  # bytes; libpcap's own limit for Ethernet
LARGEST_BLOCK = 1 << 24  # bytes of a pcapng block
GZIP = b"\x1f\x8b"
PCAPNG = b"\x0a\x0d\x0d\x0a"
PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1),
    b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1000),
}
"""Magic number to (byte order, fractions of a second in a µs)."""

SECTION, INTERFACE, OLD_PACKET, SIMPLE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 5, 6
END_OF_OPTIONS, RESOLUTION, OFFSET, DROPPED_BY_INTERFACE, DROPPED_BY_SYSTEM = 0, 9, 14, 5, 7


class CaptureFile:
    """One capture file. ``dropped`` is what the file itself says about lost packets (pcapng)."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = b""
        self.dropped = 0
        self._drops: dict[int, int] = {}

    def close(self) -> None:
        self._stream.close()

    def packets(self) -> Iterator[Packet]:
        """The packets in the order of the file.

        Raises:
            CaptureError: no capture file, or cut off; what comes before was yielded.
        """
        magic = self._take(4)
        if magic in PCAP:
            yield from self._pcap(*PCAP[magic])
        elif magic == PCAPNG:
            yield from self._pcapng()
        else:
            raise CaptureError("this is neither pcap nor pcapng")

    def _take(self, size: int) -> bytes:
        """Exactly ``size`` bytes; fewer only at the end of the file."""
        while len(self._left) < size:
            try:
                more = self._stream.read(READ)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise CaptureError(f"the compressed data is damaged: {error}") from error
            if not more:
                break
            self._left += more
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def _pcap(self, order: str, per_microsecond: int) -> Iterator[Packet]:
        header = self._take(20)
        if len(header) < 20:
            raise CaptureError("the file header is cut off")
        link = struct.unpack_from(order + "I", header, 16)[0] & 0xFFFF
        unpack = struct.Struct(order + "IIII").unpack_from
        held, at, number = self._left, 0, 0
        while True:
            if at + 16 > len(held):
                held, at = self._refill(held, at, 16), 0
                if not held:
                    return
                if len(held) < 16:
                    raise CaptureError(f"cut off after packet {number}")
            seconds, fraction, size, length = unpack(held, at)
            if size > LARGEST_PACKET:
                raise CaptureError(f"packet {number + 1} claims {size} bytes: the file is damaged")
            end = at + 16 + size
            if end > len(held):
                held, at = self._refill(held, at, 16 + size), 0
                end = 16 + size
                if end > len(held):
                    raise CaptureError(f"cut off in packet {number + 1}")
            number += 1
            yield (
                seconds * 1_000_000 + fraction // per_microsecond,
                link,
                held[at + 16 : end],
                length,
            )
            at = end

    def _refill(self, held: bytes, at: int, size: int) -> bytes:
        self._left = held[at:]
        start = self._take(size)
        held, self._left = start + self._left, b""
        return held

    def _pcapng(self) -> Iterator[Packet]:
        order = self._section(b"\x0a\x0d\x0d\x0a")
        interfaces: list[tuple[int, int, int, int]] = []
        while head := self._take(8):
            if head[:4] == PCAPNG:
                order, interfaces = self._section(head), []
                continue
            kind, body = self._block(head, order)
            try:
                if kind == INTERFACE:
                    interfaces.append(_interface(body, order))
                elif kind in (ENHANCED, OLD_PACKET):
                    yield _enhanced(kind, body, order, interfaces)
                elif kind == SIMPLE and interfaces:
                    link, _, _, longest = interfaces[0]
                    (length,) = struct.unpack_from(order + "I", body)
                    yield 0, link, body[4 : 4 + min(length, longest or length)], length
                elif kind == STATISTICS:
                    self._count_drops(body, order)
            except (struct.error, IndexError) as error:
                raise CaptureError("a block of the file is damaged") from error

    def _section(self, head: bytes) -> str:
        """Read a section header of which ``head`` (4 or 8 bytes) is taken; the section's byte order."""
        head += self._take(12 - len(head))
        order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(head[8:12])
        if order is None:
            raise CaptureError("the section header of the pcapng file is damaged")
        (size,) = struct.unpack_from(order + "I", head, 4)
        self._body(size, 12)
        return order

    def _block(self, head: bytes, order: str) -> tuple[int, bytes]:
        if len(head) < 8:
            raise CaptureError("cut off in the header of a block")
        kind, size = struct.unpack(order + "II", head)
        return kind, self._body(size, 8)[:-4]

    def _body(self, size: int, taken: int) -> bytes:
        if not taken + 4 <= size <= LARGEST_BLOCK or size % 4:
            raise CaptureError(f"a block claims {size} bytes: the file is damaged")
        body = self._take(size - taken)
        if len(body) < size - taken:
            raise CaptureError("cut off in a block")
        return body

    def _count_drops(self, body: bytes, order: str) -> None:
        (interface,) = struct.unpack_from(order + "I", body)
        found = dict(_options(body, 12, order))
        lost = sum(
            int.from_bytes(found.get(code, b""), "little" if order == "<" else "big")
            for code in (DROPPED_BY_INTERFACE, DROPPED_BY_SYSTEM)
        )
        if interface in self._drops or len(self._drops) < 256:
            self._drops[interface] = lost  # each block has the total so far
        self.dropped = sum(self._drops.values())


def open_capture(path: Path) -> CaptureFile:
    """Open a file by its content, not its name.

    Raises:
        OSError: it cannot be opened.
    """
    plain = path.open("rb")
    magic = plain.read(2)
    plain.seek(0)
    stream: IO[bytes] = plain
    if magic == GZIP:
        plain.close()
        stream = io.BufferedReader(gzip.GzipFile(path), READ)
    return CaptureFile(stream)


def _interface(body: bytes, order: str) -> tuple[int, int, int, int]:
    """(link type, ticks a second, offset in seconds, most bytes of a packet)."""
    link, longest = struct.unpack_from(order + "HxxI", body)
    ticks, offset = 1_000_000, 0
    for code, value in _options(body, 8, order):
        if code == RESOLUTION and value:
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** min(value[0], 18)
        elif code == OFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
    return link, ticks, offset, longest


def _enhanced(
    kind: int, body: bytes, order: str, interfaces: list[tuple[int, int, int, int]]
) -> Packet:
    if kind == ENHANCED:
        number, high, low, size, length = struct.unpack_from(order + "IIIII", body)
    else:
        number, _, high, low, size, length = struct.unpack_from(order + "HHIIII", body)
    link, ticks, offset, _ = interfaces[number]
    time = (high << 32 | low) * 1_000_000 // ticks + offset * 1_000_000
    return time, link, body[20 : 20 + size], length


def _options(body: bytes, at: int, order: str) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == END_OF_OPTIONS:
            return
        yield code, body[at + 4 : at + 4 + size]
        at += 4 + (size + 3 & ~3)
