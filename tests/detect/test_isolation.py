"""Adding, disabling or breaking any rule changes no other rule's matches, counts or alerts.

The rules share events, and the correlations share rules: thresholds, sequences, a chain. What changes with a rule is
only what refers to it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from soc.detect.correlation.batch import Batch
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack, correlations_of
from tests.detect.builders import HERE, ID, rule

EVENTS = 120
ROUNDS = 4
SINGLE = ("a", "b", "c", "d", "e")


def correlation(number: int, kind: str, rules: list[int], **more: Any) -> dict[str, Any]:
    correlated = {
        "type": kind,
        "rules": [ID.format(one) for one in rules],
        "group-by": ["u"],
        "timespan": "10s",
    }
    if kind == "event_count":
        correlated["condition"] = {"gte": 3}
    return {
        "title": f"Correlation {number}",
        "id": ID.format(number),
        "status": "test",
        "level": "high",
        "correlation": correlated | more,
    }


def a_set(chance: random.Random) -> dict[str, dict[str, Any]]:
    """File name to rule."""
    rules = []
    for number, letter in enumerate(SINGLE):
        detection: dict[str, Any] = {"s": {"f|contains": letter}, "condition": "s"}
        if chance.random() < 0.5:
            detection |= {"not": {"g": chance.choice("xy")}, "condition": "s and not not"}
            detection["filter"] = detection.pop("not")
            detection["condition"] = "s and not filter"
        rules.append(rule(number, detection))
    rules += [
        correlation(10, "event_count", [0]),
        correlation(11, "event_count", [0, 1], condition={"gte": chance.randint(2, 5)}),
        correlation(12, "temporal", [0, 1]),
        correlation(13, "temporal_ordered", [1, 2, 0]),
        correlation(14, "value_count", [3], condition={"field": "v", "gte": 2}),
        correlation(15, "temporal", [12, 4]),
        correlation(16, "event_count", [10], condition={"gte": 2}, timespan="1m"),
    ]
    return {f"{one['id']}.yml": one for one in rules}


def depends_on(rules: dict[str, dict[str, Any]], target: str) -> set[str]:
    """Ids of the rules that refer to one, directly or not, and its own."""
    found = {target}
    while True:
        more = {
            one["id"]
            for one in rules.values()
            if found & set(one.get("correlation", {}).get("rules", ()))
        } - found
        if not more:
            return found
        found |= more


def events(chance: random.Random) -> Iterator[tuple[int, dict[str, Any]]]:
    for _ in range(EVENTS):
        letters = "".join(chance.sample("abcdez", k=chance.randint(1, 4)))
        yield (
            chance.randrange(90) * 1_000_000,
            {"f": letters, "g": chance.choice("xyz"), "u": chance.choice("pq"), "v": chance.choice("123")},
        )  # fmt: skip


def answers(pack: Pack, seen: list[tuple[int, dict[str, Any]]]) -> dict[str, list[Any]]:
    """By rule: the events that match, and the runs."""
    matcher, batch = Matcher(pack), Batch(correlations_of(pack))
    found: dict[str, list[Any]] = {}
    for number, (at, fields) in enumerate(seen):
        for rule_id in matcher.match({**HERE, **fields}):
            found.setdefault(rule_id, []).append(number)
            parts = matcher.feed.parts(rule_id, fields, None)
            batch.take(parts, rule_id=rule_id, key=f"{number}", at=at, tag=number)
    for run in batch.runs():
        found.setdefault(run.rule.id, []).append((run.group, run.run, run.tags))
    return found


def compiled(folder: Path, texts: dict[str, str]) -> Pack:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return compile_pack([folder], mapping="native")


def as_text(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False)


def with_(**changed: Any) -> Callable[[dict[str, Any]], str]:
    return lambda content: as_text(content | changed)


def circular(content: dict[str, Any]) -> str:
    if "correlation" not in content:
        return as_text(content | {"logsource": {"product": "nowhere"}})
    return as_text(content | {"correlation": content["correlation"] | {"rules": [content["id"]]}})


BROKEN: dict[str, Callable[[dict[str, Any]], str]] = {
    "not YAML": lambda content: as_text(content) + "level: [\n",
    "cut": lambda content: as_text(content)[:60],
    "not UTF-8": lambda content: as_text(content) + "\udcff",
    "unknown modifier": with_(detection={"s": {"f|nonsense": "a"}, "condition": "s"}),
    "bad condition": with_(detection={"s": {"f": "a"}, "condition": "s and ("}),
    "bad regex": with_(detection={"s": {"f|re": "a("}, "condition": "s"}),
    "exploding regex": with_(detection={"s": {"f|re": "(?=(a+)+b)"}, "condition": "s"}),
    "refers to nothing": with_(
        correlation={"type": "temporal", "rules": ["none"], "timespan": "1m"}
    ),
    "refers to itself": circular,
    "no id": lambda content: as_text({k: v for k, v in content.items() if k != "id"}),
    "matches everything": with_(detection={"s": {"f|exists": True}, "condition": "s"}),
}


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_rule_that_goes_breaks_or_comes_changes_no_other(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rules = a_set(chance)
    texts = {name: as_text(content) for name, content in rules.items()}
    seen = list(events(chance))
    whole = compiled(tmp_path / "whole", texts)
    assert not whole.refused
    before = answers(whole, seen)
    assert len(before) == len(rules), "every rule must have something to lose"
    for name, content in rules.items():
        rest = {other: text for other, text in texts.items() if other != name}
        how, break_it = chance.choice(list(BROKEN.items()))
        broken = tmp_path / f"broken-{content['id']}"
        broken.mkdir()
        raw = break_it(content).encode("utf-8", "surrogateescape")
        for other, text in rest.items():
            (broken / other).write_text(text, encoding="utf-8")
        (broken / name).write_bytes(raw)
        packs = {
            "gone": compiled(tmp_path / f"gone-{content['id']}", rest),
            how: compile_pack([broken], mapping="native"),
        }
        others = {one["id"] for one in rules.values()} - depends_on(rules, content["id"])
        for what, pack in packs.items():
            after = answers(pack, seen)
            for other in others:
                assert after.get(other) == before[other], (content["title"], what, other)


@pytest.mark.parametrize("how", BROKEN)
def test_a_bad_newcomer_changes_no_rule(tmp_path: Path, how: str) -> None:
    chance = random.Random(how)
    rules = a_set(chance)
    seen = list(events(chance))
    folder = tmp_path / "rules"
    before = answers(compiled(folder, {n: as_text(one) for n, one in rules.items()}), seen)
    newcomer = rule(90, {"s": {"f|contains": "a"}, "condition": "s"})
    (folder / "new.yml").write_bytes(BROKEN[how](newcomer).encode("utf-8", "surrogateescape"))
    twin = next(iter(rules.values())) | {"title": "The same id", "level": "low"}
    (folder / "zz-twin.yml").write_text(as_text(twin))
    after = answers(compile_pack([folder], mapping="native"), seen)
    for rule_id, expected in before.items():
        assert after.get(rule_id) == expected
