"""``soc rules state`` and the states in ``soc rules list``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc.errors import Conflict, NotFound, RuleError, SettingsError
from tests.cli.test_rules_import import folder, run, site  # noqa: F401 (a fixture for every test)
from tests.detect.builders import ID, rule, write, write_rules

ONE, TWO = ID.format(1), ID.format(2)
CASE = '{"expect": "quiet", "why": "no case of mine", "event": {"user.name": "root", "event.dataset": "test.unit"}}'


def test_the_list_says_state_and_what_is_untested(tmp_path: Path):
    write(tmp_path / "own", "rule_0000.cases.jsonl", CASE)
    run("import", folder(tmp_path / "release", 2), "--name", "s")
    assert [line.split()[2:4] for line in run("list")[1]] == [
        ["active", "Rule"],
        ["testing", "untested"],
    ]
    (_, two) = map(json.loads, run("list", "--json")[1])
    assert (two["state"], two["untested"]) == ("testing", True)


def test_a_decision_is_listed(tmp_path: Path):
    run("import", folder(tmp_path / "release", 2), "--name", "s")
    _, (said,) = run("state", TWO, "active", "--reason", "hai tuần thử")
    assert said == f"{TWO} is active, untested: it has no cases: Rule 2"
    run("state", ONE, "off", "--reason", "trùng")
    assert [line.split()[2] for line in run("list")[1]] == ["off", "active"]


def test_a_failing_case_keeps_a_rule_from_becoming_active(tmp_path: Path):
    source = {"product": "test", "service": "unit"}
    made = rule(1, {"s": {"user.name": "root"}, "condition": "s"}, logsource=source)
    write_rules(tmp_path / "own", [made])
    write(tmp_path / "own", "rule_0000.cases.jsonl", CASE)
    with pytest.raises(RuleError, match="no case of mine"):
        run("state", ONE, "active", "--reason", "x")
    assert run("state", ONE, "testing", "--reason", "x")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((ONE, "on", "--reason", "x"), SettingsError),
        ((ONE, "off", "--reason", " "), Conflict),
        ((ID.format(9), "off", "--reason", "x"), NotFound),
    ],
)
def test_what_cannot_be_decided_is_told(arguments: tuple[str, ...], error: type[Exception]):
    with pytest.raises(error):
        run("state", *arguments)


def test_a_rule_that_cannot_match_does_not_become_active(tmp_path: Path):
    write_rules(tmp_path / "own", [rule(1, {"s": {"no.such": "x"}, "condition": "s"})])
    with pytest.raises(RuleError, match=r"no event has the field no\.such"):
        run("state", ONE, "active", "--reason", "x")


def test_an_active_rule_that_the_release_drops_stays(tmp_path: Path):
    release = folder(tmp_path / "release", 2, 3)
    run("import", release, "--name", "s")
    run("state", TWO, "active", "--reason", "x")
    (release / "rule_0000.yml").unlink()
    assert run("import", release, "--name", "s")[1][0].startswith("kept      rule_0000.yml: ")


def test_a_whole_set_is_decided_about_by_level(tmp_path: Path):
    run("import", folder(tmp_path / "release", 2, 3), "--name", "s")
    code, said = run("state", "s/", "active", "--level", "high", "--reason", "dự báo ít cảnh báo")
    assert (code, len(said)) == (0, 2)
    assert [line.split()[2] for line in run("list")[1]] == ["active"] * 3
    run("state", "s/", "off", "--reason", "x")
    assert [line.split()[2] for line in run("list")[1]] == ["active", "off", "off"]
    for wanted in (("s/", "--level", "low"), ("nothing/",)):
        with pytest.raises(NotFound, match="imported rules"):
            run("state", wanted[0], "off", *wanted[1:], "--reason", "x")


def test_in_a_set_a_rule_whose_case_fails_stays_and_the_others_become_active(tmp_path: Path):
    release = folder(tmp_path / "release", 2, 3)
    write(release, "rule_0001.cases.jsonl", CASE)
    run("import", release, "--name", "s")
    code, said = run("state", "s/", "active", "--reason", "x")
    assert code == 1
    assert any("no case of mine" in line for line in said)
    states = [line.split()[2] for line in run("list")[1]]
    assert sorted(states) == ["active", "active", "testing"]
