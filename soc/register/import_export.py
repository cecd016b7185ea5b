"""The register in the records: one transaction in, all of it out, and the trace of every change.

An import makes the records equal to the file, or changes nothing. Agencies and systems that the file no longer names
are ended (``valid_to``), never deleted, so that old alerts and reports keep their names; other entries leave the
current tables, and ``register_changes`` keeps what they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import NotAllowed, RegisterError
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.register import (
    AgencyRow,
    AssetRow,
    ContactRow,
    RangeRow,
    RegisterChangeRow,
    RegisterVersionRow,
    SystemRow,
)
from soc.register.entries import SECTIONS, Entry
from soc.register.laws import broken_laws, with_inside
from soc.register.register import Register, key_of, sorted_register

Row = AgencyRow | ContactRow | SystemRow | AssetRow | RangeRow
VIETNAM = timezone(timedelta(hours=7))

ROW_OF: Mapping[str, Any] = {  # the row classes of Row
    "agencies": AgencyRow,
    "contacts": ContactRow,
    "systems": SystemRow,
    "assets": AssetRow,
    "ranges": RangeRow,
}
NOUN = {
    "agencies": "agency",
    "contacts": "contact",
    "systems": "system",
    "assets": "asset",
    "ranges": "range",
}
COLUMN_OF = {  # field of an entry: column of its row, where the names differ
    "agencies": {"parent": "parent_id", "successor": "successor_id"},
    "contacts": {"agency": "agency_id"},
    "systems": {"owner": "owner_id", "operator": "agency_id"},
    "assets": {"agency": "agency_id", "system": "system_id"},
    "ranges": {"agency": "agency_id", "system": "system_id"},
}
NOT_KEPT = {"inside"}  # follows from the ranges themselves


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the register's version, and how many entries of each noun were added, changed, ended."""

    version: int
    acts: Mapping[tuple[str, str], int]  # (noun, act) to a count

    @property
    def changed(self) -> bool:
        return bool(self.acts)


@dataclass(frozen=True, slots=True)
class _Change:
    noun: str
    key: str
    act: str  # added changed ended removed
    agency_id: str | None
    before: dict[str, Any]
    after: dict[str, Any]


def import_register(
    database: Database, scope: Scope, register: Register, *, now: datetime
) -> Imported:
    """Make the records equal to the register; a second import of the same changes nothing.

    Raises:
        NotAllowed: the scope is not the whole province.
        RegisterError: the register breaks a law (a register from ``load`` never does).
    """
    if not scope.whole_province:
        raise NotAllowed("importing the register needs the whole province")
    problems = broken_laws(register)
    if problems:
        raise RegisterError(problems)
    with database.write(scope) as session:
        today = now.astimezone(VIETNAM).date()
        changes = [
            change
            for section in SECTIONS
            for change in _apply(session, section, getattr(register, section), today)
        ]
        counts = Counter((change.noun, change.act) for change in changes)
        version = _version(session)
        if changes:
            version.version += 1
            _keep(session, scope, changes, version.version, now)
            said = {f"{noun} {act}": count for (noun, act), count in sorted(counts.items())}
            audit(
                session,
                scope,
                "register.import",
                "register",
                str(version.version),
                detail=said,
                now=now,
            )
        return Imported(version.version, counts)


def export_register(database: Database, scope: Scope) -> Register:
    """The register as the scope sees it, ended agencies and systems included."""
    found: dict[str, list[Entry]] = {}
    with database.session(scope) as session:
        for section, row_type in ROW_OF.items():
            rows = session.scalars(select(row_type))
            found[section] = [_entry(section, row) for row in rows]
    return with_inside(sorted_register(found))


def _apply(
    session: Session, section: str, entries: tuple[Entry, ...], today: date
) -> Iterator[_Change]:
    row_type = ROW_OF[section]
    rows = {_row_key(row): row for row in session.scalars(select(row_type))}
    for entry in entries:
        key, values = key_of(entry), _values(section, entry)
        row = rows.pop(key, None)
        if row is None:
            row = row_type(**values)
            session.add(row)
            yield _change(section, row, "added", {}, _filled(values))
            continue
        before = {name: getattr(row, name) for name in values}
        different = {name for name in values if before[name] != values[name]}
        for name in different:
            setattr(row, name, values[name])
        if different:
            old = {name: before[name] for name in different}
            new = {name: values[name] for name in different}
            yield _change(section, row, "changed", old, new)
    for row in rows.values():
        yield from _leave(session, section, row, today)


def _leave(session: Session, section: str, row: Row, today: date) -> Iterator[_Change]:
    """What the file no longer names."""
    if isinstance(row, (AgencyRow, SystemRow)):
        if row.valid_to is None:
            row.valid_to = today
            yield _change(section, row, "ended", {"valid_to": None}, {"valid_to": today})
        return
    values = {name: getattr(row, name) for name in _columns(section)}
    session.delete(row)
    yield _change(section, row, "removed", _filled(values), {})


def _change(
    section: str, row: Row, act: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> _Change:
    agency_id = row.id if isinstance(row, AgencyRow) else row.agency_id
    return _Change(NOUN[section], _row_key(row), act, agency_id, _as_json(before), _as_json(after))


def _keep(
    session: Session, scope: Scope, changes: list[_Change], version: int, now: datetime
) -> None:
    session.add_all(
        RegisterChangeRow(
            version=version,
            at=now,
            actor=scope.actor,
            noun=change.noun,
            key=change.key,
            act=change.act,
            agency_id=change.agency_id,
            before=change.before,
            after=change.after,
        )
        for change in changes
    )


def _version(session: Session) -> RegisterVersionRow:
    row = session.get(RegisterVersionRow, 1)
    if row is None:
        row = RegisterVersionRow(id=1, version=0)
        session.add(row)
    return row


def _columns(section: str) -> dict[str, str]:
    """Column to field."""
    renamed = COLUMN_OF[section]
    return {
        renamed.get(name, name): name
        for name in SECTIONS[section].model_fields
        if name not in NOT_KEPT
    }


def _values(section: str, entry: Entry) -> dict[str, Any]:
    """Columns of an entry's row."""
    values = {column: getattr(entry, name) for column, name in _columns(section).items()}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def _entry(section: str, row: Row) -> Entry:
    values = {name: getattr(row, column) for column, name in _columns(section).items()}
    return SECTIONS[section].model_validate(values)


def _row_key(row: Row) -> str:
    return row.cidr if isinstance(row, RangeRow) else row.id


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in sorted(values.items())
    }
