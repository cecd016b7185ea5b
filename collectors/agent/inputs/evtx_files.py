"""Windows event log files (EVTX): the record is each event's XML.

pyevtx-rs reads a file that was cut short without an error, so the chunks that are there are counted here
against the file's header, and the records they promise against those that came.
"""

from __future__ import annotations

import glob
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.agent.inputs.contract import text_of
from collectors.agent.intake import Intake

SOURCE = "windows_xml"
HEADER_BYTES, CHUNK_BYTES = 4096, 65536
FILE_MAGIC, CHUNK_MAGIC = b"ElfFile\0", b"ElfChnk\0"
PUT_BYTES = 512 * 1024
LOOK_SECONDS = 2.0
LARGEST_STEP = 65536  # records a chunk can promise; more is damage


@dataclass(frozen=True, slots=True)
class Outline:
    """What the headers of a file promise."""

    declared_chunks: int
    present_chunks: int
    records: int
    problem: str  # empty when all is well


def outline_of(path: Path) -> Outline:
    """Read the headers of the file and of its chunks ([MS-EVEN6]; libevtx's documentation)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
        if not head:
            return Outline(0, 0, 0, "the file is empty")
        if head[:8] != FILE_MAGIC or len(head) < HEADER_BYTES:
            return Outline(0, 0, 0, "the file does not begin with a whole EVTX header")
        (declared,) = struct.unpack_from("<H", head, 42)
        (flags,) = struct.unpack_from("<I", head, 120)
        present, records, broken = 0, 0, 0
        for at in range(HEADER_BYTES, size - 127, CHUNK_BYTES):
            file.seek(at)
            chunk = file.read(24)
            if chunk[:8] != CHUNK_MAGIC:
                broken += any(chunk)
                continue
            if at + CHUNK_BYTES > size:
                break
            present += 1
            first, last = struct.unpack_from("<QQ", chunk, 8)
            if first <= last < 1 << 63 and last - first < LARGEST_STEP:
                records += last - first + 1
    problem = ""
    is_dirty = (
        flags & 1
    )  # the header was not brought up to date: more chunks than declared are usual
    if present < declared:
        problem = f"the file is cut short: {present} of {declared} chunks are there"
    elif broken or (present > declared and not is_dirty and declared):
        problem = f"{declared} chunks are declared, {present} are whole, {broken} are damaged"
    return Outline(declared, present, records, problem)


class EvtxFiles:
    """Brings the records of every file that matches, each once; looks for new files from time to time."""

    def __init__(self, patterns: Sequence[str], *, again: bool = False) -> None:
        """``again`` brings files that were brought before once more."""
        self.name = "evtx:" + ",".join(patterns)
        self.patterns, self.again = patterns, again

    def run(self, intake: Intake, stop: threading.Event) -> None:
        while not stop.is_set():
            self.take_all(intake, stop)
            stop.wait(LOOK_SECONDS)

    def take_all(self, intake: Intake, stop: threading.Event) -> int:
        """Bring every file that is there now; how many records came."""
        count = 0
        for pattern in self.patterns:
            # Path.glob takes no absolute pattern.
            found = glob.glob(pattern, recursive=True)  # noqa: PTH207
            for text in sorted(found) or [pattern]:
                if stop.is_set():
                    break
                path = Path(text).absolute()
                try:
                    count += self._take(path, intake, stop)
                except OSError as error:
                    intake.notices.blind(f"evtx:{text_of(path)}", str(error))
        return count

    def _take(self, path: Path, intake: Intake, stop: threading.Event) -> int:
        """Bring one file from where it was left; how many records came."""
        stream = f"evtx:{text_of(path)}"
        status = path.stat()
        known = None if self.again else intake.position(stream)
        mark = [status.st_size, status.st_mtime_ns]
        if known and known["mark"] == mark and known["done"]:
            return 0
        skip = known["records"] if known and known["mark"] == mark else 0
        newest = known["newest"] if known and known["mark"] != mark else -1
        outline = outline_of(path)
        place = {"mark": mark, "records": skip, "newest": newest, "done": False}
        came, unread = 0, 0
        if outline.present_chunks:
            came, unread = self._bring(path, stream, place, intake, stop)
        if stop.is_set():
            return came
        expected = outline.records if newest < 0 else came
        self._report(path, outline, skip + came, unread, expected, intake)
        intake.commit({stream: place | {"done": True}})
        return came

    def _bring(
        self, path: Path, stream: str, place: dict[str, Any], intake: Intake, stop: threading.Event
    ) -> tuple[int, int]:
        """Bring the records after ``place``, moving it along; (came, could not be read)."""
        skip, newest = place["records"], place["newest"]
        records = _Records(path)
        held: list[bytes] = []
        held_bytes, came, seen = 0, 0, 0
        for number, content in records:
            seen += 1
            if seen <= skip or number <= newest:
                continue
            place["newest"] = max(place["newest"], number)
            held.append(content)
            held_bytes += len(content)
            if held_bytes >= PUT_BYTES:
                place["records"] = seen
                if stop.is_set() or not self._put(stream, held, place, intake):
                    return came, records.unread
                came += len(held)
                held, held_bytes = [], 0
        place["records"] = seen
        if not stop.is_set() and held and self._put(stream, held, place, intake):
            came += len(held)
        return came, records.unread

    def _put(self, stream: str, held: list[bytes], place: dict[str, Any], intake: Intake) -> bool:
        return intake.put(stream, SOURCE, held, positions={stream: dict(place)})

    def _report(
        self, path: Path, outline: Outline, came: int, unread: int, expected: int, intake: Intake
    ) -> None:
        problem = outline.problem
        if unread:
            problem = f"{problem}; " * bool(problem) + f"{unread} records could not be read"
        elif came < expected:
            problem = f"{problem}; " * bool(problem) + f"{expected} records were promised"
        if problem:
            intake.notices.tell(
                "input_error",
                f"{path}: {problem}; {came} records came",
                input=f"evtx:{text_of(path)}",
                reason=problem,
                records=came,
            )
        else:
            intake.notices.tell(
                "input_end",
                f"{path}: {came} records",
                input=f"evtx:{text_of(path)}",
                records=came,
            )


class _Records:
    """(record id, XML) of a file; ``unread`` counts the records that pyevtx-rs refuses."""

    def __init__(self, path: Path) -> None:
        self.path, self.unread = path, 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        from evtx import PyEvtxParser  # loaded when the first EVTX file comes

        try:
            records = PyEvtxParser(str(self.path), number_of_threads=1).records()
        except (RuntimeError, ValueError):
            self.unread += 1
            return
        while True:
            try:
                record: Any = next(records)
            except StopIteration:
                return
            except RuntimeError:
                self.unread += 1
                continue
            yield record["event_record_id"], record["data"].encode()
