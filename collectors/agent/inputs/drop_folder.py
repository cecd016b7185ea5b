"""Exports that a central server drops into a folder: whole files of CSV or JSON, each row once.

A file is read when it has stood still between two looks; names that begin with a dot or end in .tmp, .part or .filepart
are files still being written. A file that was cut is read as far as it goes, and its rest when it comes; a file that is
sent again, under any name, brings only what is new in it. A last row without an end waits for an hour before it is
brought as it is. Files are left where they are.
"""

from __future__ import annotations

import glob
import hashlib
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.agent.inputs.contract import text_of
from collectors.agent.inputs.export_rows import cut
from collectors.agent.inputs.seen_rows import SeenRows, digest
from collectors.agent.intake import Intake

SOURCE = "edr"
LOOK_SECONDS = 2.0
TAIL_AFTER_SECONDS = 3600.0
LARGEST_FILE = 256 * 1024 * 1024
PUT_ROWS = 500
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload")


class DropFolder:
    """Brings the rows of every file that matches; ``mapping`` names the product, else its columns tell it."""

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        mapping: str = "",
        settle_seconds: float = LOOK_SECONDS,
        tail_after_seconds: float = TAIL_AFTER_SECONDS,
    ) -> None:
        self.name = "drop:" + ",".join(patterns)
        self.patterns, self.mapping = patterns, mapping
        self.settle_seconds, self.tail_after_seconds = settle_seconds, tail_after_seconds
        self._met: dict[Path, list[int]] = {}  # size and time of the last look

    def run(self, intake: Intake, stop: threading.Event) -> None:
        seen = SeenRows(intake, self.name)
        try:
            seen.forget_old()
            while not stop.is_set():
                self.look(intake, seen, stop)
                stop.wait(self.settle_seconds)
        finally:
            seen.close()

    def take_all(self, intake: Intake) -> int:
        """Bring what is there now, files that stand still or not; how many rows came."""
        seen = SeenRows(intake, self.name)
        try:
            return sum(self.look(intake, seen, threading.Event()) for _ in range(2))
        finally:
            seen.close()

    def look(self, intake: Intake, seen: SeenRows, stop: threading.Event) -> int:
        """One look at every file; how many rows came."""
        came = 0
        for path in self._matches():
            if stop.is_set():
                break
            place = f"drop:{text_of(path)}"
            try:
                came += self._look_at(path, place, intake, seen, stop)
            except OSError as error:
                intake.notices.blind(place, str(error))
        return came

    def _matches(self) -> list[Path]:
        # Path.glob takes no absolute pattern.
        found: set[Path] = set()
        for pattern in self.patterns:
            matching = glob.glob(pattern, recursive=True)  # noqa: PTH207
            found.update(Path(text).absolute() for text in matching)
        return sorted(
            path
            for path in found
            if not path.name.startswith(".")
            and not path.name.lower().endswith(UNFINISHED)
            and path.is_file()
        )

    def _look_at(
        self, path: Path, place: str, intake: Intake, seen: SeenRows, stop: threading.Event
    ) -> int:
        status = path.stat()
        mark = [status.st_size, status.st_mtime_ns]
        known = intake.position(place) or {}
        seen.remember(
            known.get("last", ())
        )  # a kill may have come between the spool and that table
        since = known.get("tail_since", 0.0) if known.get("mark") == mark else 0.0
        is_late = bool(since) and datetime.now(UTC).timestamp() - since > self.tail_after_seconds
        if known.get("mark") == mark and known.get("done") and not is_late:
            return 0
        if self._met.get(path) != mark:
            self._met[path] = mark
            return 0
        if status.st_size > LARGEST_FILE:
            intake.notices.blind(place, f"over {LARGEST_FILE} bytes: export in smaller pieces")
            return 0
        content = path.read_bytes()
        if len(content) != status.st_size:
            return 0  # it grows while it is read
        intake.notices.sees_again(place)
        return self._take(content, mark, is_late, place, intake, seen, stop)

    def _take(
        self,
        content: bytes,
        mark: list[int],
        is_late: bool,
        place: str,
        intake: Intake,
        seen: SeenRows,
        stop: threading.Event,
    ) -> int:
        whole = hashlib.sha256(content).hexdigest()
        cut_rows = cut(content)
        done: dict[str, Any] = {"mark": mark, "done": True}
        if cut_rows.tail and not is_late:
            done["tail_since"] = datetime.now(UTC).timestamp()
        if not seen.fresh([whole]) and not is_late:
            intake.commit({place: done})  # the very same file again
            return 0
        rows = [*cut_rows.rows, *([cut_rows.tail] if cut_rows.tail and is_late else [])]
        came = bring(
            rows,
            intake,
            seen,
            stop,
            stream=stream_of(self.mapping, self.name),
            place=place,
            mark={"mark": mark},
        )
        if stop.is_set():
            return came
        seen.remember([whole])
        intake.commit({place: done})
        if cut_rows.tail:
            reason = "the file ends within a row: it was cut, or is still being written"
            intake.notices.tell(
                "input_error",
                f"{place}: {reason}; {came} new rows came",
                input=place,
                reason=reason,
                records=came,
            )
        else:
            message = f"{place}: {came} new rows of {len(rows)}"
            intake.notices.tell("input_end", message, input=place, records=came)
        return came


def stream_of(mapping: str, feed: str) -> str:
    """One stream for a feed, whatever its files are called: a file that never comes again is no silent source."""
    return f"edr/{mapping}/{feed}"[:300]


def bring(
    rows: Sequence[bytes],
    intake: Intake,
    seen: SeenRows,
    stop: threading.Event,
    *,
    stream: str,
    place: str,
    mark: dict[str, Any],
) -> int:
    """Put the rows that were never taken; how many."""
    came = 0
    for start in range(0, len(rows), PUT_ROWS):
        if stop.is_set():
            return came
        by_digest = {digest(row): row for row in rows[start : start + PUT_ROWS]}
        fresh = seen.fresh(list(by_digest))
        wanted = {one: row for one, row in by_digest.items() if one in fresh}
        if wanted:
            position = mark | {"last": list(wanted)}
            if not intake.put(stream, SOURCE, list(wanted.values()), positions={place: position}):
                return came
        seen.remember(by_digest)
        came += len(wanted)
    return came
