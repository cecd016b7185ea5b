"""Rows of accounts: people, sessions, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class AccountRow(Base):
    """A person. ``agency_ids`` None is the whole province."""

    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)  # sign-in name
    full_name: Mapped[str] = mapped_column(String(200), default="")
    role: Mapped[str] = mapped_column(String(40))
    agency_ids: Mapped[list[Any] | None]
    password_hash: Mapped[str] = mapped_column(String(300))  # argon2id
    must_change: Mapped[bool] = mapped_column(default=False)
    totp_secret: Mapped[str] = mapped_column(String(64), default="")
    totp_last_step: Mapped[int] = mapped_column(
        default=0
    )  # 30 s step of the last code used: none twice
    language: Mapped[str] = mapped_column(String(5), default="")
    theme: Mapped[str] = mapped_column(String(10), default="")
    single_keys: Mapped[bool] = mapped_column(default=True)
    disabled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    failed_sign_ins: Mapped[int] = mapped_column(default=0)
    last_sign_in_at: Mapped[datetime | None]


class SessionRow(Base):
    """A signed-in browser or program; the cookie or header holds the token, the row its SHA-256."""

    __tablename__ = "sessions"
    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[str] = mapped_column(String(80), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(
        String(20), default="browser"
    )  # browser: a cookie; api: a bearer token
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(String(60), default="")
    user_agent: Mapped[str] = mapped_column(String(300), default="")


class AuditRow(OfAgency, Base):
    """Append-only and hash-chained: ``digest`` covers the row and the digest before it."""

    __tablename__ = "audit"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(index=True)
    actor: Mapped[str] = mapped_column(String(80), index=True)
    action: Mapped[str] = mapped_column(String(80))  # sign_in, alert.acknowledge, case.open, ...
    noun: Mapped[str] = mapped_column(String(40), default="")
    key: Mapped[str] = mapped_column(String(120), default="")
    address: Mapped[str] = mapped_column(String(60), default="")
    text: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
