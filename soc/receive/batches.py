"""The wire format of a batch (docs/wire.md): bytes to numbered records, taking what can be read of a broken one."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated

import msgspec
import zstandard

from soc.errors import BatchError, BatchTooLarge
from soc.model.event import EPOCH
from soc.receive.streams import Loss, runs
from soc.records.agents import AgentRow

MICROSECOND = timedelta(microseconds=1)

MAGIC = b"SOCB"
VERSION = 1
RECORD, LOSS = 0, 1
LARGEST_SEQUENCE = 2**53 - 1  # so that every JSON reader keeps it exact
_FRONT = struct.Struct(">4sBI")  # magic, version, length of the header
_HEAD = struct.Struct(">BHQQI")  # kind, stream, sequence, collected_at (µs), length
_SLICE = 512  # compressed bytes a step: zstd makes at most 128 KiB of 4 bytes, so 16 MiB of this
_LARGEST_WINDOW = 2**24
_NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no NUL in text


class StreamName(msgspec.Struct, frozen=True):
    """One stream of the header; records name it by its place."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=_NO_NUL)]
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=_NO_NUL)]


class Header(msgspec.Struct, frozen=True):
    """The JSON header of a batch. ``sent_at`` is the agent's clock, microseconds since 1970."""

    incarnation: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    host: Annotated[str, msgspec.Meta(max_length=200, pattern=_NO_NUL)]
    zone: Annotated[str, msgspec.Meta(max_length=80, pattern=_NO_NUL)]
    sent_at: int
    streams: Annotated[list[StreamName], msgspec.Meta(max_length=65_536)]


class _LossNote(msgspec.Struct, frozen=True):
    last: int
    reason: Annotated[str, msgspec.Meta(max_length=1000, pattern=_NO_NUL)]


_read_header = msgspec.json.Decoder(Header).decode
_read_loss = msgspec.json.Decoder(_LossNote).decode


@dataclass(frozen=True, slots=True)
class WireRecord:
    """One record as it stood in the batch."""

    stream: int  # place in Header.streams
    sequence: int
    collected_at: int  # µs since 1970, the agent's clock
    raw: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """A piece of a batch that is no record: its bytes are set aside with the reason."""

    raw: bytes
    reason: str


@dataclass(slots=True)
class Batch:
    """What could be read of one batch. ``reason`` is empty when that was everything."""

    id: str
    agent: AgentRow
    header: Header
    content_sha256: str  # of the decompressed bytes after the header
    records: list[WireRecord] = field(default_factory=list)
    losses: list[tuple[int, Loss]] = field(default_factory=list)  # stream, loss
    broken: list[Broken] = field(default_factory=list)
    reason: str = ""
    size_bytes: int = 0  # decompressed
    heard_at: datetime | None = None  # our clock when the request began; None: as it is taken

    @property
    def sent_at(self) -> datetime | None:
        return from_epoch_microseconds(self.header.sent_at)


@lru_cache(maxsize=4_096)  # the records of one look of an input share it
def from_epoch_microseconds(number: int) -> datetime | None:
    """Aware UTC, or None for a number outside the years 1 to 9999.

    >>> from_epoch_microseconds(1_732_243_200_123_456).isoformat()
    '2024-11-22T02:40:00.123456+00:00'
    """
    try:
        return EPOCH + timedelta(microseconds=number)
    except OverflowError:
        return None


def to_epoch_microseconds(moment: datetime) -> int:
    """Of an aware time."""
    return (moment - EPOCH) // MICROSECOND


def batch_id(agent_id: str, header: Header, batch: Batch) -> str:
    """SHA-256 hex of the JSON ``[agent_id, incarnation, [[stream name, kind, first, last], ...]]``."""
    by_name: dict[str, list[int]] = {}
    for record in batch.records:
        by_name.setdefault(header.streams[record.stream].name, []).append(record.sequence)
    pieces: list[tuple[str, int, int, int]] = [
        (name, RECORD, first, last)
        for name, numbers in by_name.items()
        for first, last in runs(numbers)
    ]
    pieces += [
        (header.streams[stream].name, LOSS, loss.first, loss.last) for stream, loss in batch.losses
    ]
    return hashlib.sha256(
        msgspec.json.encode([agent_id, header.incarnation, sorted(pieces)])
    ).hexdigest()


def decompress(body: bytes, *, limit_bytes: int) -> tuple[bytes, str]:
    """The plain bytes, and why they end early ("" when the frame is whole).

    Memory stays within ``limit_bytes`` and 16 MiB more, whatever the frame claims.

    Raises:
        BatchTooLarge: more than ``limit_bytes`` come out.
    """
    try:
        claimed = zstandard.frame_content_size(body[:32])  # -1 when the frame does not say
    except zstandard.ZstdError:
        return b"", "zstd: this is no zstd frame"
    if claimed > limit_bytes:
        raise BatchTooLarge(f"the batch is over {limit_bytes} bytes when decompressed")
    frame = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
    plain = bytearray()
    for at in range(0, len(body), _SLICE):
        try:
            plain += frame.decompress(body[at : at + _SLICE])
        except zstandard.ZstdError as error:
            return bytes(plain), f"zstd: {error} near byte {at}"
        if len(plain) > limit_bytes:
            raise BatchTooLarge(f"the batch is over {limit_bytes} bytes when decompressed")
        if frame.eof:
            rest = len(body) - at - _SLICE
            if frame.unused_data or rest > 0:
                return bytes(plain), "zstd: bytes after the end of the frame"
            return bytes(plain), ""
    return bytes(plain), "zstd: the frame is cut off"


def open_batch(body: bytes, agent: AgentRow, *, limit_bytes: int) -> Batch:
    """Decompress and read a batch; ``reason`` on it says what was wrong with the rest.

    Raises:
        BatchError: not even the header can be read.
        BatchTooLarge: over ``limit_bytes`` when decompressed.
    """
    plain, cut = decompress(body, limit_bytes=limit_bytes)
    try:
        batch = decode(plain, agent)
    except BatchError as error:
        raise BatchError("; ".join(filter(None, (cut, error.reason)))) from error
    batch.reason = "; ".join(filter(None, (cut, batch.reason)))
    return batch


def decode(plain: bytes, agent: AgentRow) -> Batch:
    """Read the decompressed bytes of a batch.

    Raises:
        BatchError: not even the header can be read.
    """
    header, start = _header(plain)
    batch = Batch(
        id="",
        agent=agent,
        header=header,
        content_sha256=hashlib.sha256(memoryview(plain)[start:]).hexdigest(),
        size_bytes=len(plain),
    )
    _records(plain, start, batch)
    batch.id = batch_id(agent.id, header, batch)
    batch.reason = "; ".join(dict.fromkeys(piece.reason for piece in batch.broken[:10]))
    return batch


def _header(plain: bytes) -> tuple[Header, int]:
    if len(plain) < _FRONT.size:
        raise BatchError(f"{len(plain)} bytes are too few for a batch")
    magic, version, length = _FRONT.unpack_from(plain)
    if magic != MAGIC:
        raise BatchError(f"not a batch: it begins with {magic!r}")
    if version != VERSION:
        raise BatchError(f"batch version {version}; this door reads version {VERSION}")
    end = _FRONT.size + length
    if end > len(plain):
        raise BatchError(f"the header says {length} bytes, {len(plain) - _FRONT.size} are there")
    try:
        return _read_header(plain[_FRONT.size : end]), end
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BatchError(f"header: {error}") from error


def _records(plain: bytes, at: int, batch: Batch) -> None:
    unpack, size, end = _HEAD.unpack_from, _HEAD.size, len(plain)
    streams, keep = len(batch.header.streams), batch.records.append
    while at < end:
        if end - at < size:
            batch.broken.append(Broken(plain[at:], f"cut off inside a record's head at byte {at}"))
            return
        kind, stream, sequence, collected_at, length = unpack(plain, at)
        start, stop = at + size, at + size + length
        if stop > end:
            reason = f"record {sequence} says {length} bytes, {end - start} are there"
            batch.broken.append(Broken(plain[start:], reason))
            return
        raw = plain[start:stop]
        if kind == RECORD and stream < streams and 0 < sequence <= LARGEST_SEQUENCE:
            keep(WireRecord(stream, sequence, collected_at, raw))
        else:
            _odd(batch, kind, stream, sequence, raw)
        at = stop


def _odd(batch: Batch, kind: int, stream: int, sequence: int, raw: bytes) -> None:
    """Take a loss record; anything else is broken."""
    if kind not in (RECORD, LOSS):
        reason = f"unknown kind {kind} of record {sequence}"
    elif stream >= len(batch.header.streams):
        reason = f"record {sequence} is of stream {stream}, which the header does not name"
    elif not 0 < sequence <= LARGEST_SEQUENCE:
        reason = f"sequence number {sequence}"
    else:
        try:
            note = _read_loss(raw)
            if sequence <= note.last <= LARGEST_SEQUENCE:
                batch.losses.append((stream, Loss(sequence, note.last, note.reason)))
                return
            reason = f"a loss from {sequence} to {note.last}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = f"loss record {sequence}: {error}"
    batch.broken.append(Broken(raw, reason))
