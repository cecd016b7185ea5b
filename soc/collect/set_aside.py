"""Records that could not be read: kept with their bytes, listed, and read again when the reader is mended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from soc.errors import NotFound
from soc.model.scope import Scope
from soc.records.batches import SetAsideRow
from soc.records.database import Database


def list_set_aside(
    database: Database,
    scope: Scope,
    *,
    source: str = "",
    waiting: bool = True,
    size: int = 100,
) -> list[SetAsideRow]:
    """Set-aside records, newest first; ``waiting`` leaves out those that were replayed."""
    query = select(SetAsideRow).order_by(SetAsideRow.received_at.desc(), SetAsideRow.id)
    if source:
        query = query.where(SetAsideRow.source == source)
    if waiting:
        query = query.where(SetAsideRow.replayed_at.is_(None))
    with database.session(scope) as session:
        return list(session.scalars(query.limit(size)))


def count_by_source(database: Database, scope: Scope) -> dict[str, int]:
    """How many records wait, by source."""
    with database.session(scope) as session:
        rows = session.execute(
            select(SetAsideRow.source, func.count(SetAsideRow.id))
            .where(SetAsideRow.replayed_at.is_(None))
            .group_by(SetAsideRow.source)
        )
        return {row[0]: row[1] for row in rows}


def find_set_aside(database: Database, scope: Scope, key: str) -> SetAsideRow | None:
    with database.session(scope) as session:
        return session.scalar(select(SetAsideRow).where(SetAsideRow.id == key))


def get_set_aside(database: Database, scope: Scope, key: str) -> SetAsideRow:
    """Like ``find_set_aside``.

    Raises:
        NotFound: no such record in the caller's scope.
    """
    row = find_set_aside(database, scope, key)
    if row is None:
        raise NotFound("set-aside record", key)
    return row


def waiting_for_replay(
    database: Database, scope: Scope, *, keys: Sequence[str] = (), source: str = ""
) -> list[str]:
    """The ids of the records to replay: those named, or all of a source, or all; the oldest first."""
    query = select(SetAsideRow.id).where(SetAsideRow.replayed_at.is_(None))
    if keys:
        query = query.where(SetAsideRow.id.in_(list(keys)))
    if source:
        query = query.where(SetAsideRow.source == source)
    with database.session(scope) as session:
        return list(session.scalars(query.order_by(SetAsideRow.received_at, SetAsideRow.id)))


def rows_of(database: Database, scope: Scope, keys: Sequence[str]) -> list[SetAsideRow]:
    """The records with these ids."""
    with database.session(scope) as session:
        return list(session.scalars(select(SetAsideRow).where(SetAsideRow.id.in_(list(keys)))))


def mark_replayed(database: Database, scope: Scope, keys: Sequence[str], now: datetime) -> None:
    """Say of these records that their events are stored."""
    if not keys:
        return
    with database.write(scope) as session:
        session.execute(
            update(SetAsideRow).where(SetAsideRow.id.in_(list(keys))).values(replayed_at=now)
        )
