"""Rows of periodic reports: each duty of the calendar, and the revisions that were made for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base


class ReportDutyRow(Base):
    """A report owed for one period. What the calendar said of it on the day it was planned stays with it."""

    __tablename__ = "report_duties"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)  # monitoring-daily.2026-11-27
    obligation: Mapped[str] = mapped_column(String(40), index=True)
    title: Mapped[str] = mapped_column(String(300))
    title_vi: Mapped[str] = mapped_column(String(300))
    basis: Mapped[str] = mapped_column(String(300))
    owner_role: Mapped[str] = mapped_column(String(40))
    recipient: Mapped[str] = mapped_column(String(200))
    content: Mapped[str] = mapped_column(String(40))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # outside the period
    due_at: Mapped[datetime] = mapped_column(index=True)  # the first minute that is too late
    state: Mapped[str] = mapped_column(String(20), default="planned", index=True)
    revision: Mapped[int] = mapped_column(default=0)  # the newest; 0: none yet
    first_sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ReportRevisionRow(Base):
    """One making of a report. It is never changed in what it says: a correction is another row."""

    __tablename__ = "report_revisions"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    duty_id: Mapped[str] = mapped_column(String(80), index=True)
    revision: Mapped[int]
    reason: Mapped[str] = mapped_column(Text, default="")  # of a correction
    content: Mapped[bytes] = mapped_column(LargeBinary)  # JSON: figures with their queries and ids
    sha256: Mapped[str] = mapped_column(String(64))
    read_at: Mapped[datetime]  # when the records were read
    made_by: Mapped[str] = mapped_column(String(80))
    approved_by: Mapped[str] = mapped_column(String(80), default="")
    approved_at: Mapped[datetime | None]
    sent_by: Mapped[str] = mapped_column(String(80), default="")
    sent_at: Mapped[datetime | None]
    reference: Mapped[str] = mapped_column(String(200), default="")  # số, ký hiệu; or the channel
    __table_args__ = (UniqueConstraint("duty_id", "revision"),)
