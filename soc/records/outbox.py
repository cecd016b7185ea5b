"""Rows of the outbox: what is owed to somebody outside, each try, and the receipt."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class OutboxRow(OfAgency, Base):
    """A message waits, is sent (``state`` sent, with a receipt), or is dead after its last try."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    channel: Mapped[str] = mapped_column(String(40))  # the adapter: national_http, mail, ...
    recipient: Mapped[str] = mapped_column(String(200))
    subject: Mapped[str] = mapped_column(String(300))
    document_id: Mapped[str | None] = mapped_column(String(40))
    case_id: Mapped[str | None] = mapped_column(String(40), index=True)
    obligation_id: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(
        String(20), default="waiting", index=True
    )  # waiting sending sent dead
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    sent_at: Mapped[datetime | None]
    receipt: Mapped[dict[str, Any]] = mapped_column(default=dict)
