"""``soc rules``: list, check, explain, test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from soc.cli.rules import app
from soc.errors import NotFound
from soc.shipped import folder
from tests.detect.builders import ID, rule, write, write_rules


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled rules go to the test's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    source = {"product": "test", "service": "unit"}
    detection = {"admin": {"user.name": "root"}, "condition": "admin"}
    return write_rules(tmp_path / "rules", [rule(1, detection, logsource=source)])


def run(*arguments: Any) -> tuple[int, str]:
    done = typer.testing.CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def event(**fields: Any) -> dict[str, Any]:
    return {"event.dataset": "test.unit", **fields}


def test_list_names_the_active_rules(rules: Path) -> None:
    code, said = run("list", "--rules", rules)
    assert code == 0
    assert said.split() == [ID.format(1), "high", "Rule", "1"]


def test_list_as_json_is_one_rule_a_line(rules: Path) -> None:
    (line,) = run("list", "--rules", rules, "--json")[1].splitlines()
    assert json.loads(line)["title"] == "Rule 1"


def test_check_names_place_and_remedy_and_fails(rules: Path) -> None:
    write(rules, "bad.yml", "title: x\nlevel: a: b\n")
    code, said = run("check", "--rules", rules)
    assert code == 1
    assert "bad.yml:2:9" in said
    assert "quotes" in said
    assert "1 rules active, 1 refused, 0 cannot match" in said


def test_check_names_rules_that_cannot_match_without_failing(rules: Path) -> None:
    detection = {"s": {"no.such": "x"}, "condition": "s"}
    write_rules(rules / "more", [rule(2, detection)])
    code, said = run("check", "--rules", rules)
    assert code == 0
    assert "cannot match: no event has the field no.such" in said


def test_explain_shows_why_a_rule_stays_quiet(rules: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "event.json", json.dumps(event(**{"user.name": "an"})))
    code, said = run("explain", ID.format(1), path, "--rules", rules)
    assert code == 0
    assert "does not match" in said
    assert "✓ log source" in said
    assert "✗ admin" in said
    assert "is 'an'" in said


def test_explain_of_an_unknown_rule_is_wrong_use(rules: Path, tmp_path: Path) -> None:
    path = write(tmp_path, "event.json", "{}")
    assert run("explain", ID.format(9), path, "--rules", rules)[0] == 2


@pytest.mark.parametrize(("expect", "code"), [("match", 0), ("quiet", 1)])
def test_cases_are_run_in_the_engine(rules: Path, expect: str, code: int) -> None:
    case = {"expect": expect, "why": "root logs in", "event": event(**{"user.name": "root"})}
    write(rules, "rule_0000.cases.jsonl", json.dumps(case))
    found, said = run("test", "--rules", rules)
    assert found == code
    assert ("root logs in" in said) is (code == 1)


def test_convert_gives_queries_and_names_what_it_cannot(rules: Path) -> None:
    code, said = run("convert", rules)
    assert code == 0
    assert said.strip() == f"{ID.format(1)}\tuser.name:root"
    for form in ("dsl", "kibana", "eql", "esql"):
        assert "root" in run("convert", rules, "--form", form)[1]
    reference = {"s": {"user.name|fieldref": "user.id"}, "condition": "s"}
    write_rules(rules / "more", [rule(2, reference, logsource={"product": "test"})])
    write(rules, "bad.yml", "title: [\n")
    code, said = run("convert", rules)
    assert code == 1
    assert "field references" in said
    assert "bad.yml: bad: cannot be read" in said
    assert "user.name:root" in said


def test_guide_says_what_people_are_told_in_both_languages() -> None:
    path = folder("rules") / "windows" / "shadow-copies-deleted.yml"
    code, said = run("guide", path)
    assert code == 0
    assert "Cô lập máy trước, hỏi sau." in said
    assert "vssadmin, wmic or PowerShell deletes volume shadow copies" in said
    assert "Tiến trình cha còn khởi chạy chương trình nào khác?" in said
    assert "process.parent.entity_id:{process.parent.entity_id}" in said
    assert "playbook     ransomware-on-server" in said


def test_guide_as_json_is_one_rule_a_line(rules: Path) -> None:
    """A rule without a tag falls to the row for any."""
    code, said = run("guide", "--rules", rules, "--json")
    (line,) = said.splitlines()
    told = json.loads(line)
    assert (code, told["row"], len(told["checks"])) == (0, "any", 3)
    assert told["checks"][0]["before"] == "7d"
    assert told["means_vi"]
    assert told["false_alarm_en"]


def test_guide_names_a_rule_that_is_not_there(rules: Path) -> None:
    with pytest.raises(NotFound, match="soc rules list"):
        run("guide", ID.format(9), "--rules", rules)


def test_check_names_guidance_that_nobody_can_follow(tmp_path: Path) -> None:
    """An unknown check and an unknown playbook, with the file; the rule itself is in use."""
    custom = {"checks": ["unheard-of"], "playbook": "none-such"}
    detection = {"admin": {"user.name": "root"}, "condition": "admin"}
    write_rules(tmp_path, [rule(1, detection, custom=custom)])
    code, said = run("check", "--rules", tmp_path)
    assert code == 1
    assert "rule_0000.yml: custom.checks: no check is named 'unheard-of'" in said
    assert "there is no playbook 'none-such'" in said
    assert "1 rules active, 0 refused" in said


def test_check_names_a_bad_table_with_its_line(rules: Path) -> None:
    write(rules, "guidance.yaml", "checks: {}\nkinds: []\n")
    code, said = run("check", "--rules", rules)
    assert code == 1
    assert "guidance.yaml:1: rows: Field required" in said
