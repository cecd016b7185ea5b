"""The bytes between agent and platform: ``docs/wire.md``, with golden bytes in tests/wire."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAGIC = b"SOCB"
VERSION = 1
RECORD, LOSS = 0, 1
PREFIX = struct.Struct(">4sBI")  # magic, version, header length
FRAME = struct.Struct(">BHQQI")  # kind, stream index, sequence, collected_at in µs, payload length
STREAM_INDEX = struct.Struct(">H")  # stands one byte after the start of each record

MAX_RECORD_BYTES = 16 * 1024 * 1024
CONTENT_TYPE = "application/vnd.soc.batch"


class WireError(ValueError):
    """Bytes that are not a batch; the text names the place."""


@dataclass(frozen=True, slots=True)
class StreamName:
    """One entry of the header's stream table."""

    name: str  # e.g. "file:/var/log/auth.log"
    source: str  # the reader's name, e.g. "syslog", or "auto"


@dataclass(frozen=True, slots=True)
class WireRecord:
    """One record or loss. A loss covers ``sequence`` up to the ``last`` of its JSON payload."""

    kind: int
    stream: int  # index into the stream table
    sequence: int  # from 1
    collected_at: int  # µs since 1970-01-01T00:00Z, the agent's clock
    payload: bytes


@dataclass(frozen=True, slots=True)
class Header:
    incarnation: str  # 32 hex digits, made with the spool
    host: str
    zone: str  # IANA name of the host's time zone, e.g. Asia/Ho_Chi_Minh
    sent_at: int  # µs since 1970-01-01T00:00Z
    streams: Sequence[StreamName]


def encode_record(record: WireRecord) -> bytes:
    return (
        FRAME.pack(
            record.kind, record.stream, record.sequence, record.collected_at, len(record.payload)
        )
        + record.payload
    )


def loss(
    sequence: int, last: int, reason: str, *, collected_at: int, stream: int = 0
) -> WireRecord:
    """A named loss: the records ``sequence`` to ``last`` of a stream will never come."""
    payload = json.dumps({"last": last, "reason": reason}, ensure_ascii=False).encode()
    return WireRecord(LOSS, stream, sequence, collected_at, payload)


def encode_header(header: Header) -> bytes:
    """Magic, version, length and the JSON header; records follow directly."""
    body = json.dumps(
        {
            "incarnation": header.incarnation,
            "host": header.host,
            "zone": header.zone,
            "sent_at": header.sent_at,
            "streams": [{"name": one.name, "source": one.source} for one in header.streams],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    return PREFIX.pack(MAGIC, VERSION, len(body)) + body


def encode_batch(header: Header, records: Sequence[WireRecord]) -> bytes:
    """The batch before compression."""
    return b"".join([encode_header(header), *map(encode_record, records)])


def walk_records(
    block: bytes | memoryview, start: int = 0
) -> Iterator[tuple[int, int, WireRecord]]:
    """Yield (start, end, record) of each record in ``block`` from ``start`` on.

    Raises:
        WireError: the block ends within a record, or a kind is unknown.
    """
    position, size = start, len(block)
    while position < size:
        if position + FRAME.size > size:
            raise WireError(f"the block ends within a record's frame at byte {position}")
        kind, stream, sequence, collected_at, length = FRAME.unpack_from(block, position)
        end = position + FRAME.size + length
        if kind not in (RECORD, LOSS):
            raise WireError(f"unknown kind {kind} at byte {position}")
        if end > size:
            raise WireError(f"the block ends within a record's payload at byte {position}")
        payload = bytes(block[position + FRAME.size : end])
        yield position, end, WireRecord(kind, stream, sequence, collected_at, payload)
        position = end


def decode_batch(plain: bytes) -> tuple[Header, list[WireRecord]]:
    """The reverse of :func:`encode_batch`: for tests and for looking into ``refused/``.

    Raises:
        WireError: not a batch of version 1.
    """
    if len(plain) < PREFIX.size:
        raise WireError(f"{len(plain)} bytes are too few for a batch")
    magic, version, length = PREFIX.unpack_from(plain)
    if magic != MAGIC or version != VERSION:
        raise WireError(f"expected {MAGIC!r} version {VERSION}, found {magic!r} version {version}")
    start = PREFIX.size + length
    try:
        fields = json.loads(plain[PREFIX.size : start])
        streams = [StreamName(one["name"], one["source"]) for one in fields["streams"]]
        header = Header(
            fields["incarnation"], fields["host"], fields["zone"], fields["sent_at"], streams
        )
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"the header cannot be read: {error!r}") from error
    return header, [record for _, _, record in walk_records(plain, start)]
