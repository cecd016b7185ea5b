"""Into the records and out again: all or nothing, and nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.errors import NotAllowed, RegisterError
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.register import (
    AgencyRow,
    AssetRow,
    RangeRow,
    RegisterChangeRow,
    RegisterVersionRow,
    SystemRow,
)
from soc.register.entries import RangeEntry
from soc.register.files import DEMO, dump, load
from soc.register.import_export import Imported, export_register, import_register
from soc.register.register import Register
from tests.register.conftest import SMALL

Write = Callable[..., Path]
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)  # the 23rd in Vietnam
EVERYBODY = Scope.province("tests")


def take(database: Database, path: Path) -> Imported:
    return import_register(database, EVERYBODY, load(path), now=NOW)


def test_what_went_in_comes_out_byte_for_byte(database: Database, written: Write):
    """In the normal form."""
    path = written(SMALL)
    take(database, path)
    assert dump(export_register(database, EVERYBODY)) == dump(load(path))


def test_the_demo_province_round_trips(database: Database, written: Write):
    """Nested ranges, merged agencies, dossiers and all."""
    take(database, DEMO)
    exported = dump(export_register(database, EVERYBODY))
    assert exported == dump(load(DEMO))
    assert not take(database, written(exported)).changed


def test_a_second_import_of_the_same_changes_nothing(database: Database, written: Write):
    """Not even the version, so that no process reads the register again."""
    take(database, written(SMALL))
    again = take(database, written(SMALL))
    assert (again.version, again.changed) == (1, False)


def test_each_change_raises_the_version(database: Database, written: Write):
    """Processes look at it to know when to read again."""
    take(database, written(SMALL))
    take(database, written(SMALL.replace("level: 3", "level: 4")))
    with database.session(EVERYBODY) as session:
        assert session.get(RegisterVersionRow, 1).version == 2
        assert session.get(SystemRow, "HT-011").level == 4


def test_what_a_row_was_before_is_kept(database: Database, written: Write):
    """A level is never overwritten without a trace: who, when, from what, to what."""
    take(database, written(SMALL))
    take(database, written(SMALL.replace("level: 3", "level: 4")))
    with database.session(EVERYBODY) as session:
        change = session.scalars(
            select(RegisterChangeRow).where(RegisterChangeRow.version == 2)
        ).one()
    assert (change.noun, change.key, change.act) == ("system", "HT-011", "changed")
    assert (change.before, change.after) == ({"level": 3}, {"level": 4})
    assert (change.actor, change.at) == ("tests", NOW)


def test_an_agency_the_file_no_longer_names_is_ended_and_not_deleted(
    database: Database, written: Write
):
    """Old alerts keep its name; the day is Vietnam's."""
    take(database, written(SMALL))
    take(database, written(SMALL.replace("- id: syt\n  code: H99.09\n  name: Sở Y tế\n", "")))
    with database.session(EVERYBODY) as session:
        assert session.get(AgencyRow, "syt").valid_to == date(2026, 11, 23)


def test_an_ended_agency_stays_ended_on_the_same_day(database: Database, written: Write):
    """A later import without it does not end it again."""
    take(database, written(SMALL))
    shorter = written(SMALL.replace("- id: syt\n  code: H99.09\n  name: Sở Y tế\n", ""))
    take(database, shorter)
    assert not take(database, shorter).changed


def test_an_asset_that_is_gone_leaves_its_description_behind(database: Database, written: Write):
    """It can be told who held the address last year."""
    take(database, written(SMALL))
    head, _, rest = SMALL.partition("assets:")
    take(database, written(head + rest[rest.index("ranges:") :]))
    with database.session(EVERYBODY) as session:
        assert session.scalars(select(AssetRow)).all() == []
        gone = session.scalars(
            select(RegisterChangeRow).where(RegisterChangeRow.act == "removed")
        ).one()
    assert (gone.key, gone.before["addresses"]) == ("fs01", ["10.14.8.10"])


def test_a_register_that_breaks_a_law_changes_nothing(database: Database, written: Write):
    """All or nothing, also for a register that was put together by a program."""
    take(database, written(SMALL))
    broken = Register(ranges=(RangeEntry(cidr="10.0.0.0/8", agency="nobody"),))
    with pytest.raises(RegisterError):
        import_register(database, EVERYBODY, broken, now=NOW)
    with database.session(EVERYBODY) as session:
        assert len(session.scalars(select(RangeRow)).all()) == 2


def test_importing_needs_the_whole_province(database: Database, written: Write):
    """A narrower scope would not see what it ends."""
    with pytest.raises(NotAllowed):
        import_register(database, Scope.of("sxd"), load(written(SMALL)), now=NOW)


def test_an_officers_export_holds_their_agency_only(database: Database, written: Write):
    """Names of agencies are open; systems, assets and ranges of others are not."""
    take(database, written(SMALL))
    exported = export_register(database, Scope.of("syt"))
    assert len(exported.agencies) == 2
    assert (exported.systems, exported.assets, exported.ranges) == ((), (), ())
