from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from soc.records.database import Database
from tests.respond.builders import (
    FACTS,
    PROVINCE,
    T,
    after,
    case_desk,
    open_case,
    signal,
    with_alerts,
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with two alerts, one case and its facts."""
    monkeypatch.setenv("SOC_HOME", str(tmp_path))
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database.create_all()
    with_alerts(database, signal("e1"), signal("e2", rule="rule-2", at=after(minutes=1)))
    desk = case_desk(database)
    desk.fill(PROVINCE, open_case(desk), FACTS, now=T)
    yield database
    database.close()


def run(verb, *arguments):
    """The verb's own app, as ``soc VERB ...`` loads it."""
    import importlib

    return CliRunner().invoke(importlib.import_module(f"soc.cli.{verb}").app, list(arguments))


def test_alerts_are_listed_as_one_json_object_a_line_with_the_promised_keys(site):
    """Other programs depend on them."""
    lines = run("alerts", "list", "--json").output.splitlines()
    first = json.loads(lines[-1])
    assert len(lines) == 2
    assert list(first) == [
        "id", "rule_id", "title", "severity", "priority", "agency", "system", "host",
        "first_seen", "last_seen", "signals", "status",
    ]  # fmt: skip
    assert first["id"] == "CB-000001"
    assert (first["agency"], first["first_seen"]) == ("Sở Xây dựng", "2026-10-23T07:31:00+00:00")


def test_alerts_since_a_while_leave_out_the_older_ones(site):
    """Nothing was seen or made in the last second."""
    assert run("alerts", "list", "--since", "1s", "--json").output == ""


def test_a_duration_that_nobody_can_read_is_wrong_use(site):
    """Exit code 2."""
    assert run("alerts", "list", "--since", "soon").exit_code == 2


def test_a_case_is_shown_with_its_clocks_and_alerts(site):
    """As text and as JSON."""
    shown = json.loads(run("case", "show", "SC-2026-0001", "--json").output)
    assert [one["kind"] for one in shown["obligations"]][-1] == "report_72h"
    assert shown["alert_ids"] == ["CB-000001"]
    assert "report_72h" in run("case", "show", "SC-2026-0001").output


def test_a_report_is_made_kept_and_queued(site, tmp_path):
    """The Word file is written, and the message waits."""
    path = tmp_path / "report.docx"
    made = run("report", "make", "SC-2026-0001", "--send", "--output", str(path))
    assert made.exit_code == 0
    assert path.read_bytes().startswith(b"PK")
    told = json.loads(run("national", "status", "--json").output)
    assert (told["state"], told["case_id"]) == ("waiting", "SC-2026-0001")


def test_a_home_without_a_site_is_told_plainly(tmp_path, monkeypatch):
    """No empty database is left behind."""
    from soc.errors import SettingsError

    monkeypatch.setenv("SOC_HOME", str(tmp_path / "nowhere"))
    assert isinstance(run("alerts", "list").exception, SettingsError)
    assert not (tmp_path / "nowhere").exists()
