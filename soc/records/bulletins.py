"""Rows of bulletins, of their mails, and of what agencies answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class BulletinRow(Base):
    """A bulletin. ``written`` is its text as JSON, frozen with its hash when it is approved."""

    __tablename__ = "bulletins"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # BT-2026-0001
    year: Mapped[int]
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), default="draft", index=True)
    title: Mapped[str] = mapped_column(String(300))
    written: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(String(64))  # of ``written``
    author: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    submitted_by: Mapped[str] = mapped_column(String(80), default="")
    approved_by: Mapped[str] = mapped_column(String(80), default="")
    approved_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(String(80), default="")
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (UniqueConstraint("year", "number"),)


class BulletinRecipientRow(OfAgency, Base):
    """One agency that a bulletin went to, and what it answered."""

    __tablename__ = "bulletin_recipients"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    bulletin_id: Mapped[str] = mapped_column(String(40), index=True)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(80), default="")
    answer: Mapped[str] = mapped_column(String(20), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str] = mapped_column(String(80), default="")
    __table_args__ = (UniqueConstraint("bulletin_id", "agency_id"),)


class BulletinMailRow(OfAgency, Base):
    """A mail to one agency: each kind at most once."""

    __tablename__ = "bulletin_mails"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    bulletin_id: Mapped[str] = mapped_column(String(40), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="waiting", index=True)
    addresses: Mapped[list[Any]] = mapped_column(default=list)
    message_id: Mapped[str] = mapped_column(String(200))
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(
        index=True
    )  # of a mail being sent: the end of its lease
    first_try_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("bulletin_id", "agency_id", "kind"),)
