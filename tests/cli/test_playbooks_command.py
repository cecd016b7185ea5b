"""``soc playbooks``: from a file to CACAO and back, and a dry run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from soc.cli import playbooks as commands
from soc.cli.opening import site_database
from soc.respond.playbook_files import load_playbook
from tests.respond.builders import PLAYBOOKS, with_alerts


def run(*words: str) -> Result:
    return CliRunner().invoke(commands.app, list(words))


@pytest.fixture(autouse=True)
def shelf(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("SOC_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("SOC_PLAYBOOKS", str(PLAYBOOKS))
    return PLAYBOOKS


def test_there_and_back_is_the_same_playbook(tmp_path):
    out, folder = tmp_path / "web-shell.json", tmp_path / "mine"
    folder.mkdir()
    assert run("export", "web-shell", "--out", str(out)).exit_code == 0
    assert json.loads(out.read_text("utf-8"))["spec_version"] == "cacao-2.0"
    assert run("import", str(out), "--folder", str(folder)).exit_code == 0
    assert load_playbook(folder / "web-shell.yml") == load_playbook(PLAYBOOKS / "web-shell.yml")
    again = run("import", str(out), "--folder", str(folder))
    assert "--replace" in str(again.exception)


def test_files_are_checked_one_by_one(tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xff")
    done = run("check", str(bad), str(PLAYBOOKS / "web-shell.yml"))
    assert done.exit_code == 1
    assert "web-shell, 18 steps" in done.output
    assert "no JSON" in done.output


def test_an_unknown_playbook_is_named():
    assert "nothing-here" in str(run("export", "nothing-here").exception)


def test_all_are_listed():
    found = [json.loads(line)["id"] for line in run("list", "--json").output.splitlines()]
    assert len(found) == 14
    assert "ransomware-on-server" in found


def test_a_playbook_is_rehearsed_on_an_alert_of_the_site(tmp_path, monkeypatch):
    """The first answer of each decision, but for those that are given."""
    (tmp_path / "var").mkdir()
    database = site_database()
    with_alerts(database)
    database.close()
    done = run("rehearse", "web-shell", "--alert", "CB-000001", "--json")
    assert done.exit_code == 0, done.output
    steps = [json.loads(line) for line in done.output.splitlines()]
    assert {one["state"] for one in steps} == {"done", "skipped"}
    other = run("rehearse", "web-shell", "--alert", "CB-000001", "--answer", "is_it=nonsense")
    assert "nonsense" in str(other.exception)
