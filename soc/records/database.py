"""The database, its sessions, and the one place that applies the caller's Scope to records.

A table that belongs to agencies mixes in ``OfAgency``; every ORM select of it is narrowed to the session's Scope. A
session opened without a Scope raises ScopeMissing on the first read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CompoundSelect,
    DateTime,
    Dialect,
    Select,
    String,
    TextClause,
    create_engine,
    event,
)
from sqlalchemy.engine import Engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    ORMExecuteState,
    Session,
    mapped_column,
    sessionmaker,
    with_loader_criteria,
)
from sqlalchemy.types import TypeDecorator

from soc.errors import ScopeMissing
from soc.model.scope import Scope


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out; a naive time is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value!r}: times in records are aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON(), list[Any]: JSON()}


class OfAgency:
    """A row that belongs to an agency; None is unowned and needs the whole province."""

    agency_id: Mapped[str | None] = mapped_column(String(40), index=True)


def _pragmas(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """One database; ``session(scope)`` reads, ``write(scope)`` is a short transaction that commits at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _pragmas)
            event.listen(self.engine, "begin", _begin)
        self._writing = self.engine.execution_options(soc_write=True)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._sessions, "do_orm_execute", _apply_scope)

    @contextmanager
    def session(self, scope: Scope) -> Iterator[Session]:
        """Read; nothing is committed."""
        with self._sessions(info={"scope": scope}) as session:
            yield session

    @contextmanager
    def write(self, scope: Scope) -> Iterator[Session]:
        """Write: one transaction, begun IMMEDIATE on SQLite, committed at the end or rolled back on any error."""
        with self._sessions(info={"scope": scope}, bind=self._writing) as session, session.begin():
            yield session

    def create_all(self) -> None:
        """Make every table, for tests; a site is made by migrations."""
        import soc.records.tables  # noqa: F401  (registers them)

        Base.metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()


def _begin(connection: Any) -> None:
    write = connection.get_execution_options().get("soc_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _apply_scope(state: ORMExecuteState) -> None:
    scope = state.session.info.get("scope")
    if not isinstance(scope, Scope):
        raise ScopeMissing("records were read in a session without a Scope")
    if scope.agency_ids is None:
        return
    if not state.is_orm_statement and _reads_bare_tables(state.statement):
        raise ScopeMissing("a narrowed session reads by row classes only: nothing else is scoped")
    agency_ids = sorted(scope.agency_ids)
    state.statement = state.statement.options(
        with_loader_criteria(
            OfAgency, lambda row: row.agency_id.in_(agency_ids), include_aliases=True
        )
    )


def _reads_bare_tables(statement: Any) -> bool:
    """Whether a statement outside the ORM reads tables, to which no Scope can be applied."""
    if isinstance(statement, Select):
        return bool(statement.get_final_froms())
    return isinstance(statement, (TextClause, CompoundSelect))
