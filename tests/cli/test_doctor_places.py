"""What ``soc doctor`` says of the .mmdb files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from soc.cli.doctor import places_told, problems_of_places
from soc.settings import Settings


def settings_with(path: Path) -> Settings:
    return Settings(home=path.parent, places=[path])


def build(path: Path) -> Path:
    writer = MMDBWriter(database_type="Test")
    writer.insert_network(IPSet(["8.8.8.0/24"]), {"country": {"iso_code": "US"}})
    writer.to_db_file(str(path))
    return path


def test_the_age_of_a_file_is_told_and_too_old_is_a_problem(tmp_path):
    """Ninety days are the limit."""
    settings = settings_with(build(tmp_path / "places.mmdb"))
    later = datetime.now(UTC) + timedelta(days=91, hours=1)
    assert list(problems_of_places(settings, datetime.now(UTC))) == []
    assert "91 days old" in next(places_told(settings, later))
    assert "older than 90 days" in next(problems_of_places(settings, later))


def test_a_broken_file_is_a_problem(tmp_path):
    """With its path and what to do."""
    path = tmp_path / "places.mmdb"
    path.write_bytes(b"no database")
    (problem,) = problems_of_places(settings_with(path), datetime.now(UTC))
    assert str(path) in problem
    assert "`mv`" in problem
