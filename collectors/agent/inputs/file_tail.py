"""Lines of growing files: rotation, truncation, late creation, any bytes.

A record is a line without its newline, byte for byte; empty lines are passed over. A line of a W3C extended log has the
``#Fields:`` line that names its columns before it. The last line is kept
back until its newline comes, or until the file has been rotated away. A file is known by its inode and a
checksum of its first bytes, so a file truncated and refilled between two looks is seen as new.
"""

from __future__ import annotations

import glob
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from collectors.agent.inputs.column_names import may_name_columns, names_before, with_names
from collectors.agent.inputs.contract import text_of
from collectors.agent.intake import Intake
from collectors.agent.wire import MAX_RECORD_BYTES

LOOK_SECONDS = 0.25
GLOB_EVERY = 8  # looks
QUIET_LOOKS, LOOKS_AFTER_ROTATION = 4, 40  # a writer may go on in the old file for a while
CHUNK_BYTES = 256 * 1024
HEAD_BYTES = 256  # of the checksum that knows a file again


@dataclass(slots=True)
class OpenFile:
    """A file being followed. ``offset`` is the start of the first line not yet taken."""

    path: Path
    descriptor: int
    inode: int
    offset: int
    partial: list[bytes] = field(default_factory=list)  # the bytes from ``offset`` on, no newline
    partial_size: int = 0
    looks_left: int = LOOKS_AFTER_ROTATION
    quiet_looks: int = 0
    head: bytes = b""
    names: bytes = b""  # of the columns, at ``offset``

    @property
    def stream(self) -> str:
        return f"file:{text_of(self.path)}"

    @property
    def read_to(self) -> int:
        return self.offset + self.partial_size

    def place(self) -> dict[str, Any]:
        """What the spool keeps of it."""
        size = min(self.offset, HEAD_BYTES)
        if len(self.head) < size:
            self.head = os.pread(self.descriptor, size, 0)
        known = self.head[:size]
        place = {
            "inode": self.inode,
            "offset": self.offset,
            "head": [len(known), zlib.crc32(known)],
        }
        return place | ({"names": self.names.decode("latin-1")} if self.names else {})

    def forget(self) -> None:
        """Begin at the file's first byte again."""
        self.offset, self.partial, self.partial_size = 0, [], 0
        self.head = self.names = b""


class FileTail:
    """Follows every file that matches one of some patterns."""

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        source: str = "auto",
        start: str = "start",
        exclude: Sequence[str] = (),
    ) -> None:
        """``start`` says where files begin that are there at the first look ever: start or end."""
        self.name = "file:" + ",".join(patterns)
        self.patterns, self.source, self.start, self.exclude = patterns, source, start, exclude
        self._open: dict[Path, OpenFile] = {}
        self._matching: list[Path] = []

    def run(self, intake: Intake, stop: threading.Event) -> None:
        looks = 0
        try:
            while not stop.is_set():
                if looks % GLOB_EVERY == 0:
                    self._matching = list(self._matches())
                moved = [self._look(path, intake, first=looks == 0) for path in self._matching]
                looks += 1
                if not any(moved):
                    stop.wait(LOOK_SECONDS)
        finally:
            for one in self._open.values():
                os.close(one.descriptor)
            self._open.clear()

    def take_all(self, intake: Intake) -> int:
        """Take each matching file to its end, a last line without newline included; files taken."""
        paths = [path for path in self._matches() if path.is_file()]
        for path in paths:
            while self._look(path, intake, first=False):
                pass
            if path in self._open:
                self._take_partial(self._open[path], intake)
        return len(paths)

    def _matches(self) -> Iterator[Path]:
        for pattern in self.patterns:
            has_magic = glob.has_magic(pattern)
            # Path.glob takes no absolute pattern.
            found = glob.glob(pattern, recursive=True) if has_magic else [pattern]  # noqa: PTH207
            for text in sorted(found):
                if not any(
                    fnmatch(text, one) or text.startswith(one + "/") for one in self.exclude
                ):
                    yield Path(text).absolute()

    def _look(self, path: Path, intake: Intake, *, first: bool) -> bool:
        """Take what is new in one file; whether there may be more at once."""
        one = self._open.get(path)
        try:
            status = path.stat()
        except FileNotFoundError:
            return one is not None and self._leave(one, intake)
        except PermissionError as error:
            intake.notices.blind(f"file:{text_of(path)}", str(error))
            return False
        if one is not None and status.st_ino != one.inode:
            return self._leave(one, intake)
        if one is None:
            one = self._begin(path, intake, first=first)
            if one is None:
                return False
        elif self._was_replaced(one, status.st_size):
            one.forget()
        elif status.st_size == one.read_to:
            return False
        return self._take(one, intake)

    def _begin(self, path: Path, intake: Intake, *, first: bool) -> OpenFile | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return None
        except OSError as error:
            intake.notices.blind(f"file:{text_of(path)}", str(error))
            return None
        intake.notices.sees_again(f"file:{text_of(path)}")
        status = os.fstat(descriptor)
        one = OpenFile(path, descriptor, status.st_ino, 0)
        known = intake.position(one.stream)
        if known is None:
            if first and self.start == "end":
                one.offset = status.st_size
                one.names = names_before(descriptor, one.offset)
            intake.commit({one.stream: one.place()})
        elif _is_same(descriptor, status.st_ino, known):
            one.offset = known["offset"]
            one.names = _names_at(descriptor, known)
        else:
            self._take_rotated(path, known, intake)
        self._open[path] = one
        return one

    def _take_rotated(self, path: Path, known: dict[str, Any], intake: Intake) -> None:
        """While the agent was away the file was moved aside: finish it where it is now."""
        for beside in sorted(path.parent.glob(f"{glob.escape(path.name)}?*")):
            if not beside.is_file() or beside.stat().st_ino != known["inode"]:
                continue
            descriptor = os.open(beside, os.O_RDONLY)
            if _is_same(descriptor, known["inode"], known):
                rotated = OpenFile(path, descriptor, known["inode"], known["offset"])
                rotated.names = _names_at(descriptor, known)
                self._finish(rotated, intake)
                return
            os.close(descriptor)

    def _was_replaced(self, one: OpenFile, size: int) -> bool:
        """Whether the same inode now holds something else than what was read."""
        if size <= one.read_to:
            return size < one.read_to
        wanted = one.head[: min(one.offset, HEAD_BYTES)]
        return os.pread(one.descriptor, len(wanted), 0) != wanted

    def _take(self, one: OpenFile, intake: Intake) -> bool:
        """Read one chunk; whether it was full, so that there may be more."""
        chunk = os.pread(one.descriptor, CHUNK_BYTES, one.read_to)
        last = chunk.rfind(b"\n") + 1
        if last:
            whole = b"".join((*one.partial, chunk[:last]))
            one.partial, one.partial_size = [], 0
            self._keep(one, whole[:-1].split(b"\n"), len(whole), intake)
        rest = chunk[last:]
        if rest:
            one.partial.append(rest)
            one.partial_size += len(rest)
        if one.partial_size >= MAX_RECORD_BYTES:
            intake.notices.tell(
                "input_error",
                f"a line of {one.path} is longer than {MAX_RECORD_BYTES} bytes and was cut",
                input=self.name,
                reason="line too long",
            )
            self._take_partial(one, intake, at_most=MAX_RECORD_BYTES)
        return len(chunk) == CHUNK_BYTES

    def _keep(self, one: OpenFile, lines: list[bytes], size: int, intake: Intake) -> None:
        """Bring lines, empty ones left out and ones over the limit cut, and go on by ``size``."""
        before, one.offset = (one.offset, one.names), one.offset + size
        lines = [
            line[at : at + MAX_RECORD_BYTES]
            for line in lines
            for at in range(0, len(line), MAX_RECORD_BYTES)
        ]
        if may_name_columns(one.descriptor):
            one.names, lines = with_names(one.names, lines)
        if not intake.put(one.stream, self.source, lines, positions={one.stream: one.place()}):
            one.offset, one.names = (
                before  # stopping with a full disk: read again after the next start
            )

    def _take_partial(self, one: OpenFile, intake: Intake, at_most: int | None = None) -> None:
        rest = b"".join(one.partial)
        one.partial, one.partial_size = [], 0
        if rest:
            line = rest[:at_most]
            self._keep(one, [line], len(line), intake)

    def _leave(self, one: OpenFile, intake: Intake) -> bool:
        """Stay with a file that was rotated away until its writer is quiet, then finish it."""
        before = one.read_to
        if self._take(one, intake):
            return True
        one.quiet_looks = one.quiet_looks + 1 if one.read_to == before else 0
        one.looks_left -= 1
        if one.quiet_looks < QUIET_LOOKS and one.looks_left > 0:
            return False
        return self._finish(one, intake)

    def _finish(self, one: OpenFile, intake: Intake) -> bool:
        """Take the rest of a file that is no longer at its path, and close it."""
        while self._take(one, intake):
            pass
        self._take_partial(one, intake)
        os.close(one.descriptor)
        self._open.pop(one.path, None)
        return True


def _is_same(descriptor: int, inode: int, known: dict[str, Any]) -> bool:
    """Whether an open file is the one that the spool knows, and still holds what was read of it."""
    size, checksum = known["head"]
    if inode != known["inode"] or os.fstat(descriptor).st_size < known["offset"]:
        return False
    return zlib.crc32(os.pread(descriptor, size, 0)) == int(checksum)


def _names_at(descriptor: int, known: dict[str, Any]) -> bytes:
    """The names of the columns where the spool left off; one of an older agent does not know them."""
    if "names" in known:
        return str(known["names"]).encode("latin-1", "replace")
    return names_before(descriptor, known["offset"])
