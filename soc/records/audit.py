"""The audit log: append-only, each row's digest covers the row and the digest before it.

``audit`` is called in the transaction of the act it tells of, so that neither exists without the other. Transactions
are serialised (IMMEDIATE on SQLite, an advisory lock on PostgreSQL), so the chain never forks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from soc.model.scope import Scope
from soc.records.accounts import AuditRow

BEGINNING = "0" * 64  # the digest before the first row
CHAIN_LOCK = 0x534F43  # PostgreSQL advisory lock: one appender at a time
_LOG = AuditRow.__table__.c


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first row at which the chain does not hold."""

    number: int
    reason: str


def audit(
    session: Session,
    scope: Scope,
    action: str,
    noun: str,
    key: str,
    text: str = "",
    detail: Mapping[str, Any] | None = None,
    *,
    now: datetime,
    agency_id: str | None = None,
    address: str = "",
) -> AuditRow:
    """Append one row within the caller's transaction; the actor is the scope's.

    Args:
        action: dotted verb, ``alert.close``.
        agency_id: whose record was acted on; None can be read by the whole province only.
    """
    session.flush()
    row = AuditRow(
        at=now.astimezone(UTC),
        actor=scope.actor,
        action=action,
        noun=noun,
        key=key,
        address=address,
        text=text,
        detail=dict(detail or {}),
        agency_id=agency_id,
        previous=_last_digest(session),
    )
    row.digest = digest_of(_canonical(row))
    session.add(row)
    session.flush()
    return row


def broken_link(session: Session) -> BrokenLink | None:
    """Verify the whole chain, whatever the session's scope; None when it holds.

    A row changed, removed from the middle or put in between is found. Rows cut off at the end cannot be: compare
    ``last_digest`` with a copy kept elsewhere.
    """
    previous = BEGINNING
    for row in session.connection().execute(select(AuditRow.__table__).order_by(_LOG.number)):
        if row.previous != previous:
            return BrokenLink(row.number, "the row before it was changed or removed")
        if digest_of(_canonical(row)) != row.digest:
            return BrokenLink(row.number, "the row was changed")
        previous = row.digest
    return None


def last_digest(session: Session) -> str:
    """The chain's end, to be kept elsewhere as a seal."""
    return str(session.connection().execute(_newest()).scalar_one_or_none() or BEGINNING)


def digest_of(canonical: str) -> str:
    return hashlib.sha256(canonical.encode()).hexdigest()


def _last_digest(session: Session) -> str:
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text(f"SELECT pg_advisory_xact_lock({CHAIN_LOCK})"))
    return last_digest(session)


def _newest() -> Select[Any]:
    return select(_LOG.digest).order_by(_LOG.number.desc()).limit(1)


def _canonical(row: Any) -> str:
    """``row`` is an AuditRow or a plain row of its table; the number is left to the database."""
    at = row.at.astimezone(UTC) if row.at.tzinfo else row.at.replace(tzinfo=UTC)
    return str(row.previous) + json.dumps(
        {
            "at": at.isoformat(),
            "actor": row.actor,
            "action": row.action,
            "noun": row.noun,
            "key": row.key,
            "address": row.address,
            "text": row.text,
            "detail": row.detail,
            "agency_id": row.agency_id,
        },
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
