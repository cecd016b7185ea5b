"""``soc rules import`` on a site: what it prints, what it records, and that the site uses the rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from soc.access.audit_log import latest
from soc.cli.opening import site_database
from soc.cli.rules import app
from soc.model.scope import Scope
from soc.site import load_settings, rule_folders
from tests.detect.builders import ID, rule, write, write_rules


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose only other rule is number 1."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SOC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOC_RULES", json.dumps([str(folder(tmp_path / "own", 1))]))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def folder(path: Path, *numbers: int, level: str = "high") -> Path:
    detection = {"s": {"user.name": "root"}, "condition": "s"}
    rules = [rule(number, detection, level=level) for number in numbers]
    return write_rules(path, rules)


def run(*arguments: Any) -> tuple[int, list[str]]:
    done = typer.testing.CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output.splitlines()


def test_each_change_is_a_line_and_the_sum_stands_last(tmp_path: Path, site: Path):
    code, lines = run("import", folder(tmp_path / "release", 2, 3), "--name", "s")
    assert code == 0
    assert lines[:2] == ["added     rule_0000.yml", "added     rule_0001.yml"]
    assert f"2 rules in {site / 'rule-sets' / 's' / 'local'} (2 added" in lines[2]
    assert lines[2].endswith("0 refused, 0 cannot match")


def test_the_site_uses_the_rules_beside_its_own(tmp_path: Path, site: Path):
    run("import", folder(tmp_path / "release", 2), "--name", "s")
    assert rule_folders(load_settings()) == [tmp_path / "own", site / "rule-sets" / "s" / "local"]
    assert [line.split()[0] for line in run("list")[1]] == [ID.format(1), ID.format(2)]


def test_a_refused_rule_is_named_with_its_place_and_the_others_are_in_use(tmp_path: Path):
    release = folder(tmp_path / "release", 2)
    write(release, "bad.yml", "title: x\nlevel: a: b\n")
    (release / "binary.yml").write_bytes(b"\xff")
    code, lines = run("import", release, "--name", "s")
    assert code == 1
    assert any("bad.yml:2:9: not YAML" in line and "quotes" in line for line in lines)
    assert any("binary.yml:1:1: not UTF-8 (save the file as UTF-8)" in line for line in lines)
    assert len(run("list")[1]) == 2


def test_a_case_that_the_new_release_fails_is_named(tmp_path: Path, site: Path):
    run("import", folder(tmp_path / "release", 2), "--name", "s")
    case = {"expect": "match", "why": "root logs in", "event": {"user.name": "root"}}
    write(site / "rule-sets" / "s" / "local", "rule_0000.cases.jsonl", json.dumps(case))
    code, lines = run("import", folder(tmp_path / "release", 2, level="low"), "--name", "s")
    assert code == 1
    assert lines[0].startswith("updated ")
    assert "rule_0000.cases.jsonl:1: expected match of 'Rule 2': root logs in" in lines[1]
    assert lines[2].endswith("1 cases fail")


def test_an_id_that_the_site_has_is_refused(tmp_path: Path):
    code, lines = run("import", folder(tmp_path / "release", 1), "--name", "s")
    assert code == 1
    assert "is taken" in lines[1]


def test_as_json_each_line_is_an_object(tmp_path: Path):
    release = folder(tmp_path / "release", 2)
    run("import", release, "--name", "s")
    edited = tmp_path / "home" / "rule-sets" / "s" / "local" / "rule_0000.yml"
    edited.write_text(edited.read_text().replace("high", "low"))
    folder(tmp_path / "release", 2, level="critical")
    code, lines = run("import", release, "--name", "s", "--json")
    conflict, total = map(json.loads, lines)
    assert code == 1
    assert (conflict["kind"], conflict["path"]) == ("conflict", "rule_0000.yml")
    assert "level" in edited.read_text().splitlines()[conflict["line"] - 1]
    assert total["summary"]["conflict"] == 1


def test_an_import_that_changed_something_is_in_the_audit_log_once(tmp_path: Path):
    for _ in range(2):
        run("import", folder(tmp_path / "release", 2), "--name", "s")
    database = site_database()
    rows = latest(database, Scope.province("test"), action="rules.import")
    database.close()
    assert [(row.key, row.actor[:4]) for row in rows] == [("s", "cli:")]
    assert "1 added" in rows[0].text
