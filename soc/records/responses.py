"""Rows of response commands to agents, and of what the agents answered (raw, as evidence)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class ResponseCommandRow(OfAgency, Base):
    """One command to one agent. ``document`` and ``signature`` are there once it may go: the key is not in here."""

    __tablename__ = "response_commands"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(40), index=True)  # of one asking, maybe of many
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    host: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(40))
    verb: Mapped[str] = mapped_column(String(10))  # run, undo, dry_run
    measure_id: Mapped[str] = mapped_column(String(40), default="")  # what an undo takes back
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str] = mapped_column(Text)
    case_id: Mapped[str] = mapped_column(String(40), default="", index=True)
    asked_by: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime]
    approved_by: Mapped[str] = mapped_column(String(80), default="")  # empty: one person was enough
    approved_at: Mapped[datetime | None]
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime]
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    document: Mapped[bytes | None] = mapped_column(LargeBinary)
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    delivered_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(Text, default="")  # the agent's reason, in its words
    result_id: Mapped[str] = mapped_column(String(64), default="")
    evidence_sha256: Mapped[str] = mapped_column(String(64), default="")  # of a bundle in evidence/
    evidence_bytes: Mapped[int] = mapped_column(default=0)
    until: Mapped[datetime | None]  # when a measure in force ends by itself
    ended_at: Mapped[datetime | None]  # of a measure
    ended_how: Mapped[str] = mapped_column(Text, default="")


class ResponseResultRow(OfAgency, Base):
    """One answer as it came. ``proof`` has the headers of the agent's signature over it."""

    __tablename__ = "response_results"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of agent and bytes
    command_id: Mapped[str] = mapped_column(String(40), index=True)
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    sha256: Mapped[str] = mapped_column(String(64))  # of the bytes
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    proof: Mapped[dict[str, Any]] = mapped_column(default=dict)
