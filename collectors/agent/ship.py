"""Shipping: batches leave the spool in order and are sent until the platform says they are stored."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from collectors.agent import wire
from collectors.agent.errors import LinkError
from collectors.agent.identity import Identity
from collectors.agent.link import Answer, Link
from collectors.agent.notices import Notices, microseconds
from collectors.agent.parcel import Parcel, parcel_of
from collectors.agent.spool import Batch, Spool

LEAST_BATCH_BYTES = 64 * 1024
LONGEST_WAIT_SECONDS = 60.0
REFUSED_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Tally:
    """What was shipped since the start."""

    batches: int = 0
    records: int = 0
    resent: int = 0
    refused: int = 0
    wire_bytes: int = 0
    last_answer: str = ""
    last_acknowledged_at: str = ""


@dataclass(slots=True)
class Shipper:
    """Sends what is in the spool. ``lanes`` batches may be on the way at once, acknowledged in order."""

    spool: Spool
    identity: Identity
    open_link: Callable[[], Link]
    notices: Notices
    refused: Path  # folder
    host: str
    zone: str
    lanes: int = 1
    batch_bytes: int = 1024 * 1024  # before compression
    linger_seconds: float = 0.4  # waits for company, once a record is there
    level: int = 3  # of zstd
    tally: Tally = field(default_factory=Tally)
    stop: threading.Event = field(default_factory=threading.Event)
    drain: threading.Event = field(default_factory=threading.Event)
    wake: threading.Event = field(default_factory=threading.Event)
    commands: threading.Event = field(default_factory=threading.Event)  # some wait at the platform
    offset_seconds: float = 0.0  # the platform's clock minus ours
    _local: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _links: list[Link] = field(default_factory=list)

    def run(self) -> None:
        """Ship until ``stop`` is set, or, once ``drain`` is set, until the spool is empty."""
        flying: deque[tuple[Batch, Future[bool]]] = deque()
        with ThreadPoolExecutor(self.lanes, "ship") as pool:
            while not self.stop.is_set():
                batch = self.spool.next_batch(self.batch_bytes) if self._has_lane(flying) else None
                if batch is not None:
                    flying.append((batch, pool.submit(self._deliver, parcel_of(batch.frames))))
                elif flying:
                    self._land(flying)
                elif self.drain.is_set():
                    return
                elif self.wake.wait(1.0):
                    self.wake.clear()
                    self.stop.wait(self.linger_seconds)
            self._land_what_arrived(flying)

    def abort(self) -> None:
        """Stop now: what is on the way is broken off, and sent again after the next start."""
        self.stop.set()
        self.wake.set()
        for link in self._links:
            link.abort()

    def close(self) -> None:
        """Close the connections, once nothing runs any more."""
        for link in self._links:
            link.close()

    def _has_lane(self, flying: deque[tuple[Batch, Future[bool]]]) -> bool:
        return len(flying) < self.lanes

    def _land(self, flying: deque[tuple[Batch, Future[bool]]]) -> None:
        """Wait for the oldest batch; forget it when it was stored or refused."""
        batch, verdict = flying[0]
        if verdict.result():
            flying.popleft()
            self.spool.acknowledge(batch)

    def _land_what_arrived(self, flying: deque[tuple[Batch, Future[bool]]]) -> None:
        while flying and flying[0][1].result():
            self.spool.acknowledge(flying.popleft()[0])

    def _deliver(self, parcel: Parcel) -> bool:
        """Send until the platform has decided; False if the agent stops first."""
        tries = 0
        while not self.stop.is_set():
            if tries:
                self.tally.resent += 1
            try:
                answer = self._send(parcel)
            except LinkError as error:
                self.tally.last_answer = str(error)
                self.stop.wait(_backoff(tries))
                tries += 1
                continue
            self.tally.last_answer = (
                f"{answer.status} {answer.reason if answer.status >= 300 else ''}"
            )
            if answer.status == 200:
                self._count(parcel)
                if answer.facts().get("commands"):
                    self.commands.set()
                return True
            if answer.status == 400:
                self._refuse(parcel, answer)
                return True
            if answer.status == 413:
                return self._halve(parcel, answer)
            if answer.status == 401 and self._correct_clock(answer):
                continue
            self.stop.wait(_wait_for(answer, tries))
            tries += 1
        return False

    def _send(self, parcel: Parcel) -> Answer:
        now = datetime.now(UTC)
        body = self._pack(parcel, now)
        headers = self.identity.sign(
            "POST", "/v1/batches", body, created=int(now.timestamp() + self.offset_seconds)
        )
        headers |= {"Content-Type": wire.CONTENT_TYPE, "Content-Encoding": "zstd"}
        with self._lock:
            self.tally.wire_bytes += len(body)
        return self._link().request("POST", "/v1/batches", body, headers)

    def _pack(self, parcel: Parcel, now: datetime) -> bytes:
        header = wire.Header(
            self.spool.incarnation, self.host, self.zone, microseconds(now), parcel.streams
        )
        plain = wire.encode_header(header) + parcel.block
        if not hasattr(self._local, "compressor"):
            self._local.compressor = zstandard.ZstdCompressor(level=self.level)
        packed: bytes = self._local.compressor.compress(plain)
        return packed

    def _link(self) -> Link:
        if not hasattr(self._local, "link"):
            self._local.link = self.open_link()
            self._links.append(self._local.link)
        link: Link = self._local.link
        return link

    def _count(self, parcel: Parcel) -> None:
        with self._lock:
            self.tally.batches += 1
            self.tally.records += parcel.records
            self.tally.last_acknowledged_at = datetime.now(UTC).isoformat()

    def _halve(self, parcel: Parcel, answer: Answer) -> bool:
        """Send the two halves, one after the other; a single record goes to ``refused/``."""
        halves = parcel.halves()
        if halves is None:
            self._refuse(parcel, answer)
            return True
        self.batch_bytes = max(LEAST_BATCH_BYTES, min(self.batch_bytes, len(parcel.block) // 2))
        return all(self._deliver(half) for half in halves)

    def _correct_clock(self, answer: Answer) -> bool:
        """Take the platform's clock for signatures; whether that changed anything."""
        theirs = answer.facts().get("platform_time")
        if not isinstance(theirs, int):
            return False
        offset = (theirs - microseconds(datetime.now(UTC))) / 1e6
        if abs(offset - self.offset_seconds) < 30:
            return False
        self.offset_seconds = offset
        self.notices.tell(
            "clock",
            f"this clock differs from the platform's by {offset:.0f} s",
            offset_seconds=round(offset),
        )
        return True

    def _refuse(self, parcel: Parcel, answer: Answer) -> None:
        """Keep the batch for a person to look at, and say so."""
        now = datetime.now(UTC)
        self.refused.mkdir(exist_ok=True, mode=0o700)
        name = now.strftime("%Y%m%dT%H%M%S.%fZ")
        path = self.refused / f"{name}.batch.zst"
        path.write_bytes(self._pack(parcel, now))
        facts = {"status": answer.status, "reason": answer.reason, **answer.facts()}
        path.with_suffix(".json").write_text(json.dumps(facts, ensure_ascii=False))
        with self._lock:
            self.tally.refused += 1
        gone = _tidy(self.refused)
        self.notices.tell(
            "batch_refused",
            f"the platform refused a batch of {parcel.records} records: {answer.reason}",
            reason=answer.reason,
            status=answer.status,
            stored=answer.facts().get("stored"),
            records=parcel.records,
            file=str(path),
            removed_older=gone,
        )


def _backoff(tries: int) -> float:
    """Seconds to wait after the n-th failure: doubling, with jitter."""
    return float(min(LONGEST_WAIT_SECONDS, 0.25 * 2 ** min(tries, 10)) * random.uniform(0.5, 1.0))


def _wait_for(answer: Answer, tries: int) -> float:
    """Seconds to wait: what ``Retry-After`` says (and a little more), else a backoff."""
    with contextlib.suppress(ValueError):
        asked = float(answer.headers.get("retry-after", ""))
        return min(max(asked, 0.05), 3600.0) * random.uniform(1.0, 1.1)
    return _backoff(tries + (4 if answer.status == 401 else 0))


def _tidy(folder: Path) -> int:
    """Keep ``refused/`` under its limit, the newest last to go; how many files went."""
    files = sorted(folder.iterdir(), key=lambda path: path.name, reverse=True)
    total, gone = 0, 0
    for path in files:
        total += path.stat().st_size
        if total > REFUSED_LIMIT_BYTES:
            path.unlink()
            gone += 1
    return gone
