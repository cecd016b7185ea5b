"""The one place that applies the caller's Scope to records: every way of reading is narrowed; none works without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, aliased

from soc.errors import ScopeMissing
from soc.model.scope import Scope
from soc.records.accounts import AuditRow
from soc.records.cases import CaseLogRow, CaseRow, ObligationRow
from soc.records.database import Base, Database, OfAgency, UtcDateTime

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EVERYBODY = Scope.province("tests")
MINE = Scope.of("sxd", actor="officer")


def case(key: str, agency_id: str | None) -> CaseRow:
    return CaseRow(
        id=key,
        title=key,
        severity="high",
        detected_at=NOW,
        opened_at=NOW,
        opened_by="tests",
        agency_id=agency_id,
    )


@pytest.fixture
def cases(database: Database) -> Database:
    """One case of Sở Xây dựng, one of Sở Y tế, one that is nobody's; each with one line of log."""
    with database.write(EVERYBODY) as session:
        for key, agency_id in (("SC-1", "sxd"), ("SC-2", "syt"), ("SC-3", None)):
            session.add(case(key, agency_id))
            session.add(
                CaseLogRow(
                    case_id=key, at=NOW, actor="x", kind="opened", text="", agency_id=agency_id
                )
            )
    return database


def test_rows_are_narrowed(cases: Database):
    """Whole rows."""
    with cases.session(MINE) as session:
        assert [row.id for row in session.scalars(select(CaseRow))] == ["SC-1"]


def test_columns_are_narrowed(cases: Database):
    """Single columns."""
    with cases.session(MINE) as session:
        assert session.scalars(select(CaseRow.title)).all() == ["SC-1"]


@pytest.mark.parametrize(
    "counting",
    [
        select(func.count()).select_from(CaseRow),
        select(func.count(CaseRow.id)),
        select(func.count()).select_from(select(CaseRow.id).subquery()),
        select(func.count()).where(CaseRow.severity == "high"),
    ],
    ids=["select_from", "column", "subquery", "where"],
)
def test_counts_are_narrowed(cases: Database, counting):
    """A number tells too."""
    with cases.session(MINE) as session:
        assert session.scalar(counting) == 1


def test_a_key_of_another_agency_finds_nothing(cases: Database):
    """``get`` is a read like any other."""
    with cases.session(MINE) as session:
        assert session.get(CaseRow, "SC-2") is None
        assert session.get(CaseRow, "SC-1") is not None


def test_both_sides_of_a_join_are_narrowed(cases: Database):
    """Neither side opens the other."""
    joined = select(CaseRow.id, CaseLogRow.id).join(CaseLogRow, CaseLogRow.case_id == CaseRow.id)
    with cases.session(MINE) as session:
        assert [key for key, _ in session.execute(joined)] == ["SC-1"]


def test_an_alias_is_narrowed(cases: Database):
    """A second look at the same table under another name."""
    other = aliased(CaseRow)
    with cases.session(MINE) as session:
        assert session.scalars(select(other.id)).all() == ["SC-1"]


def test_a_condition_on_another_table_is_narrowed(cases: Database):
    """An ``exists`` over foreign rows would answer yes or no about them."""
    asked = select(exists().where(CaseLogRow.case_id == "SC-2"))
    with cases.session(MINE) as session:
        assert session.scalar(asked) is False


def test_a_union_is_narrowed(cases: Database):
    """Each part of it."""
    both = select(CaseRow.id).union_all(select(CaseLogRow.case_id))
    with cases.session(MINE) as session:
        assert session.scalars(both).all() == ["SC-1", "SC-1"]


def test_updates_and_deletes_by_query_touch_no_foreign_row(cases: Database):
    """Writing is narrowed like reading."""
    with cases.write(MINE) as session:
        session.execute(update(CaseRow).values(title="mine"))
        session.execute(delete(CaseLogRow))
    with cases.session(EVERYBODY) as session:
        titles = session.scalars(select(CaseRow.title).order_by(CaseRow.id)).all()
        assert titles == ["mine", "SC-2", "SC-3"]
        assert session.scalars(select(CaseLogRow.case_id)).all() == ["SC-2", "SC-3"]


def test_unowned_rows_need_the_whole_province(cases: Database):
    """They may be anybody's."""
    with cases.session(EVERYBODY) as session:
        assert len(session.scalars(select(CaseRow)).all()) == 3


def test_two_scopes_of_different_size_do_not_share_a_cached_statement(cases: Database):
    """Statements are cached by their shape; the agencies are values."""
    found = []
    for scope in (MINE, Scope.of("sxd", "syt"), Scope.of("syt"), Scope.of(), MINE):
        with cases.session(scope) as session:
            found.append(session.scalars(select(CaseRow.id).order_by(CaseRow.id)).all())
    assert found == [["SC-1"], ["SC-1", "SC-2"], ["SC-2"], [], ["SC-1"]]


def test_without_a_scope_a_read_is_our_bug(cases: Database):
    """It raises instead of answering."""
    with cases._sessions() as session, pytest.raises(ScopeMissing):
        session.scalars(select(CaseRow)).all()


@pytest.mark.parametrize(
    "bare",
    [select(CaseRow.__table__), select(CaseRow.__table__.c.id), text("SELECT id FROM cases")],
    ids=["table", "column", "text"],
)
def test_a_narrowed_session_does_not_read_past_the_row_classes(cases: Database, bare):
    """What the scope cannot be applied to is refused."""
    with cases.session(MINE) as session, pytest.raises(ScopeMissing):
        session.execute(bare).all()


def test_every_table_of_agencies_is_narrowed():
    """A table with an agency_id that forgot ``OfAgency`` would be open to everybody."""
    import soc.records.tables  # noqa: F401

    classes = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    of_agencies = {t.name for t in Base.metadata.tables.values() if "agency_id" in t.columns}
    assert of_agencies
    assert {name for name in of_agencies if not issubclass(classes[name], OfAgency)} == set()


def test_a_naive_time_is_refused(database: Database):
    """Nobody knows which clock it was."""
    row = case("SC-9", None)
    row.detected_at = datetime(2026, 11, 22, 8, 0)
    with database.session(EVERYBODY) as session:
        session.add(row)
        with pytest.raises(StatementError, match="naive time"):
            session.flush()


def test_times_come_back_as_aware_utc(database: Database):
    """15:00 in Hanoi went in."""
    hanoi = datetime(2026, 11, 22, 15, 0, tzinfo=timezone(timedelta(hours=7)))
    with database.write(EVERYBODY) as session:
        row = case("SC-9", None)
        row.detected_at = hanoi
        session.add(row)
    with database.session(EVERYBODY) as session:
        kept = session.get(CaseRow, "SC-9").detected_at
    assert (kept, kept.utcoffset()) == (NOW, timedelta(0))


def test_every_time_column_is_aware():
    """No table keeps a time without a zone."""
    import soc.records.tables  # noqa: F401

    naive = [
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if "DATETIME" in str(column.type).upper() and not isinstance(column.type, UtcDateTime)
    ]
    assert naive == []


def test_a_failed_write_leaves_nothing(database: Database):
    """One transaction: all or nothing."""

    def write_half() -> None:
        with database.write(EVERYBODY) as session:
            session.add(case("SC-9", None))
            session.flush()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write_half()
    with database.session(EVERYBODY) as session:
        assert session.get(CaseRow, "SC-9") is None


def test_the_database_waits_for_the_disk(database: Database):
    """What was acknowledged must survive a power cut."""
    with database.session(EVERYBODY) as session:
        settings = [
            session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert settings == ["wal", 2, 1]


def test_obligations_of_another_agency_stay_hidden(database: Database):
    """A spot check on a table that pages join with others."""
    with database.write(EVERYBODY) as session:
        session.add(
            ObligationRow(
                id="o1",
                case_id="SC-1",
                kind="notice_24h",
                owed_to="x",
                basis="x",
                starts_at=NOW,
                due_at=NOW,
                agency_id="syt",
            )
        )
    with database.session(MINE) as session:
        assert session.scalars(select(ObligationRow)).all() == []


def test_the_audit_log_of_others_stays_hidden(database: Database):
    """An officer sees the acts on their agency's records only."""
    from soc.records.audit import audit

    with database.write(EVERYBODY) as session:
        for agency_id in ("sxd", "syt", None):
            audit(session, EVERYBODY, "case.open", "case", "x", now=NOW, agency_id=agency_id)
    with database.session(MINE) as session:
        assert [row.agency_id for row in session.scalars(select(AuditRow))] == ["sxd"]


def rows_of(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(CaseRow)) or 0


def test_the_scope_follows_the_session_and_not_the_database(cases: Database):
    """Two people at the same time."""
    with cases.session(MINE) as narrow, cases.session(EVERYBODY) as wide:
        assert (rows_of(narrow), rows_of(wide), rows_of(narrow)) == (1, 3, 1)
