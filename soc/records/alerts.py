"""Rows of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class AlertRow(OfAgency, Base):
    """Signals joined by rule and entity. A signal after closing opens a new alert linked by ``follows_id``."""

    __tablename__ = "alerts"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # CB-000001
    number: Mapped[int] = mapped_column(unique=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    title: Mapped[str] = mapped_column(String(300))
    title_vi: Mapped[str] = mapped_column(String(300), default="")
    severity: Mapped[str] = mapped_column(String(20), index=True)
    priority: Mapped[int] = mapped_column(index=True)  # 0-100: severity x asset x security level
    entity: Mapped[str] = mapped_column(String(400))
    system_id: Mapped[str | None] = mapped_column(String(40), index=True)
    system_level: Mapped[int] = mapped_column(default=0)
    host: Mapped[str] = mapped_column(String(200), default="", index=True)
    summary: Mapped[str] = mapped_column(
        Text, default=""
    )  # the command line or what else tells most
    fields: Mapped[dict[str, Any]] = mapped_column(
        default=dict
    )  # matched fields of the last signal
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)  # our clock
    signals: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(String(20), default="new", index=True)
    disposition: Mapped[str] = mapped_column(String(30), default="")
    close_reason: Mapped[str] = mapped_column(Text, default="")
    assignee: Mapped[str] = mapped_column(String(80), default="")
    acknowledged_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    case_id: Mapped[str | None] = mapped_column(String(40), index=True)
    follows_id: Mapped[str | None] = mapped_column(String(40))
    withdrawn_at: Mapped[datetime | None]  # every reason for it turned out not to hold
    __table_args__ = (Index("alerts_open", "rule_id", "entity", "status"),)
