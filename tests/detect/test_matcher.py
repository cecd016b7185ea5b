"""The matcher as a whole: one stable answer, bounded memory, explanations, log sources."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from soc.detect import bounded_search
from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from tests.detect.builders import HERE, ID, pack_of, rule, write_rules

SYSMON = "Microsoft-Windows-Sysmon/Operational"


def windows_rule(number: int, selection: dict[str, Any], **logsource: str) -> dict[str, Any]:
    source = {"product": "windows", **logsource}
    return rule(number, {"s": selection, "condition": "s"}, logsource=source)


def matcher_of(folder: Path, mapping: str, *rules: dict[str, Any]) -> Matcher:
    pack = compile_pack([write_rules(folder, rules)], mapping=mapping)
    assert not pack.refused, pack.refused
    assert not pack.cannot_match, pack.cannot_match
    return Matcher(pack)


def test_the_answer_is_the_same_every_time_and_in_the_order_of_the_ids(tmp_path: Path) -> None:
    detections = [{"s": {"f|contains": letter}, "condition": "s"} for letter in "abcabcabc"]
    pack = pack_of(tmp_path, *detections)
    matcher = Matcher(pack)
    events = [{"f": "".join(random.sample("abcd", k=3)), **HERE} for _ in range(50)]
    answers = [matcher.match(event) for event in events]
    for again in (matcher, Matcher(pack), Matcher(pack, values_each=1, tuples_each=1)):
        assert [again.match(event) for event in events] == answers
    assert all(list(answer) == sorted(answer) for answer in answers)


def test_fields_that_no_rule_asks_for_first_are_judged_only_for_rules_that_may_match(
    tmp_path: Path,
) -> None:
    """Each rule needs one of its atoms; those on ``f`` suffice, so ``g`` waits until one of them holds."""
    rules = [{"s": {"f|contains": letter, "g|contains": "x"}, "condition": "s"} for letter in "abc"]
    matcher = Matcher(pack_of(tmp_path, *rules, {"s": {"f": "d"}, "condition": "s"}))
    asked = matcher._fields["g"].memo
    assert matcher.match({"f": "nothing", "g": "x1", **HERE}) == ()
    assert matcher.match({"f": "d", "g": "x2", **HERE}) == (ID.format(3),)
    assert len(asked) == 0
    assert matcher.match({"f": "a", "g": "x3", **HERE}) == (ID.format(0),)
    assert matcher.match({"f": "a", "g": "y", **HERE}) == ()
    assert len(asked) == 2


@pytest.mark.parametrize("missing", [{}, {"g": None}, {"g": []}, {"g": [None]}])
def test_absent_and_null_are_told_apart_where_a_rule_asks(
    tmp_path: Path, missing: dict[str, Any]
) -> None:
    there = {"s": {"f": "a", "g|exists": True}, "condition": "s"}
    null = {"s": {"f": "a", "g": None}, "condition": "s"}
    matcher = Matcher(pack_of(tmp_path, there, null))
    expected = [ID.format(0)] * ("g" in missing) + [ID.format(1)]
    assert list(matcher.match({"f": "a", **missing, **HERE})) == expected


def test_memories_stay_within_their_limits(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {"s": {"f|contains": ["a", "b", "c"]}, "condition": "s"})
    matcher = Matcher(pack, values_each=10, tuples_each=10)
    for number in range(1000):
        matcher.match({"f": f"value {number}", **HERE})
    assert len(matcher._fields["f"].memo) <= 20


def test_long_values_are_not_remembered(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, {"s": {"f|contains": "a"}, "condition": "s"})
    matcher = Matcher(pack)
    assert matcher.match({"f": "x" * 5000 + "a", **HERE})
    assert len(matcher._fields["f"].memo) == 0


def test_an_expression_over_its_budget_is_counted_and_its_rule_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only ``re`` has a budget: what Hyperscan takes is never cut."""
    slow = {"s": {"f|re": "(?=a+)a"}, "condition": "s"}
    quick = {"s": {"f|re": "a+$"}, "condition": "s"}
    matcher = Matcher(pack_of(tmp_path, slow, quick))
    monkeypatch.setattr(bounded_search, "MOST_CHARACTERS", 100)
    assert matcher.match({"f": "x" * 200 + "a", **HERE}) == (ID.format(1),)
    assert matcher.over_budget() == {ID.format(0): 1}


def test_explain_shows_each_condition_true_or_false(tmp_path: Path) -> None:
    detection = {
        "admin": {"f": "root"},
        "night": {"h|lt": 5},
        "filter": {"g": "x"},
        "condition": "admin and night and not filter",
    }
    matcher = Matcher(pack_of(tmp_path, detection))
    tree = matcher.explain(ID.format(0), {"f": "root", "h": 9, **HERE})
    named = {}

    def walk(part: Any) -> None:
        if part.kind == "name":
            named[part.label] = part.holds
        for inner in part.parts:
            walk(inner)

    walk(tree)
    assert not tree.holds
    assert named == {"log source": True, "admin": True, "night": False, "filter": False}


def test_explain_and_match_say_the_same(tmp_path: Path) -> None:
    detection = {"a": {"f|contains": "x"}, "b": {"g": None}, "condition": "a or not b"}
    matcher = Matcher(pack_of(tmp_path, detection))
    for event in ({"f": "x"}, {"f": "y"}, {"g": "1"}, {}):
        fields = {**event, **HERE}
        assert matcher.explain(ID.format(0), fields).holds == bool(matcher.match(fields))


def test_matched_fields_are_those_that_made_the_match(tmp_path: Path) -> None:
    detection = {
        "s": [{"f": "a"}, {"g": "b"}],
        "k": ["secret"],
        "filter": {"z": "q"},
        "condition": "s and k and not filter",
    }
    matcher = Matcher(pack_of(tmp_path, detection))
    fields = {"f": "no", "g": "b", "m": "a secret", "z": "no", **HERE}
    assert matcher.matched_fields(ID.format(0), fields) == {"g": "b", "m": "a secret", **HERE}


def test_process_creation_is_found_in_sysmon_and_in_security_4688(tmp_path: Path) -> None:
    content = windows_rule(1, {"Image|endswith": "\\x.exe"}, category="process_creation")
    matcher = matcher_of(tmp_path, "native", content)
    path = "C:\\x.exe"
    assert matcher.match({"Channel": SYSMON, "EventID": 1, "Image": path})
    assert matcher.match({"Channel": SYSMON, "EventID": "1", "Image": path})
    assert matcher.match({"Channel": "Security", "EventID": 4688, "NewProcessName": path})
    assert not matcher.match({"Channel": "Security", "EventID": 4688, "Image": path})
    assert not matcher.match({"Channel": SYSMON, "EventID": 5, "Image": path})


def test_an_event_that_does_not_say_its_channel_matches_no_windows_rule(tmp_path: Path) -> None:
    """Closed by default."""
    content = windows_rule(1, {"Image|endswith": "x"}, category="process_creation")
    assert not matcher_of(tmp_path, "native", content).match({"EventID": 1, "Image": "x"})


@pytest.mark.parametrize(
    ("category", "event_type", "code", "expected"),
    [
        ("registry_event", "SetValue", 13, True),
        ("registry_event", "CreateKey", 12, True),
        ("registry_event", "RenameKey", 14, True),
        ("registry_set", "SetValue", 13, True),
        ("registry_set", "CreateKey", 12, False),
        ("registry_delete", "DeleteValue", 12, True),
        ("registry_delete", "CreateKey", 12, False),
        ("registry_add", "CreateKey", 12, True),
        ("registry_add", "DeleteKey", 12, False),
    ],
)
def test_registry_categories_mean_what_they_say(
    tmp_path: Path, category: str, event_type: str, code: int, expected: bool
) -> None:
    """registry_event is all of them; Sysmon 12 is both creation and deletion, told apart by EventType."""
    matcher = matcher_of(
        tmp_path, "native", windows_rule(1, {"TargetObject|contains": "run"}, category=category)
    )
    event = {"Channel": SYSMON, "EventID": code, "EventType": event_type, "TargetObject": "Run"}
    assert bool(matcher.match(event)) is expected


def test_sigma_names_are_mapped_to_ecs_without_the_caseless_twins(tmp_path: Path) -> None:
    selection = {"Image|endswith": "\\x.exe", "CommandLine|contains": "-e", "User": "NT\\SYSTEM"}
    content = windows_rule(1, selection, category="process_creation")
    event = {
        "winlog.channel": SYSMON,
        "event.code": "1",
        "process.executable": "C:\\X.EXE",
        "process.command_line": "x -E",
        "winlog.event_data.User": "NT\\SYSTEM",
    }
    assert matcher_of(tmp_path, "ecs", content).match(event)


def test_rules_in_ecs_names_pass_as_they_are(tmp_path: Path) -> None:
    windows = windows_rule(
        1, {"event.code": "4720", "user.target.name": "evil"}, service="security"
    )
    linux = rule(
        2,
        {"s": {"process.name": "curl"}, "condition": "s"},
        logsource={"product": "linux", "category": "process_creation"},
    )
    matcher = matcher_of(tmp_path, "ecs", windows, linux)
    created = {"winlog.channel": "Security", "event.code": "4720", "user.target.name": "Evil"}
    assert matcher.match(created) == (ID.format(1),)
    started = {
        "host.os.type": "linux",
        "event.category": ["process"],
        "event.type": ["start"],
        "event.dataset": "linux.process",
        "process.name": "curl",
    }
    assert matcher.match(started) == (ID.format(2),)
    assert not matcher.match({**started, "event.type": ["end"]})
    assert not matcher.match({**created, "winlog.channel": "System"})


def test_linux_process_rules_of_sigmahq_find_ecs_process_events(tmp_path: Path) -> None:
    content = rule(
        1,
        {"s": {"Image|endswith": "/curl", "ParentImage|endswith": "/bash"}, "condition": "s"},
        logsource={"product": "linux", "category": "process_creation"},
    )
    event = {
        "host.os.type": "linux",
        "event.category": ["process"],
        "event.type": ["start"],
        "process.executable": "/usr/bin/curl",
        "process.parent.executable": "/bin/bash",
    }
    assert matcher_of(tmp_path, "ecs", content).match(event)


@pytest.mark.parametrize(
    ("service", "event", "expected"),
    [
        ("sshd", {"event.dataset": "linux.auth", "process.name": "sshd"}, True),
        ("sshd", {"event.dataset": "linux.auth", "process.name": "sudo"}, False),
        ("auth", {"event.dataset": "linux.auth", "process.name": "sudo"}, True),
        ("sudo", {"event.dataset": "linux.auth", "process.name": "sudo"}, True),
        ("syslog", {"event.dataset": "linux.syslog"}, True),
        ("cron", {"event.dataset": "linux.syslog", "process.name": "CRON"}, True),
        ("auditd", {"event.dataset": "linux.auditd"}, True),
        ("auditd", {"event.dataset": "linux.syslog"}, False),
    ],
)
def test_linux_services_are_found_by_dataset_and_program(
    tmp_path: Path, service: str, event: dict[str, Any], expected: bool
) -> None:
    source = {"product": "linux", "service": service}
    content = rule(1, {"s": ["failed"], "condition": "s"}, logsource=source)
    fields = {"host.os.type": "linux", "message": "it failed", **event}
    assert bool(matcher_of(tmp_path, "ecs", content).match(fields)) is expected
