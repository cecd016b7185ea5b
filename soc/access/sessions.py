"""Sessions: a random token in the browser's cookie (or a program's header), its SHA-256 in a row."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from soc.records.accounts import AccountRow, SessionRow

LONGEST = timedelta(hours=8)  # from sign-in
IDLE = timedelta(hours=1)  # since the last use
NOTED_EVERY = timedelta(minutes=1)  # the last use is written no more often


@dataclass(frozen=True, slots=True)
class NewSession:
    """What the caller takes home; the token is never kept here."""

    token: str
    csrf: str
    account: str
    expires_at: datetime
    must_change: (
        bool  # the password was a one-time one: nothing else is permitted before it is changed
    )


def token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(
    session: Session,
    account: AccountRow,
    *,
    kind: str,
    address: str,
    user_agent: str,
    now: datetime,
) -> NewSession:
    """Keep a new session of the account; ``kind`` is browser or api."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    row = SessionRow(
        token_sha256=token_digest(token),
        account=account.name,
        csrf=csrf,
        kind=kind,
        created_at=now,
        expires_at=now + LONGEST,
        last_used_at=now,
        address=address[:60],
        user_agent=user_agent[:300],
    )
    session.add(row)
    return NewSession(token, csrf, account.name, row.expires_at, account.must_change)


def find_session(session: Session, token: str, *, kind: str, now: datetime) -> SessionRow | None:
    """The live session of the token; None when unknown, of another kind, over its time or too long idle."""
    row = session.get(SessionRow, token_digest(token))
    if row is None or row.kind != kind or now >= row.expires_at or now >= row.last_used_at + IDLE:
        return None
    return row


def sessions_of(session: Session, account: str, *, now: datetime) -> list[SessionRow]:
    """Live sessions of an account, the latest used first."""
    wanted = (
        select(SessionRow)
        .where(SessionRow.account == account, SessionRow.expires_at > now)
        .where(SessionRow.last_used_at > now - IDLE)
        .order_by(SessionRow.last_used_at.desc())
    )
    return list(session.scalars(wanted))


def end_sessions(session: Session, account: str, *, but: str = "") -> int:
    """End every session of an account except the one whose digest is ``but``; returns how many."""
    rows = session.scalars(select(SessionRow).where(SessionRow.account == account))
    ended = [row for row in rows if row.token_sha256 != but]
    for row in ended:
        session.delete(row)
    return len(ended)


def forget_old_sessions(session: Session, *, now: datetime) -> None:
    """Delete the rows of sessions that can never be used again."""
    session.execute(
        delete(SessionRow).where(
            (SessionRow.expires_at <= now) | (SessionRow.last_used_at <= now - IDLE)
        )
    )
