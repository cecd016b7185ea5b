"""Correlation files: references, names, fields, silence; and mistakes with their place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from soc.detect.correlation.feed import Feed, groups
from soc.detect.correlation.rule import Correlation
from soc.detect.packs import (
    Pack,
    compile_pack,
    correlations_of,
    load_correlations,
    load_pack,
    save_correlations,
    save_pack,
)
from tests.detect.builders import ID, write

BASE = """
    title: Failure
    id: {base}
    name: failure
    logsource: {{product: linux, service: sshd}}
    detection:
      failed: {{event.outcome: failure}}
      condition: failed
    level: low
"""
MANY = """
    title: Many failures
    id: {up}
    name: many
    correlation:
      type: event_count
      rules: [failure]
      group-by: [user.name, source.ip]
      timespan: 10m
      condition: {{gte: 3}}
    level: high
"""


def text(template: str) -> str:
    return template.format(base=ID.format(1), up=ID.format(2))


def pack_of(tmp_path: Path, *documents: str, mapping: str = "ecs") -> Pack:
    write(tmp_path, "both.yml", "\n    ---\n".join(text(one) for one in documents))
    return compile_pack([tmp_path], mapping=mapping)


def test_a_correlation_is_made_ready_and_kept(tmp_path: Path):
    pack = pack_of(tmp_path, MANY, BASE)
    assert (pack.refused, pack.cannot_match) == ([], [])
    rule = pack.correlations[ID.format(2)]
    assert (rule.kind, rule.rules, rule.span_us) == ("event_count", (ID.format(1),), 600_000_000)
    assert rule.places[ID.format(1)]["source.ip"] == ("source.ip",)
    assert pack.silent == (ID.format(1),)
    save_pack(pack, tmp_path / "x.pack")
    kept = load_pack(tmp_path / "x.pack")
    assert (kept.correlations, kept.correlation_facts, kept.silent) == (
        pack.correlations,
        pack.correlation_facts,
        pack.silent,
    )
    held = correlations_of(pack)
    assert load_correlations(save_correlations(held)) == held


def test_a_rule_in_a_file_of_its_own_is_not_silenced(tmp_path: Path):
    write(tmp_path, "base.yml", text(BASE))
    write(tmp_path, "up.yml", text(MANY))
    pack = compile_pack([tmp_path], mapping="ecs")
    assert list(pack.correlations) == [ID.format(2)]
    assert pack.silent == ()


def test_generate_lets_the_rule_below_alert_too(tmp_path: Path):
    loud = MANY.replace("type: event_count", "type: event_count\n      generate: true")
    assert pack_of(tmp_path, loud, BASE).silent == ()


def test_a_broken_correlation_still_silences_the_rule_that_serves_it(tmp_path: Path):
    pack = pack_of(tmp_path, MANY.replace("10m", "soon"), BASE)
    assert pack.silent == (ID.format(1),)
    assert pack.refused[0].line == 8


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("rules: [failure]", "rules: [nobody]", 6, "there is no rule nobody"),
        ("rules: [failure]", "rules: [many]", 6, "refers to itself"),
        ("type: event_count", "type: many_events", 5, "many_events"),
        ("timespan: 10m", "timespan: ten", 8, "ten"),
        ("timespan: 10m", "timespan: 90d", 8, "at most 31 days"),
        ("{{gte: 3}}", "{{gte: three}}", 9, "three"),
        ("{{gte: 3}}", "{{gte: 3, lte: 9}}", 9, "exactly one"),
        ("{{gte: 3}}", "failure or x", 0, "temporal"),
        ("type: event_count", "type: value_count", 4, "field"),
        ("type: event_count", "type: temporal_ordered", 9, ""),
        (
            "timespan: 10m",
            "timespan: 10m\n      aliases: {{a: {{other: user.name}}}}",
            9,
            "not among",
        ),
        ("type: event_count", "type: value_percentile", 0, ""),
    ],
)
def test_a_mistake_is_named_and_the_rule_below_still_loads(
    tmp_path: Path, old: str, new: str, line: int, said: str
):
    assert old in MANY
    pack = pack_of(tmp_path, MANY.replace(old, new), BASE)
    assert list(pack.rules) == [ID.format(1)]
    if (old, new) == ("type: event_count", "type: temporal_ordered"):
        assert pack.refused == []  # a count of ordered rules is a sound condition
        return
    (refused,) = pack.refused
    assert said in refused.reason
    assert not line or refused.line == line


def test_over_a_rule_that_cannot_match_it_cannot_match_either(tmp_path: Path):
    pack = pack_of(tmp_path, MANY, BASE.replace("event.outcome", "no.such.field"))
    assert {one.id for one in pack.cannot_match} == {ID.format(1), ID.format(2)}
    assert "failure below it cannot match" in pack.cannot_match[1].reason


def test_names_of_the_same_file_come_first_and_two_elsewhere_are_one_too_many(tmp_path: Path):
    write(tmp_path, "a.yml", text(BASE))
    write(tmp_path, "b.yml", text(BASE).replace(ID.format(1), ID.format(7)))
    write(tmp_path, "c.yml", text(MANY))
    (refused,) = compile_pack([tmp_path], mapping="ecs").refused
    assert "several rules are called failure" in refused.reason
    own = text(BASE).replace(ID.format(1), ID.format(8))
    write(tmp_path, "c.yml", text(MANY) + "\n    ---\n" + own)
    pack = compile_pack([tmp_path], mapping="ecs")
    assert pack.correlations[ID.format(2)].rules == (ID.format(8),)


def test_aliases_and_windows_names_lead_to_the_fields_of_each_rule(tmp_path: Path):
    windows = """
        title: Windows failure
        id: {up}
        name: windows_failure
        logsource: {{product: windows, service: security}}
        detection:
          failed: {{EventID: 4625}}
          condition: failed
    """
    both = """
        title: Both
        id: 00000000-0000-4000-8000-000000000003
        correlation:
          type: temporal
          rules: [failure, windows_failure]
          aliases:
            who: {{failure: user.name, windows_failure: TargetUserName}}
          group-by: [who]
          timespan: 1h
    """
    pack = pack_of(tmp_path, both, BASE, windows)
    assert pack.refused == []
    (rule,) = pack.correlations.values()
    assert rule.places[ID.format(1)]["who"] == ("user.name",)
    assert rule.places[ID.format(2)]["who"] == ("winlog.event_data.TargetUserName",)


def test_groups_are_folded_apart_by_agency_and_multiply_over_many_values():
    rule = Correlation(
        "c", "value_count", ("r",), 1, ("user.name", "host.name"), fields=("source.ip",)
    )
    fields = {
        "user.name": ["An", "an", "Bình"],
        "host.name": "PC01",
        "source.ip": ["1.1.1.1", "2.2.2.2"],
    }
    found = list(groups(rule, "r", fields, "a1"))
    assert found == [
        ('["a1","an","pc01"]', "1.1.1.1"),
        ('["a1","an","pc01"]', "2.2.2.2"),
        ('["a1","bình","pc01"]', "1.1.1.1"),
        ('["a1","bình","pc01"]', "2.2.2.2"),
    ]
    assert list(groups(rule, "r", {"user.name": "an"}, "a1")) == []
    wide = Correlation("c", "event_count", ("r",), 1, ("user.name",), whole_province=True)
    assert [group for group, _ in groups(wide, "r", fields, "a1")] == ['["","an"]', '["","bình"]']


def test_hostile_values_end_in_a_group_or_in_none():
    rule = Correlation("c", "event_count", ("r",), 1, ("user.name",))
    for value in ("\ud800", "x" * 1_000_000, ["a"] * 5_000, list(range(3_000)), "", 0, True):
        for group, _ in groups(rule, "r", {"user.name": value}, None):
            assert len(group) < 3_000
    assert Feed({"c": rule}).parts("other", {"user.name": "a"}, None) == ()


def test_scan_says_what_matches_say_together(tmp_path: Path):
    rules = tmp_path / "rules"
    write(rules, "both.yml", text(MANY) + "\n    ---\n" + text(BASE))
    event = {
        "event.dataset": "linux.auth",
        "process.name": "sshd",
        "event.outcome": "failure",
        "user.name": "An",
    }
    lines = [
        {
            "@timestamp": f"2026-11-26T01:0{minute}:00Z",
            "source.ip": "1.1.1.1",
            "host.name": "m",
            **event,
        }
        for minute in (0, 4, 9)
    ]
    lines.append({"source.ip": "1.1.1.1", **event})
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    done = subprocess.run(
        [sys.executable, "-m", "soc.cli.main", "scan", "--rules", str(rules), "--mapping", "ecs",
         "--cache", str(tmp_path / "cache"), "--stats", str(tmp_path / "e.jsonl")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = map(json.loads, done.stdout.splitlines())
    assert (found["title"], found["record"], found["time"]) == (
        "Many failures",
        3,
        "2026-11-26T01:09:00Z",
    )
    assert found["fields"] == {"user.name": "an", "source.ip": "1.1.1.1", "event.count": 3}
    assert "in no correlation: 1 matches" in done.stderr
