"""Reading the audit log, and proving that nobody changed it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from soc.errors import NotAllowed
from soc.model.scope import Scope
from soc.records.accounts import AuditRow
from soc.records.audit import broken_link, last_digest
from soc.records.database import Database


@dataclass(frozen=True, slots=True)
class Verified:
    """``problem`` is empty when the chain holds; else ``number`` is the first row at which it does not (0: the end)."""

    rows: int
    digest: str  # of the last row: keep it elsewhere as a seal
    problem: str = ""
    number: int = 0


def latest(
    database: Database, scope: Scope, *, actor: str = "", action: str = "", size: int = 50
) -> list[AuditRow]:
    """Rows within the scope, newest first."""
    wanted = select(AuditRow).order_by(AuditRow.number.desc()).limit(size)
    if actor:
        wanted = wanted.where(AuditRow.actor == actor)
    if action:
        wanted = wanted.where(AuditRow.action == action)
    with database.session(scope) as session:
        return list(session.scalars(wanted))


def verify(database: Database, scope: Scope, *, seal: str = "") -> Verified:
    """Check every link; with ``seal``, a digest kept elsewhere, also that nothing was cut off at the end.

    Raises:
        NotAllowed: the scope is not the whole province: a part of a chain proves nothing.
    """
    if not scope.whole_province:
        raise NotAllowed("verifying the audit log needs the whole province")
    with database.session(scope) as session:
        rows = session.scalar(select(func.count()).select_from(AuditRow)) or 0
        digest = last_digest(session)
        link = broken_link(session)
        if link is not None:
            return Verified(rows, digest, link.reason, link.number)
        if seal and session.scalar(select(AuditRow.number).where(AuditRow.digest == seal)) is None:
            return Verified(rows, digest, "the sealed row is no longer there")
        return Verified(rows, digest)
