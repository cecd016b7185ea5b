"""Rows of the counters that look at every flow: one for each detector, and how far the events have been read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base


class BaselineRow(Base):
    """``state`` is what the detectors held when all events up to ``cursor`` and ``read_to`` had been seen."""

    __tablename__ = "baselines"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)  # of the watch
    since: Mapped[datetime]  # the earliest event that is read
    cursor: Mapped[str] = mapped_column(Text, default="")
    read_to: Mapped[datetime]  # arrival
    state: Mapped[bytes] = mapped_column(LargeBinary)
    events: Mapped[int] = mapped_column(default=0)
    findings: Mapped[int] = mapped_column(default=0)
    saved_at: Mapped[datetime]
