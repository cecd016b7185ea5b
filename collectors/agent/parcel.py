"""A parcel: the records of some frames with one stream table, ready to be packed into a batch."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from collectors.agent import wire
from collectors.agent.segments import Frame
from collectors.agent.wire import StreamName

LENGTH = struct.Struct(">I")
LENGTH_AT = wire.FRAME.size - LENGTH.size


@dataclass(frozen=True, slots=True)
class Parcel:
    streams: Sequence[StreamName]
    block: bytes  # records as on the wire
    records: int

    def halves(self) -> tuple[Parcel, Parcel] | None:
        """Cut at the record's boundary nearest after the middle; None for a single record."""
        if self.records < 2:
            return None
        starts = record_starts(self.block)
        middle = next(
            (place for place, at in enumerate(starts) if place and at * 2 >= len(self.block)),
            len(starts) - 1,
        )
        cut = starts[middle]
        return (
            Parcel(self.streams, self.block[:cut], middle),
            Parcel(self.streams, self.block[cut:], self.records - middle),
        )


def record_starts(block: bytes | bytearray) -> list[int]:
    """The offset of each record."""
    starts, position, size = [], 0, len(block)
    unpack = LENGTH.unpack_from
    while position < size:
        starts.append(position)
        position += wire.FRAME.size + unpack(block, position + LENGTH_AT)[0]
    return starts


def parcel_of(frames: Sequence[Frame]) -> Parcel:
    """Join frames, giving each record the index of its stream in the common table."""
    index_by_stream: dict[tuple[str, str], int] = {}
    blocks: list[bytes] = []
    records = 0
    for frame in frames:
        indexes = [index_by_stream.setdefault(one, len(index_by_stream)) for one in frame.streams]
        starts = record_starts(frame.block)
        records += len(starts)
        if indexes == list(range(len(indexes))):
            blocks.append(frame.block)
        else:
            blocks.append(_renumbered(frame.block, starts, indexes))
    streams = [StreamName(*one) for one in index_by_stream]
    return Parcel(streams, b"".join(blocks), records)


def _renumbered(block: bytes, starts: Sequence[int], indexes: Sequence[int]) -> bytes:
    changed = bytearray(block)
    for start in starts:
        (local,) = wire.STREAM_INDEX.unpack_from(changed, start + 1)
        wire.STREAM_INDEX.pack_into(changed, start + 1, indexes[local])
    return bytes(changed)
