"""TCP streams in order, within limits. What never came is a gap: said, and stepped over.

Format: RFC 9293. Where segments overlap, the bytes that came first in the stream's order stand. Segments wait for what
is missing until the other side has acknowledged it (then we lost it, not they) or a limit is reached.
"""

from __future__ import annotations

from collections.abc import Sequence

from collectors.sensor.flows import Side

MODULUS = 0xFFFFFFFF
HALF = 0x80000000
Piece = bytes | int
"""Bytes of the stream, or the size of a gap."""


class Held:
    """Segments of one side that came before their turn, by sequence number."""

    __slots__ = ("segments", "size")

    def __init__(self) -> None:
        self.segments: dict[int, bytes] = {}
        self.size = 0

    def first(self, due: int) -> int:
        """The sequence number that is nearest behind ``due``."""
        return min(self.segments, key=lambda seq: (seq - due + HALF) & MODULUS)


class Reassembly:
    """Orders what came out of order. The packet that is due never comes here: the sensor takes it by itself."""

    def __init__(
        self, *, most_bytes: int = 1 << 18, most_segments: int = 256, most_in_all: int = 64 << 20
    ) -> None:
        self.most_bytes, self.most_segments, self.most_in_all = (
            most_bytes,
            most_segments,
            most_in_all,
        )
        self.held_bytes = 0
        self.repeated = self.reordered = self.gaps = 0  # segments, segments, holes

    def take(self, side: Side, seq: int, payload: bytes) -> Sequence[Piece]:
        """The pieces of the stream that this segment makes ready, in order."""
        if side.next is None:  # the first that we see of this side
            side.next = (seq + len(payload)) & MODULUS
            return (payload,)
        ahead = (seq - side.next) & MODULUS
        if ahead >= HALF:
            known = MODULUS + 1 - ahead
            if known >= len(payload):
                self.repeated += 1
                return ()
            payload, ahead = payload[known:], 0
        if ahead == 0:
            side.next = (side.next + len(payload)) & MODULUS
            return [payload, *self.ready(side)] if side.held else (payload,)
        self._hold(side, seq, payload)
        held = side.held
        if held is not None and (
            held.size > self.most_bytes
            or len(held.segments) > self.most_segments
            or self.held_bytes > self.most_in_all
        ):
            return self.step_over(side)
        return ()

    def _hold(self, side: Side, seq: int, payload: bytes) -> None:
        if side.held is None:
            side.held = Held()
        before = side.held.segments.get(seq, b"")
        if len(before) >= len(payload):
            self.repeated += 1
            return
        self.reordered += 1
        side.held.segments[seq] = payload
        grown = len(payload) - len(before)
        side.held.size += grown
        self.held_bytes += grown

    def ready(self, side: Side) -> list[Piece]:
        """What was held and is due now."""
        pieces: list[Piece] = []
        held = side.held
        while held is not None and side.next is not None:
            seq = held.first(side.next)
            known = (side.next - seq) & MODULUS
            if known >= HALF:  # still ahead
                break
            payload = held.segments.pop(seq)
            held.size -= len(payload)
            self.held_bytes -= len(payload)
            if known < len(payload):
                pieces.append(payload[known:] if known else payload)
                side.next = (seq + len(payload)) & MODULUS
            if not held.segments:
                side.held = held = None
        return pieces

    def acknowledged(self, side: Side, ack: int) -> Sequence[Piece]:
        """The other side has everything before ``ack``: a hole below it will not be filled any more."""
        held = side.held
        if held is None or side.next is None:
            return ()
        first = held.first(side.next)
        if (ack - first - 1) & MODULUS >= HALF:
            return ()
        return self.step_over(side)

    def step_over(self, side: Side) -> list[Piece]:
        """Give up the first hole: its size, then what is held behind it."""
        if side.held is None or side.next is None:
            return []
        first = side.held.first(side.next)
        hole = (first - side.next) & MODULUS
        side.next = first
        self.gaps += 1
        return [hole, *self.ready(side)]

    def finish(self, side: Side) -> list[Piece]:
        """The flow is over: everything that is still held, with its holes."""
        pieces: list[Piece] = []
        while side.held is not None:
            pieces += self.step_over(side)
        return pieces
