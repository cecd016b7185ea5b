"""Rows of correlations: what matches contribute, the runs found, and what is still owed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.model.event import Part
from soc.records.database import Base, OfAgency


class CorrelationEntryRow(OfAgency, Base):
    """One match in one group of one correlation. ``number`` grows: what is above the cursor has not been looked at.

    ``at`` is µs since 1970, the source's time. ``below`` is empty, or names the group of the correlation below whose
    moment this is.
    """

    __tablename__ = "correlation_entries"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    correlation_id: Mapped[str] = mapped_column(String(40))
    group_key: Mapped[str] = mapped_column(String(32))  # hash of ``group``
    group: Mapped[str] = mapped_column(Text)
    at: Mapped[int] = mapped_column(BigInteger)
    rule_id: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(32))
    value: Mapped[Any] = mapped_column(JSON, nullable=True)
    starts: Mapped[bool] = mapped_column(default=True)
    carried: Mapped[dict[str, Any]] = mapped_column(default=dict)
    below: Mapped[str] = mapped_column(String(32), default="")
    host: Mapped[str] = mapped_column(String(200), default="")
    system_id: Mapped[str | None] = mapped_column(String(40))
    system_level: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime]
    __table_args__ = (
        Index("correlation_entries_group", "correlation_id", "group_key", "at"),
        Index("correlation_entries_below", "below", "at"),
    )


class CorrelationRunRow(OfAgency, Base):
    """A run that is or was an alert's reason. ``signal_id`` is its signal; ``told`` counts its signals so far.

    ``since``, ``first`` and ``last`` are µs since 1970. A withdrawn run says why; it is never deleted.
    """

    __tablename__ = "correlation_runs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    correlation_id: Mapped[str] = mapped_column(String(40))
    group_key: Mapped[str] = mapped_column(String(32))
    group: Mapped[str] = mapped_column(Text)
    since: Mapped[int] = mapped_column(BigInteger)
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[int] = mapped_column(BigInteger)  # the last µs whose entries belong to it
    entries: Mapped[int] = mapped_column(default=0)
    signal_id: Mapped[str] = mapped_column(String(32))
    told: Mapped[int] = mapped_column(default=1)
    withdrawn_at: Mapped[datetime | None]
    withdrawn_because: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (Index("correlation_runs_group", "correlation_id", "group_key", "last"),)


class CorrelationOwedRow(Base):
    """A window to be judged when it has closed, or again after a fault: (rule, group, window) of the ledger.

    ``state`` is owed or failed; a row that is done is deleted.
    """

    __tablename__ = "correlation_owed"
    correlation_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    group_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    start: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    end: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(20), default="owed")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")


class CorrelationCursorRow(Base):
    """How far the entries have been looked at: one row."""

    __tablename__ = "correlation_cursor"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    evaluated_at: Mapped[datetime]


def hash_of(*parts: str) -> str:
    """32 hex digits."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def entry_row(part: Part, *, key: str, at: int, **more: Any) -> dict[str, Any]:
    """The columns of an entry; the same match in the same group with the same value is the same row.

    Args:
        key: names the match (its signal's id).
        at: µs since 1970.
    """
    return {
        "id": hash_of(part.correlation_id, part.group, key, repr(part.value)),
        "correlation_id": part.correlation_id,
        "group_key": hash_of(part.group),
        "group": part.group,
        "at": at,
        "value": part.value,
        "carried": part.carried,
        "starts": True,
        "below": "",
        **more,
        "host": str(more["host"])[:200],
    }
