"""The spool: every record is here before it is sent, and stays until the platform has stored it.

Promises:
- A SIGKILL at any byte loses nothing that :meth:`Spool.append` returned from, and gives no number twice:
  records, their numbers and the input's position share one checksummed frame.
- Nothing is sent that is not on the disk (:meth:`Spool.next_batch` syncs first), so that a power cut
  cannot make the agent give a number that the platform has already seen to other bytes. Between batches
  the kernel decides when to write; a power cut can cost what was not yet sent, and inputs that have a
  position read it again.
- Over the byte limit whole segments are dropped, oldest first, except those in flight; each drop leaves
  a loss record with the exact range.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.agent import segments, wire
from collectors.agent.errors import SpoolError
from collectors.agent.folder_lock import lock_folder
from collectors.agent.losses import Loss, holes_between, joined
from collectors.agent.segments import Counters, Frame, Place

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that are sent together and forgotten together; ``end`` is the place after them."""

    end: Place
    frames: Sequence[Frame]


class Spool:
    """The segments of one folder. Threads may share it; one process at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = 512 * MEBIBYTE,
        segment_bytes: int = 4 * MEBIBYTE,
    ) -> None:
        """Open or make the spool, cutting what a kill has torn.

        Raises:
            SpoolInUse: another process has it open.
            SpoolError: the disk refuses.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder, self.limit_bytes = folder, limit_bytes
        self.segment_bytes = max(4096, min(segment_bytes, limit_bytes // 8))
        self.lock = threading.RLock()
        self.counters = Counters()
        self.losses: list[Loss] = []  # not yet told to the person who asks: see take_losses
        self.damage: list[str] = []  # what was cut on opening
        self._skipped: list[Loss] = []  # numbers given while the disk was full, not yet written
        self._guard = lock_folder(folder)
        self._sizes: dict[int, int] = {}
        self.acked, self.cuts = self._load_shipped()
        self._issued = 0  # of the cuts, how many were handed out since opening
        try:
            self._recover()
        except OSError as error:
            raise SpoolError(f"the spool {folder} cannot be opened: {error}") from error

    # What inputs do

    @property
    def incarnation(self) -> str:
        return self.counters.incarnation

    def position(self, key: str) -> Any:
        """Where an input was when its last record was taken, or None."""
        return self.counters.positions.get(key)

    def append(
        self,
        stream: str,
        source: str,
        payloads: Sequence[bytes],
        *,
        collected_at: int,
        positions: Mapping[str, Any] | None = None,
    ) -> None:
        """Number the payloads and keep them, together with the input's positions.

        Args:
            collected_at: µs since 1970-01-01T00:00Z.
            positions: input key to anything JSON can hold.

        Raises:
            SpoolError: the disk does not take it; nothing was kept and no number was used.
        """
        with self.lock:
            first = self.counters.last.get(stream, 0) + 1
            pack = wire.FRAME.pack
            block = b"".join(
                part
                for number, payload in enumerate(payloads, first)
                for part in (pack(wire.RECORD, 0, number, collected_at, len(payload)), payload)
            )
            head: dict[str, Any] = {"positions": positions} if positions else {}
            if payloads:
                last = first + len(payloads) - 1
                head |= {"stream": stream, "source": source, "first": first, "last": last}
            self._write_skipped(collected_at)
            self._put(head, block)
            if sum(self._sizes.values()) > self.limit_bytes:
                with contextlib.suppress(SpoolError):  # tried again after the next append
                    self._drop(collected_at)

    def commit(self, positions: Mapping[str, Any]) -> None:
        """Keep positions alone."""
        self.append("", "", (), collected_at=0, positions=positions)

    def skip(self, stream: str, source: str, count: int, reason: str) -> None:
        """Give ``count`` numbers to records that cannot be kept: they become a named loss."""
        with self.lock:
            first = self.counters.last.get(stream, 0) + 1
            last = first + count - 1
            self.counters.last[stream] = last
            self._skipped = joined([*self._skipped, Loss(stream, source, first, last, reason)])

    def take_losses(self) -> list[Loss]:
        """The losses named since the last call, for a notice to people."""
        if not self.losses:
            return []
        with self.lock:
            told, self.losses = self.losses, []
            return told

    # What the shipper does

    def next_batch(self, limit_bytes: int) -> Batch | None:
        """The next batch to send, on disk for certain; the same again after a restart.

        A batch holds at least one frame, and further ones while it stays under ``limit_bytes``.
        """
        with self.lock:
            start = self.cuts[self._issued - 1] if self._issued else self.acked
            planned = self.cuts[self._issued] if self._issued < len(self.cuts) else None
            found, end = self._collect(start, planned, limit_bytes)
            if not found:
                if planned is None:
                    return None
                self.cuts = self.cuts[: self._issued]  # what it held was dropped meanwhile
                return self.next_batch(limit_bytes)
            os.fsync(self._descriptor)
            if planned is None:
                self.cuts.append(end)
                self._save_shipped()
            self._issued += 1
            return Batch(end, found)

    def acknowledge(self, batch: Batch) -> None:
        """Forget the oldest batch that was handed out."""
        with self.lock:
            self.acked = self.cuts.pop(0)
            self._issued -= 1
            if self.acked != batch.end:
                raise ValueError(f"{batch.end} acknowledged before {self.acked}")
            self._save_shipped()
            for number in [one for one in self._sizes if one < self.acked[0]]:
                self._remove(number)

    def rewind(self) -> None:
        """Hand out the batches that are not acknowledged once more."""
        with self.lock:
            self._issued = 0

    def is_shipped(self) -> bool:
        """Whether everything was acknowledged."""
        with self.lock:
            return not self._collect(self.acked, None, 1)[0]

    def waiting_bytes(self) -> int:
        """Bytes on disk that are not yet acknowledged, snapshots included."""
        with self.lock:
            waiting = sum(size for one, size in self._sizes.items() if one >= self.acked[0])
            return max(0, waiting - (self.acked[1] if self.acked[0] in self._sizes else 0))

    def close(self) -> None:
        with self.lock:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            os.close(self._guard)

    # Segments

    def _recover(self) -> None:
        numbers = segments.segment_numbers(self.folder)
        newest_good = 0
        holes: list[Loss] = []
        for number in numbers:
            before = dict(self.counters.last)
            good, first = self._scan(number)
            if first is not None and newest_good:
                # A snapshot that is ahead of the frames before it names what damage has taken.
                holes += holes_between(before, first.get("last", {}))
            if good:
                newest_good = number
            self._sizes[number] = good
        self._open_newest(newest_good)
        done = [one for one in self._sizes if one < self.acked[0] and one != self._current]
        for number in [self.counters.dropped, *done]:
            self._remove(number)
        if holes:
            self._put_losses(holes, 0)

    def _scan(self, number: int) -> tuple[int, Mapping[str, Any] | None]:
        """Read a segment into the counters; its good bytes, and its snapshot."""
        good, snapshot = 0, None
        for frame in segments.frames(self.folder, number):
            if good == 0:
                snapshot = frame.head.get("snapshot")
            self.counters.take(frame.head)
            good = frame.end[1]
        torn = segments.segment_path(self.folder, number).stat().st_size - good
        if torn:
            self.damage.append(f"segment {number} was cut at byte {good}, {torn} bytes torn")
            os.truncate(segments.segment_path(self.folder, number), good)
        return good, snapshot

    def _open_newest(self, newest: int) -> None:
        sent = self.cuts[-1] if self.cuts else self.acked
        if not newest or sent > (newest, self._sizes[newest]):
            if sent > (0, 0):
                self.damage.append("what was sent is no longer in the spool: a new count begins")
            positions = self.counters.positions
            self.counters = Counters(secrets.token_hex(16), {}, positions)
            fresh = max([*self._sizes, sent[0], 0]) + 1
            self._start_segment(fresh)
            self.acked, self.cuts = (fresh, 0), []
            self._save_shipped()
            for number in [one for one in self._sizes if one < fresh]:
                self._remove(number)
            return
        for number in [one for one in self._sizes if one > newest]:
            self._remove(number)
        path = segments.segment_path(self.folder, newest)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        self._current = newest

    def _start_segment(self, number: int) -> None:
        content = segments.encode_frame(self.counters.snapshot())
        path = segments.segment_path(self.folder, number)
        segments.write_durably(path, content)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        self._current = number
        self._sizes[number] = len(content)

    def _roll(self) -> None:
        old = self._descriptor
        os.fsync(old)
        self._start_segment(self._current + 1)
        os.close(old)

    def _put(self, head: Mapping[str, Any], block: bytes) -> None:
        """Write one frame at the end, or nothing.

        Raises:
            SpoolError: the disk does not take it.
        """
        frame = segments.encode_frame(head, block)
        try:
            if self._sizes[self._current] + len(frame) > self.segment_bytes and self._has_records():
                self._roll()
            self._write(frame)
        except OSError as error:
            os.ftruncate(self._descriptor, self._sizes[self._current])
            raise SpoolError(f"the spool {self.folder} cannot be written: {error}") from error
        self._sizes[self._current] += len(frame)
        self.counters.take(head)

    def _write(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def _has_records(self) -> bool:
        """Whether the current segment holds more than its snapshot."""
        first = segments.read_frame(self._descriptor, self._current, 0)
        return first is not None and first.end[1] < self._sizes[self._current]

    def _remove(self, number: int) -> None:
        segments.segment_path(self.folder, number).unlink(missing_ok=True)
        self._sizes.pop(number, None)

    def _collect(
        self, start: Place, planned: Place | None, limit_bytes: int
    ) -> tuple[list[Frame], Place]:
        """The frames to ship from ``start``: up to ``planned``, or up to about ``limit_bytes``."""
        found: list[Frame] = []
        size, end = 0, start
        for number in sorted(one for one in self._sizes if one >= start[0]):
            offset = start[1] if number == start[0] else 0
            for frame in segments.frames(self.folder, number, offset):
                if planned is not None and frame.end > planned:
                    return found, planned
                if planned is None and found and size + len(frame.block) > limit_bytes:
                    return found, end
                if frame.is_shipped:
                    found.append(frame)
                    size += len(frame.block)
                    end = frame.end
        return found, end if planned is None else planned

    # Losses

    def _drop(self, collected_at: int) -> None:
        """Give up the oldest segment that is not in flight, naming what was in it."""
        if len(self._sizes) == 1:
            self._roll()
        in_flight = self.cuts[-1][0] if self.cuts else 0
        candidates = [one for one in sorted(self._sizes) if in_flight < one < self._current]
        if not candidates:
            return
        number = candidates[0]
        reason = f"the spool reached its limit of {self.limit_bytes} bytes"
        # One frame: after a kill the segment is either still to be sent or named as lost.
        self._put_losses(self._unacknowledged(number, reason), collected_at, dropped=number)
        self._remove(number)

    def _unacknowledged(self, number: int, reason: str) -> list[Loss]:
        offset = self.acked[1] if number == self.acked[0] else 0
        found: list[Loss] = []
        for frame in segments.frames(self.folder, number, offset):
            head = frame.head
            if "first" in head:
                numbers = head["first"], head["last"]
                found.append(Loss(head["stream"], head["source"], *numbers, reason))
            for index, first, last, why in head.get("losses", ()):
                stream, source = frame.streams[index]
                found.append(Loss(stream, source, first, last, why))
        return joined(found)

    def _put_losses(self, losses: Sequence[Loss], collected_at: int, dropped: int = 0) -> None:
        """Write losses as one frame, with the segment that was dropped for them if there is one."""
        block = b"".join(
            wire.encode_record(
                wire.loss(one.first, one.last, one.reason, collected_at=collected_at, stream=index)
            )
            for index, one in enumerate(losses)
        )
        head: dict[str, Any] = {
            "streams": [[one.stream, one.source] for one in losses],
            "losses": [
                [index, one.first, one.last, one.reason] for index, one in enumerate(losses)
            ],
        }
        self._put(head | ({"dropped": dropped} if dropped else {}), block)
        self.losses += losses

    def _write_skipped(self, collected_at: int) -> None:
        if self._skipped:
            self._put_losses(self._skipped, collected_at)
            self._skipped = []

    # What was acknowledged

    def _load_shipped(self) -> tuple[Place, list[Place]]:
        """The place up to which all is acknowledged, and the ends of the batches in flight."""
        path = self.folder / "shipped.json"
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            state = json.loads(path.read_bytes())
            cuts = [(int(number), int(offset)) for number, offset in state["cuts"]]
            number, offset = state["acked"]
            return (int(number), int(offset)), cuts
        return (0, 0), []  # missing or torn by a power cut: all is sent again, and recognised

    def _save_shipped(self) -> None:
        path = self.folder / "shipped.json"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"acked": self.acked, "cuts": self.cuts}))
        beside.replace(path)
