"""Random rules and random events: the engine and the plain evaluator must agree on every pair.

The seed comes from ``SOC_FUZZ_SEED``; it goes on for ``SOC_FUZZ_SECONDS`` and until ``SOC_FUZZ_PAIRS`` different pairs
of a rule and an event were compared, each under every size of memory. A failure prints rule, event and seed.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from tests.detect import plain_evaluator
from tests.detect.builders import HERE, rule, write_rules

SECONDS = float(os.environ.get("SOC_FUZZ_SECONDS", "20"))
PAIRS = int(os.environ.get("SOC_FUZZ_PAIRS", "0"))
SEED = int(os.environ.get("SOC_FUZZ_SEED", "20261122"))
NAMES = ("a", "b", "c", "EventID")
WORDS = (
    *("cmd", "CMD.exe", "a", "b", "ab", "", " ", "-enc", "/c x", "a.b", "\\", "C:\\a\\cmd.exe"),
    *(
        "đặng",
        "ĐẶNG",
        "Straße",
        "İ",
        "ı",
        "K",
        "\u212a",
        "e\u0301",
        "é",
        "\U0001f600",
        "a\nb",
        "a\n",
    ),
    *("10.0.0.1", "10.1.2.3", "::1", "::ffff:10.0.0.1", "2001:db8::1", "5", "05", "5.0", "0x5"),
    *("true", "True", "null", "*", "?", "a*b", "[a]", "(b", "x\x00y", "\ud800", "a\ud800b", "YWI="),
)
PATTERNS = (
    *(
        "cmd",
        "C*d",
        "a?",
        "?",
        "*",
        "a*b",
        "*a*b*",
        "\\*",
        "\\?",
        "a\\",
        "\\\\*",
        "",
        "đ?ng",
        "*ß*",
    ),
    *("?\\a", "*\\cmd.exe", "-enc", " /c ", "İ", "ı", "K", "é", "\U0001f600", "a\nb", "\n"),
)
REGEXES = (
    *(
        "a",
        "^a",
        "a$",
        "a.b",
        "a+b?",
        "[a-c]+",
        "(a|b)c?",
        "^$",
        "A",
        "\\\\",
        "a{1,2}",
        "cmd\\.exe$",
    ),
    *("(?=a)a", "(?<!a)b", "[^a]", "\\.", "e$"),
)
NETWORKS = ("10.0.0.0/8", "10.0.0.1/32", "::1/128", "2001:db8::/32", "0.0.0.0/0")


class Maker:
    """Random rules and events from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def value(self) -> Any:
        roll = self.random.random()
        if roll < 0.6:
            words = self.random.choices(WORDS, k=self.random.choice((1, 1, 1, 2)))
            return self.pick(("", " ")).join(words)
        if roll < 0.9:
            return self.pick((0, 1, 5, -5, 5.0, 5.5, 1.0, True, False, None, 10**20, 3389))
        return [self.value_of_list() for _ in range(self.random.randrange(4))]

    def value_of_list(self) -> Any:
        return self.pick((*WORDS, 5, 1, True, 1.0, None))

    def event(self) -> dict[str, Any]:
        return {name: self.value() for name in NAMES if self.random.random() < 0.8}

    def item(self) -> tuple[str, Any]:
        name = self.pick((*NAMES, *NAMES, ""))
        kind = self.random.randrange(12)
        if kind < 5:
            shape = self.pick(("", "|contains", "|startswith", "|endswith"))
            cased = self.pick(("", "", "", "|cased"))
            extra = self.pick(("", "", "", "|windash")) if not cased and shape else ""
            return name + extra + shape + cased, self.several(PATTERNS, name)
        if kind == 5:
            flags = self.pick(("", "|i", "|m", "|s", "|i|m"))
            return f"{name}|re{flags}", self.several(REGEXES, name)
        if kind == 6:
            return f"{name}|cidr", self.several(NETWORKS, name)
        if kind == 7:
            order = self.pick(("lt", "lte", "gt", "gte"))
            return f"{name}|{order}", self.pick((5, 0, 5.5, -1, 1))
        if not name:
            return "", self.several(("cmd", "a", "đ"), name)
        if kind == 8:
            return f"{name}|exists", self.pick((True, False))
        if kind == 9:
            shape = self.pick(("", "|startswith", "|endswith", "|contains", "|neq"))
            return f"{name}|fieldref{shape}", self.pick(NAMES)
        if kind == 10:
            return f"{name}{self.pick(('', '|neq'))}", self.pick(
                (None, 5, 1, True, False, 5.5, [1, "a"])
            )
        return f"{name}|{self.pick(('base64', 'base64offset|contains'))}", self.pick(("ab", "cmd"))

    def several(self, choices: tuple[str, ...], name: str) -> Any:
        if self.random.random() < 0.5:
            return self.pick(choices)
        return self.random.sample(choices, k=self.random.choice((2, 3)))

    def selection(self) -> Any:
        def items() -> dict[str, Any]:
            return dict(self.item() for _ in range(self.random.choice((1, 1, 2, 3))))

        if self.random.random() < 0.2:
            return [items(), items()]
        return items()

    def detection(self) -> dict[str, Any]:
        names = self.random.sample(("s1", "s2", "f1", "f2"), k=self.random.choice((1, 2, 3)))
        return {name: self.selection() for name in names} | {"condition": self.condition(names, 0)}

    def condition(self, names: list[str], depth: int) -> str:
        roll = self.random.random()
        if depth > 2 or roll < 0.35:
            return self.pick(names)
        if roll < 0.45:
            return f"{self.pick(('1', 'all'))} of {self.pick((names[0][0] + '*', 'them'))}"
        if roll < 0.6:
            return f"not {self.condition(names, 3)}"
        left, right = self.condition(names, depth + 1), self.condition(names, depth + 1)
        joined = f"{left} {self.pick(('and', 'or'))} {right}"
        return f"({joined})" if self.random.random() < 0.5 else joined


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_engine_and_the_plain_evaluator_agree(tmp_path: Path) -> None:
    """Rules by the hundred in one pack, with memories of 1, 2, 10 and many entries."""
    until = time.monotonic() + SECONDS
    rounds = pairs = compared = matched = 0
    while rounds == 0 or time.monotonic() < until or pairs < PAIRS:
        seed = SEED + rounds
        maker = Maker(seed)
        rules = [rule(number, maker.detection()) for number in range(150)]
        folder = write_rules(tmp_path / str(rounds), rules)
        pack = compile_pack([folder], mapping="native")
        assert len(pack.refused) <= 5, pack.refused[:3]
        by_id = {content["id"]: content for content in rules}
        events = [maker.event() for _ in range(60)]
        events = [{**event, **HERE} for event in events]
        right = [
            tuple(
                rule_id for rule_id in pack.rules if plain_evaluator.matches(by_id[rule_id], event)
            )
            for event in events
        ]
        again = maker.random.choices(range(len(events)), k=120)
        for limit in (1, 2, 10, 10_000):
            matcher = Matcher(pack, values_each=limit, tuples_each=limit)
            for number in [*range(len(events)), *again]:
                fields, expected = events[number], right[number]
                said = matcher.match(fields)
                if said != expected:
                    wrong = set(said) ^ set(expected)
                    shown = [by_id[rule_id]["detection"] for rule_id in wrong]
                    pytest.fail(f"seed {seed}, memory {limit}: {fields!r}: {sorted(wrong)} {shown}")
                compared += len(pack.rules)
                matched += len(said)
        rounds += 1
        pairs += len(pack.rules) * len(events)
    print(f"{rounds} rounds, {pairs} different pairs, {compared} comparisons, {matched} matches")
    assert matched > compared // 100
