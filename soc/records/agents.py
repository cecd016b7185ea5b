"""Rows of agents: enrolment tokens, identities, what each stream has sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class EnrolmentTokenRow(OfAgency, Base):
    """A token is shown once; its SHA-256 is kept."""

    __tablename__ = "enrolment_tokens"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    system_id: Mapped[str | None] = mapped_column(String(40))
    group: Mapped[str] = mapped_column(String(80), default="default")
    kind: Mapped[str] = mapped_column(String(20), default="endpoint")  # endpoint, relay
    prefixes: Mapped[list[Any]] = mapped_column(default=list)  # a relay may stamp only within these
    uses_left: Mapped[int] = mapped_column(default=1)
    expires_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime]


class AgentRow(OfAgency, Base):
    __tablename__ = "agents"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))  # host name
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))  # Ed25519, raw
    kind: Mapped[str] = mapped_column(String(20), default="endpoint")
    group: Mapped[str] = mapped_column(String(80), default="default")
    system_id: Mapped[str | None] = mapped_column(String(40))
    prefixes: Mapped[list[Any]] = mapped_column(default=list)
    operating_system: Mapped[str] = mapped_column(String(200), default="")
    version: Mapped[str] = mapped_column(String(40), default="")
    enrolled_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    clock_offset_seconds: Mapped[float] = mapped_column(default=0.0)
    blind_spots: Mapped[list[Any]] = mapped_column(default=list)  # what it says it cannot see


class StreamRow(OfAgency, Base):
    """What of one stream has arrived: sorted, disjoint [first, last] pairs; losses that the agent named."""

    __tablename__ = "streams"
    agent_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incarnation: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    source: Mapped[str] = mapped_column(String(80), default="")
    ranges: Mapped[list[Any]] = mapped_column(default=list)
    losses: Mapped[list[Any]] = mapped_column(default=list)  # [first, last, reason]
    records: Mapped[int] = mapped_column(default=0)
    last_received_at: Mapped[datetime | None]
    last_observed_at: Mapped[datetime | None]
