"""An allow-listed question about the live state: processes, sockets, autoruns, or files by their hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors.agent.actions.contract import (
    DONE,
    UNCHANGED,
    ActionRefused,
    Outcome,
    Work,
    only,
    text_of,
)
from collectors.agent.actions.live_state import PARTS

ALLOWED = ("processes", "sockets", "autoruns")
ROWS_BYTES = 600 * 1024  # of an answer, as JSON
FILES_READ = 200_000
READ_BYTES = 4 * 1024**3
HASHES = 500


class QueryState:
    """Parameters: ``what``; for ``files``, ``folder`` and ``sha256``, a list."""

    name, timeout_seconds, is_measure = "query_state", 120.0, False

    def dry_run(self, work: Work) -> Outcome:
        what = self._what(work)
        return Outcome(DONE, found={"what": what, "changes": "nothing: a question only reads"})

    def run(self, work: Work) -> Outcome:
        what = self._what(work)
        work.step("before reading")
        if what == "files":
            return self._files(work)
        return Outcome(DONE, found={"what": what, **fitting(PARTS[what](), ROWS_BYTES, work)})

    def undo(self, work: Work) -> Outcome:
        raise ActionRefused("a question changes nothing, so there is nothing to undo")

    def after_kill(self, work: Work, verb: str) -> Outcome:
        return Outcome(UNCHANGED, "the agent was killed while it read; ask again")

    def is_in_force(self, work: Work) -> bool:
        return False

    def _what(self, work: Work) -> str:
        what = text_of(work, "what", longest=40)
        if what in ALLOWED:
            only(work, "what")
            return what
        if what != "files":
            raise ActionRefused(
                f"{what!r} is not among what may be asked: {', '.join(ALLOWED)}, files"
            )
        only(work, "what", "folder", "sha256")
        if not text_of(work, "folder").startswith("/"):
            raise ActionRefused("parameter folder: expected an absolute path")
        wanted = work.parameters.get("sha256")
        if not isinstance(wanted, list) or not 0 < len(wanted) <= HASHES:
            raise ActionRefused(f"parameter sha256: expected a list of 1 to {HASHES} hashes")
        if not all(isinstance(one, str) and re.fullmatch("[0-9a-f]{64}", one) for one in wanted):
            raise ActionRefused("parameter sha256: expected small hexadecimal digits, 64 each")
        return what

    def _files(self, work: Work) -> Outcome:
        """Hash the files of one file system below a folder; what was not reached is said."""
        wanted = set(work.parameters["sha256"])
        found: list[dict[str, Any]] = []
        files = read = unread = 0
        ended = ""
        for path, size in _walk(Path(str(work.parameters["folder"]))):
            if files >= FILES_READ or read + size > READ_BYTES:
                ended = f"stopped after {files} files and {read} bytes"
                break
            try:
                work.seconds_left()
                digest = _digest(path)
            except TimeoutError as error:
                ended = str(error)
                break
            except OSError:
                unread += 1
                continue
            files, read = files + 1, read + size
            if digest in wanted:
                found.append({"path": str(path), "sha256": digest, "size": size})
        facts = {"what": "files", "files": files, "bytes": read, "unread": unread, "ended": ended}
        return Outcome(DONE, ended, {**facts, **fitting(iter(found), ROWS_BYTES, work)})


def fitting(rows: Iterator[dict[str, Any]], most_bytes: int, work: Work) -> dict[str, Any]:
    """As many rows as fit; how many were left out is said."""
    kept: list[dict[str, Any]] = []
    size = left_out = 0
    for row in rows:
        work.seconds_left()
        size += len(json.dumps(row, ensure_ascii=False).encode(errors="replace")) + 1
        if size > most_bytes:
            left_out += 1
        else:
            kept.append(row)
    return {"rows": kept, "left_out": left_out}


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    """Regular files on the folder's own file system; links are not followed."""
    try:
        device = folder.lstat().st_dev
    except OSError as error:
        raise ActionRefused(f"{folder}: {error.strerror}") from error
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [one for one in folders if _device(Path(place, one)) == device]
        for name in sorted(names):
            path = Path(place, name)
            try:
                facts = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode):
                yield path, facts.st_size


def _device(path: Path) -> int:
    try:
        return path.lstat().st_dev
    except OSError:
        return -1


def _digest(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
