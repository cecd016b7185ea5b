"""Rows of indicators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class IndicatorRow(OfAgency, Base):
    """One warning by one source; the same value, source and agency is the same row, renewed by the newest message.

    ``agency_id`` None: for the whole province. ``held_back`` counts hits that made no alert, and ``held_because`` says
    why the last of them did not.
    """

    __tablename__ = "indicators"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), index=True)
    value: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(String(120), index=True)
    tlp: Mapped[str] = mapped_column(String(20))
    level: Mapped[str] = mapped_column(String(20))
    note: Mapped[str] = mapped_column(Text, default="")
    valid_from: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    version: Mapped[int] = mapped_column(
        default=1
    )  # grows with each change; the doors look at the sum
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(80), default="")
    withdrawn_because: Mapped[str] = mapped_column(Text, default="")
    held_back: Mapped[int] = mapped_column(default=0)
    held_because: Mapped[str] = mapped_column(Text, default="")


class RetroWindowRow(Base):
    """Some indicators to be looked for in the events of one day: a window of the ledger.

    ``state`` is owed, done or failed (and tried again). ``agency_id`` is not kept: each indicator knows its own.
    """

    __tablename__ = "retro_windows"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    indicators: Mapped[list[Any]] = mapped_column(default=list)  # ids
    start: Mapped[datetime]
    end: Mapped[datetime]  # of ``observed_at``, exclusive
    state: Mapped[str] = mapped_column(String(20), default="owed", index=True)
    due_at: Mapped[datetime] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    hits: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
