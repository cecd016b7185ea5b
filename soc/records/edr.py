"""Rows of the EDR feed: what each machine's protection is like, what was detected, and how far the events were read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class EdrMachineRow(OfAgency, Base):
    """A product on a machine. Each ``..._at`` is when the source said it: an older row never replaces a newer one."""

    __tablename__ = "edr_machines"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # of agency, key and product
    key: Mapped[str] = mapped_column(String(200), index=True)  # the machine's name, folded
    machine: Mapped[str] = mapped_column(String(200))
    product: Mapped[str] = mapped_column(String(120))
    version: Mapped[str] = mapped_column(String(80), default="")
    version_at: Mapped[datetime | None]
    protection: Mapped[str] = mapped_column(String(8), default="")  # on, off, empty: never said
    protection_at: Mapped[datetime | None]
    signature_date: Mapped[datetime | None]
    signature_at: Mapped[datetime | None]
    last_contact: Mapped[datetime | None] = mapped_column(index=True)


class EdrDetectionRow(OfAgency, Base):
    """One detection, however often and by however many ways it was told."""

    __tablename__ = "edr_detections"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # of what is told apart
    machine_key: Mapped[str] = mapped_column(String(200), default="")
    machine: Mapped[str] = mapped_column(String(200), default="")
    product: Mapped[str] = mapped_column(String(120), default="")
    at: Mapped[datetime] = mapped_column(index=True)
    threat: Mapped[str] = mapped_column(String(400))
    threat_type: Mapped[str] = mapped_column(String(120), default="")
    path: Mapped[str] = mapped_column(Text, default="")
    hash: Mapped[str] = mapped_column(String(64), default="")  # the longest that was told
    action: Mapped[str] = mapped_column(String(20), default="unknown")
    user: Mapped[str] = mapped_column(String(200), default="")
    event_id: Mapped[str] = mapped_column(String(32))  # one of the events that told it
    __table_args__ = (Index("ix_edr_detections_hash", "hash"),)


class EdrReadingRow(Base):
    """How far the stored events have been read into the two tables; saved with them."""

    __tablename__ = "edr_reading"
    id: Mapped[int] = mapped_column(primary_key=True)
    cursor: Mapped[str] = mapped_column(Text, default="")
    read_to: Mapped[datetime]  # arrival
    events: Mapped[int] = mapped_column(default=0)
