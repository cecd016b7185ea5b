"""Rows of batches, set-aside records and signals: what the door promises with its acknowledgement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class BatchRow(Base):
    """A batch opened (its ranges and signals are kept) and, when its events are stored, done."""

    __tablename__ = "batches"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of agent and content
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    received_at: Mapped[datetime]
    ranges: Mapped[list[Any]] = mapped_column(default=list)  # [incarnation, stream, first, last]
    content_sha256: Mapped[str] = mapped_column(
        String(64), default=""
    )  # of the decompressed records
    rules_digest: Mapped[str] = mapped_column(String(64), default="")
    done: Mapped[bool] = mapped_column(default=False)


class SetAsideRow(OfAgency, Base):
    """A record that could not be read, with its bytes; replayed after the reader is mended."""

    __tablename__ = "set_aside"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    incarnation: Mapped[str] = mapped_column(String(40), default="")
    stream: Mapped[str] = mapped_column(String(300), default="")
    sequence: Mapped[int] = mapped_column(default=0)
    source: Mapped[str] = mapped_column(String(80), index=True)
    reason: Mapped[str] = mapped_column(Text)
    reader_version: Mapped[str] = mapped_column(String(40), default="")
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    host: Mapped[str] = mapped_column(String(200), default="")
    zone: Mapped[str] = mapped_column(
        String(80), default="Asia/Ho_Chi_Minh"
    )  # of times written without one
    received_at: Mapped[datetime] = mapped_column(index=True)
    replayed_at: Mapped[datetime | None]


class SignalRow(OfAgency, Base):
    """A rule matched an event, or a correlation holds. ``number`` grows, so the worker knows which are new."""

    __tablename__ = "signals"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    rule_title: Mapped[str] = mapped_column(String(300))
    level: Mapped[str] = mapped_column(String(20))
    event_id: Mapped[str] = mapped_column(String(32), index=True)
    observed_at: Mapped[datetime] = mapped_column(index=True)
    received_at: Mapped[datetime]
    system_id: Mapped[str | None] = mapped_column(String(40))
    system_level: Mapped[int] = mapped_column(default=0)
    host: Mapped[str] = mapped_column(String(200), default="")
    entity: Mapped[str] = mapped_column(String(400))
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    alert_id: Mapped[str | None] = mapped_column(String(40), index=True)
    since: Mapped[
        datetime | None
    ]  # of a correlation: its earliest event; ``observed_at`` is its latest
    withdrawn_at: Mapped[datetime | None]  # of a correlation that does not hold after all
    excepted_by: Mapped[str | None] = mapped_column(String(40), index=True)  # kept, and no alert
    suppressed_by: Mapped[str | None] = mapped_column(String(40), index=True)  # a repeat held back
    __table_args__ = (Index("signals_unjoined", "number", sqlite_where=alert_id.is_(None)),)
