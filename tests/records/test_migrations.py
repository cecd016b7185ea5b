"""The migrations make the tables that the row classes describe."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, inspect

from soc.records.database import Base
from soc.records.migrate import differences, upgrade


def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'soc.sqlite'}"


def test_an_empty_database_becomes_what_the_row_classes_say(tmp_path: Path):
    """If this fails: ``python -m soc.records.migrate revise "what changed"``."""
    upgrade(url(tmp_path))
    assert differences(url(tmp_path)) == []


def test_a_second_upgrade_changes_nothing(tmp_path: Path):
    """Each start asks for it."""
    assert upgrade(url(tmp_path)) == upgrade(url(tmp_path)) != ""


def test_the_migrated_database_has_the_same_tables_as_a_created_one(tmp_path: Path):
    """And the table in which Alembic keeps the revision."""
    upgrade(url(tmp_path))
    engine = create_engine(url(tmp_path))
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    assert found == {*Base.metadata.tables, "alembic_version"}


def test_a_missing_table_is_a_difference(tmp_path: Path):
    """The comparison can fail."""
    upgrade(url(tmp_path))
    engine = create_engine(url(tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE outbox")
    engine.dispose()
    assert any("outbox" in each for each in differences(url(tmp_path)))
