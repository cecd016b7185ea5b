"""Rows of jobs. The row is the truth; a thread or Celery only executes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base


class JobRow(Base):
    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), index=True)
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    scope: Mapped[list[Any] | None]  # agency ids; None: the whole province
    actor: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(
        String(20), default="waiting", index=True
    )  # waiting running done failed cancelled
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(index=True)
    lease_until: Mapped[datetime | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(120), unique=True)
    error: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class HeartbeatRow(Base):
    """What each process of the site last said of itself, for the health page."""

    __tablename__ = "heartbeats"
    process: Mapped[str] = mapped_column(String(40), primary_key=True)  # door desk work
    at: Mapped[datetime]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RuleStateRow(Base):
    """What the last compile said of each rule, and its health."""

    __tablename__ = "rule_states"
    rule_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    title: Mapped[str] = mapped_column(String(300))
    title_vi: Mapped[str] = mapped_column(String(300), default="")
    level: Mapped[str] = mapped_column(String(20))
    path: Mapped[str] = mapped_column(String(400))
    state: Mapped[str] = mapped_column(String(20))  # active refused cannot_match
    reason: Mapped[str] = mapped_column(Text, default="")
    pack_digest: Mapped[str] = mapped_column(String(64), default="")
    last_match_at: Mapped[datetime | None]
    matches: Mapped[int] = mapped_column(default=0)
