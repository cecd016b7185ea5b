"""Records that come without numbers, from other shippers' software: here they get theirs (docs/decisions/0011).

A shipper that gives each record an id is known by it again: the same id has the same number, so what comes twice is
stored once. A record without an id gets the next number each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from soc.model.scope import Scope
from soc.receive.batches import (
    Batch,
    Broken,
    Header,
    StreamName,
    WireRecord,
    batch_id,
    to_epoch_microseconds,
)
from soc.receive.streams import Loss, StreamState
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import BatchRow
from soc.records.database import Database
from soc.records.shippers import PostedIdRow, ShipperRow

NO_ID = b""
KEPT = timedelta(days=2)  # so late may a shipper send again what it had no answer for
_AT_ONCE = 500  # keys in one query
_DOOR = Scope.province("door")


@dataclass(frozen=True, slots=True)
class Post:
    """One record as it came; ``key`` is NO_ID, or ``key_of`` what its sender calls it."""

    raw: bytes
    key: bytes = NO_ID


@dataclass(slots=True)
class Posted:
    """What could be read of a request: its records, and pieces that are none."""

    posts: list[Post] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)


@dataclass(slots=True)
class PostedBatch(Batch):
    """A batch whose records have the number 0 until the ledger plans it. ``keys`` are theirs, in their order."""

    keys: tuple[bytes, ...] = ()

    def number(self, last: int, known: dict[bytes, int]) -> None:
        """Number the records from ``last`` + 1; those with a ``known`` key get its number, new keys become known."""
        records: list[WireRecord] = []
        for record, key in zip(self.records, self.keys, strict=True):
            number = known.get(key) if key else None
            if number is None:
                number = last = last + 1
            if key:
                known[key] = number
            records.append(replace(record, sequence=number))
        self.records = records
        self.id = batch_id(self.agent.id, self.header, self)

    def numbered(self) -> dict[bytes, int]:
        """The number of each key."""
        pairs = zip(self.keys, self.records, strict=True)
        return {key: record.sequence for key, record in pairs if key}


class PostedIds:
    """The numbers of keys that have come before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def numbers(self, agent_id: str, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Of those keys that are known."""
        wanted = sorted({key for key in keys if key})
        found: dict[bytes, int] = {}
        if not wanted:
            return found
        with self._database.session(_DOOR) as session:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                rows = session.execute(
                    select(PostedIdRow.key, PostedIdRow.number).where(
                        PostedIdRow.agent_id == agent_id, PostedIdRow.key.in_(some)
                    )
                )
                found |= {row.key: row.number for row in rows}
        return found


def key_of(*parts: str | bytes) -> bytes:
    """The key of what a sender calls a record, e.g. index and id; 16 bytes.

    >>> key_of("logs", "1") == key_of("log", "s1")
    False
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def batch_of(
    agent: AgentRow,
    incarnation: str,
    stream: StreamName,
    posted: Posted,
    *,
    zone: str,
    heard_at: datetime,
    host: str = "",
) -> PostedBatch:
    """The batch of one request. All that is known of the sender's clock is when the request came.

    ``host``: the machine that the records are about, where it is not the shipper's own.
    """
    heard = to_epoch_microseconds(heard_at)
    named = host.replace("\x00", "") or agent.name
    header = Header(incarnation, named[:200], zone, heard, [stream])
    raws = [post.raw for post in posted.posts]
    return PostedBatch(
        id="",
        agent=agent,
        header=header,
        content_sha256=_sha256_of(raws),
        records=[WireRecord(0, 0, heard, raw) for raw in raws],
        broken=posted.broken,
        reason="; ".join(dict.fromkeys(piece.reason for piece in posted.broken[:10])),
        size_bytes=sum(map(len, raws)) + sum(len(piece.raw) for piece in posted.broken),
        heard_at=heard_at,
        keys=tuple(post.key for post in posted.posts),
    )


def _sha256_of(raws: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for raw in raws:
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()


# ── what never came again ────────────────────────────────────────────────────────────────────────────────────────


def give_up(session: Session, now: datetime) -> int:
    """Name as lost what a door had in hand when it stopped and the shipper has not sent again; how many batches.

    Nobody was told that it is stored, so a sender with ids sends it again within ``KEPT``, and one without ids under
    new numbers. Ids that are older are forgotten.
    """
    session.execute(delete(PostedIdRow).where(PostedIdRow.received_at < now - KEPT))
    left = session.scalars(
        select(BatchRow).where(
            BatchRow.done.is_(False),
            BatchRow.received_at < now - KEPT,
            BatchRow.agent_id.in_(select(ShipperRow.agent_id)),
        )
    ).all()
    for batch in left:
        reason = f"in hand when the door stopped on {batch.received_at:%Y-%m-%d %H:%M}Z, and not sent again"
        for incarnation, stream, first, last in batch.ranges:
            row = session.get(StreamRow, (batch.agent_id, incarnation, stream))
            if row is not None:
                _name(row, Loss(first, last, reason))
        session.execute(update(BatchRow).where(BatchRow.id == batch.id).values(done=True))
    return len(left)


def _name(row: StreamRow, loss: Loss) -> None:
    received = StreamState.from_row(row).received
    if not received.covers(loss.first, loss.last):
        row.losses = [*row.losses, [loss.first, loss.last, loss.reason]]
