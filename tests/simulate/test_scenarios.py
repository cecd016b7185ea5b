"""Each attack is found by the shipped rules that it names, by its own records alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from soc.detect.packs import Pack
from soc.simulate import Plan, Record, days, scenario_names
from soc.simulate.record import VIETNAM
from soc.simulate.scenarios import scenarios
from tests.simulate.judging import alarms


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(days(Plan(seed=3, workstations=10, servers=12, attacks=scenario_names())))


def test_there_are_at_least_twelve_scenarios() -> None:
    assert len(scenario_names()) >= 12


@pytest.mark.parametrize("name", scenario_names())
def test_an_attack_fires_the_rules_that_it_names(
    name: str, records: list[Record], pack: Pack
) -> None:
    """Every expected rule, by the records of this attack alone."""
    own = [one for one in records if one.label is not None and one.label.scenario == name]
    assert set(scenarios()[name][0].expects) <= {one.rule_id for one in alarms(own, pack)}


def test_attacks_are_found_among_the_office_day_too(records: list[Record], pack: Pack) -> None:
    """All of them at once, in a day of records: each expected rule has an alert that holds records of its attack."""
    found = {
        (run.partition("/")[2], one.rule_id) for one in alarms(records, pack) for run in one.runs
    }
    for scenario, _ in scenarios().values():
        for rule_id in scenario.expects:
            assert (scenario.name, rule_id) in found, scenario.name


def test_without_the_attacks_the_rules_that_they_name_stay_quiet(pack: Pack) -> None:
    """The expectations hang on the attacks: the same day without them fires none of the rules."""
    quiet = alarms(days(Plan(seed=3, workstations=10, servers=12)), pack)
    expected = {rule_id for scenario, _ in scenarios().values() for rule_id in scenario.expects}
    assert not {one.rule_id for one in quiet} & expected


@pytest.mark.parametrize("name", scenario_names())
def test_a_scenario_tells_what_it_is(name: str, pack: Pack, records: list[Record]) -> None:
    """Techniques of ATT&CK, rules that exist, both languages, and an end before midnight."""
    scenario, _ = scenarios()[name]
    known = set(pack.correlation_facts) | set(pack.rules)
    assert set(scenario.expects) <= known
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", one) for one in scenario.techniques)
    assert scenario.title
    assert scenario.title_vi
    planted = [one for one in records if one.label is not None and one.label.scenario == name]
    assert planted
    assert {one.at.astimezone(VIETNAM).date().isoformat() for one in planted} == {"2026-11-23"}
    assert planted[-1].at - planted[0].at < timedelta(hours=2)
