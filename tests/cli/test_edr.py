"""``soc edr``: the lists, the answers and the mapping files, as a person at the command line has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli.edr import app
from soc.model.event import Event, event_id
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.edr import EdrMachineRow, EdrReadingRow
from soc.records.migrate import upgrade
from soc.records.register import AgencyRow
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore

PROVINCE = Scope.province("tests")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A site made by migrations, with two machines of two agencies and one event."""
    monkeypatch.setenv("SOC_HOME", str(tmp_path))
    settings, now = Settings(home=tmp_path), datetime.now(UTC)
    upgrade(settings.database_url)
    database = Database(settings.database_url)
    with database.write(PROVINCE) as session:
        for key in ("sxd", "syt"):
            session.add(AgencyRow(id=key, code=key, name=key.upper()))
        for key, on in (("sxd", "on"), ("syt", "off")):
            session.add(
                EdrMachineRow(
                    id=key, key=f"{key}-1", machine=f"{key}-1", product="ESET", protection=on,
                    agency_id=key, last_contact=now, signature_date=now,
                )
            )  # fmt: skip
        session.add(EdrReadingRow(id=1, read_to=now))
    store = EmbeddedStore(settings.events_home, months=settings.retention_months, writable=True)
    store.append(
        PROVINCE,
        [
            Event(
                "edr", now - timedelta(hours=1),
                {"rule.name": "Trojan.X", "soc.agency_id": "sxd", "host.name": "sxd-1"}, b"x",
                event_id("a", "0", "s", 1, 0), now, "sxd", None, 0, "sxd-1",
            )
        ],
    )  # fmt: skip
    store.close()
    return database


def said(*arguments: str, code: int = 0) -> list[dict[str, object]]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == code, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_status_counts_by_agency_and_says_by_its_exit_code_that_something_is_wrong(site):
    assert [(one["agency_id"], one["off"]) for one in said("status", code=1)] == [
        ("syt", 1),
        ("sxd", 0),
    ]
    assert [one["agency_id"] for one in said("status", "--agency", "sxd")] == ["sxd"]


def test_machines_can_be_narrowed_to_one_problem(site):
    assert [one["machine"] for one in said("machines")] == ["sxd-1", "syt-1"]
    assert [one["machine"] for one in said("machines", "--problem", "off")] == ["syt-1"]
    assert CliRunner().invoke(app, ["machines", "--problem", "x"]).exit_code == 2


def test_spread_has_a_line_for_every_agency(site):
    answers = {one["agency_id"]: one["answer"] for one in said("spread", "Trojan.X", code=1)}
    assert answers == {"sxd": "seen", "syt": "silent"}
    assert {one["answer"] for one in said("spread", "Other")} == {"silent"}


def test_mappings_are_listed_and_a_wrong_one_is_named(site, tmp_path):
    assert {"eset", "generic"} <= {one["name"] for one in said("mappings")}
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "a.yaml").write_text("name: a\n")
    done = CliRunner().invoke(app, ["mappings", str(folder)])
    assert done.exit_code == 1
    assert f"{folder / 'a.yaml'}:1" in done.output


def test_reread_has_the_worker_begin_anew(site):
    assert CliRunner().invoke(app, ["reread"]).exit_code == 0
    with site.session(PROVINCE) as session:
        assert session.get(EdrReadingRow, 1) is None
