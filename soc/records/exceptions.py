"""Rows of exceptions to rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class ExceptionRow(OfAgency, Base):
    """``agency_id`` None: for the whole province. One that needs a second person waits until ``approved_by`` is set.

    ``where`` is a list of [field, how, [values]]. ``confirmed`` are the confirmed alerts that it would have hidden.
    """

    __tablename__ = "rule_exceptions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)  # NL-0001
    number: Mapped[int] = mapped_column(unique=True)
    rule_id: Mapped[str] = mapped_column(String(40), index=True)
    where: Mapped[list[Any]] = mapped_column(default=list)
    system_id: Mapped[str | None] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    confirmed: Mapped[list[Any]] = mapped_column(default=list)
    approved_by: Mapped[str] = mapped_column(String(80), default="")
    approved_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(String(80), default="")
    version: Mapped[int] = mapped_column(
        default=1
    )  # grows with each change; the doors look at the sum
