"""Rows of suppressions: repeats of a rule's alerts that somebody has asked to be held back, and how many were."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class SuppressionRow(OfAgency, Base):
    """After one signal of a group, those of ``period_seconds`` after it make no alert. ``by``: its fields."""

    __tablename__ = "suppressions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # HN-0001
    number: Mapped[int] = mapped_column(unique=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    by: Mapped[list[Any]] = mapped_column(default=list)
    period_seconds: Mapped[int]
    system_id: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_by: Mapped[str] = mapped_column(String(80), default="")


class SuppressedGroupRow(OfAgency, Base):
    """One group of one suppression: the signal that was told last, and the counts since the beginning."""

    __tablename__ = "suppressed_groups"
    suppression_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    group_key: Mapped[str] = mapped_column(String(32), primary_key=True)  # hash of ``group``
    group: Mapped[str] = mapped_column(Text)  # JSON list: agency, then the values of ``by``
    told_at: Mapped[datetime]  # by the source's clock, as the periods are
    told_signal_id: Mapped[str] = mapped_column(String(32))
    told: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)
    last_held_at: Mapped[datetime | None]
