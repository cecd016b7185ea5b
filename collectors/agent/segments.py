"""Segment files of the spool: frames with a checksum, so that a torn tail is seen and cut.

A segment is a file ``NNNNNNNNNN.seg``: frames one after the other. A frame is

    u32 length of the body, u32 CRC-32 of the body, body

and its body is ``u32 length of the head, head (JSON), block``. The head of the first frame of each segment
is a snapshot of the counters and positions, so the newest segment alone is enough to go on. Other
heads name the stream and the numbers of the block, which holds records as the wire has them
(stream index 0), and the position of the input after them: one frame, one fate. A frame of losses has its
own small stream table.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FRAME = struct.Struct(">II")
HEAD = struct.Struct(">I")
SUFFIX = ".seg"

Place = tuple[int, int]  # segment number, byte offset within it


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it stands in a segment."""

    place: Place
    end: Place
    head: Mapping[str, Any]
    block: bytes

    @property
    def streams(self) -> list[tuple[str, str]]:
        """(name, source) of each stream index in the block."""
        named = self.head.get("streams") or [[self.head["stream"], self.head["source"]]]
        return [(name, source) for name, source in named]

    @property
    def is_shipped(self) -> bool:
        """Whether it holds something for the platform."""
        return bool(self.block)


def encode_frame(head: Mapping[str, Any], block: bytes = b"") -> bytes:
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    body = b"".join((HEAD.pack(len(text)), text, block))
    return FRAME.pack(len(body), zlib.crc32(body)) + body


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:010d}{SUFFIX}"


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of the segments in a folder, oldest first."""
    return sorted(int(path.stem) for path in folder.glob(f"[0-9]*{SUFFIX}"))


def read_frame(descriptor: int, number: int, offset: int) -> Frame | None:
    """The frame at a place, or None at the end of the segment or where the bytes do not check."""
    prefix = os.pread(descriptor, FRAME.size, offset)
    if len(prefix) < FRAME.size:
        return None
    length, checksum = FRAME.unpack(prefix)
    if length < HEAD.size or offset + FRAME.size + length > os.fstat(descriptor).st_size:
        return None
    body = os.pread(descriptor, length, offset + FRAME.size)
    if zlib.crc32(body) != checksum:
        return None
    (head_length,) = HEAD.unpack_from(body)
    start = HEAD.size + head_length
    end = (number, offset + FRAME.size + length)
    return Frame((number, offset), end, json.loads(body[HEAD.size : start]), body[start:])


def frames(folder: Path, number: int, offset: int = 0) -> Iterator[Frame]:
    """The good frames of a segment, up to its end or the first one that does not check."""
    descriptor = os.open(segment_path(folder, number), os.O_RDONLY)
    try:
        while (frame := read_frame(descriptor, number, offset)) is not None:
            yield frame
            offset = frame.end[1]
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class Counters:
    """What the frames add up to: numbers given, positions of inputs, segments dropped."""

    incarnation: str = ""
    last: dict[str, int] = field(default_factory=dict)  # stream to the last number given
    positions: dict[str, Any] = field(default_factory=dict)  # input to where it is
    dropped: int = 0  # the segment that was last given up

    def take(self, head: Mapping[str, Any]) -> None:
        """Go on by one frame."""
        snapshot = head.get("snapshot")
        if snapshot is not None:
            self.incarnation = snapshot["incarnation"]
            self.last = dict(snapshot["last"])
            self.positions = dict(snapshot["positions"])
        if "last" in head:
            self.last[head["stream"]] = head["last"]
        self.positions.update(head.get("positions", {}))
        for index, _, last, _ in head.get("losses", ()):
            stream = head["streams"][index][0]
            self.last[stream] = max(last, self.last.get(stream, 0))
        self.dropped = head.get("dropped", self.dropped)

    def snapshot(self) -> dict[str, Any]:
        return {
            "snapshot": {
                "incarnation": self.incarnation,
                "last": self.last,
                "positions": self.positions,
            },
            "dropped": self.dropped,
        }


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that a kill or a power cut leaves the old or the new one, whole."""
    beside = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        written = 0
        while written < len(content):
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (not possible, nor needed, on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
