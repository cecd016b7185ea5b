"""Texts made to make backtracking explode: every answer in bounded time, and what was not judged is said."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from soc.cli.doctor import slow_rules
from soc.detect import bounded_search
from soc.detect.automata import CANDIDATE
from soc.detect.bounded_search import SECONDS, STRIKES, BoundedSearch
from soc.detect.judge import UNJUDGED, judge
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.model.event import EPOCH, Event
from tests.detect.builders import HERE, ID, pack_of

LONG = 60_000  # characters of a bomb
EXPONENTIAL = r"^(?=(a|a)+$)a"  # look-ahead, so that only `re` judges; it doubles with each letter


@pytest.fixture
def searcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[BoundedSearch]:
    """One of the test's own, in the place of the shared one."""
    made = BoundedSearch()
    monkeypatch.setattr("soc.detect.field_matcher.SHARED", made)
    yield made
    made.close()


def test_a_search_is_stopped_when_its_time_is_over_and_the_next_is_as_ever(searcher: BoundedSearch):
    """The process is another one, and answers."""
    bomb, plain = re.compile(EXPONENTIAL), re.compile("(?<=b)c+d")
    began = time.monotonic()
    assert searcher.search(bomb, "a" * 60 + "!") is None
    assert time.monotonic() - began < SECONDS + 5  # a bound, for a busy machine
    assert searcher.search(plain, "b" + "c" * 5_000 + "d") is True
    assert searcher.search(plain, "c" * 5_000) is False


def test_a_flood_of_bombs_waits_for_none(searcher: BoundedSearch):
    """After a few stops long texts are not tried for a minute; short ones are."""
    bomb = re.compile(EXPONENTIAL)
    assert [searcher.search(bomb, "a" * 300 + "!") for _ in range(STRIKES)] == [None] * STRIKES
    began = time.monotonic()
    assert {searcher.search(bomb, "a" * 300 + "!") for _ in range(1_000)} == {None}
    assert time.monotonic() - began < SECONDS * 20
    assert searcher.search(bomb, "b" * 30) is False


def test_a_process_that_died_is_started_again(searcher: BoundedSearch):
    """Whoever killed it."""
    pattern = re.compile("a+b")
    assert searcher.search(pattern, "x" + "a" * 9 + "b") is True
    assert searcher._child is not None
    searcher._child.kill()
    searcher._child.wait()
    assert searcher.search(pattern, "x" + "a" * 9 + "b") is True


def test_it_finds_what_re_finds(searcher: BoundedSearch):
    """Wherever the search runs, surrogates and flags included."""
    chance = random.Random(7)
    for pattern in (
        r"(?<!a)b+\Z",
        r"(\w+)\s\1",
        r"(?i)é+$",
        r"(?m)^x.*y$",
        "\ud800+",
        r"(?=.*1)a\b",
    ):
        compiled = re.compile(pattern)
        for _ in range(60):
            text = "".join(chance.choices("ab1xy É\n\ud800", k=chance.randrange(40)))
            assert searcher.search(compiled, text) is (compiled.search(text) is not None)


def test_an_event_says_which_rules_could_not_judge_it(tmp_path: Path, searcher: BoundedSearch):
    """Never skipped in silence, nor remembered as judged; all other rules are as ever."""
    slow = {"s": {"f|re": EXPONENTIAL}, "condition": "s"}
    other = {"s": {"f|endswith": "!"}, "condition": "s"}
    matcher = Matcher(pack_of(tmp_path, slow, other))
    events = [Event("t", EPOCH, {"f": "a" * 60 + "!", **HERE}, b"", f"{n:032x}") for n in range(2)]
    events.append(Event("t", EPOCH, {"f": "fine!", **HERE}, b"", f"{3:032x}"))
    signals = judge(matcher, events)
    assert [one.rule_id for one in signals] == [ID.format(1)] * 3
    assert [event.fields.get(UNJUDGED) for event in events] == [
        [ID.format(0)],
        [ID.format(0)],
        None,
    ]
    assert matcher.over_budget() == {ID.format(0): 1}  # values
    (said,) = slow_rules({"rules_over_budget": matcher.over_budget()})
    assert ID.format(0) in said


def test_a_value_over_the_limit_is_not_judged_by_that_rule_alone(tmp_path: Path, searcher: BoundedSearch):  # fmt: skip
    """One megabyte: Hyperscan's rules judge it, and a rule of `re` only where it could match."""
    slow, quick = {"s": {"f|re": "(?<=a)b+c"}, "condition": "s"}, {"s": {"f|re": "b+c$"}, "condition": "s"}  # fmt: skip
    matcher = Matcher(pack_of(tmp_path, slow, quick))
    assert matcher.match({"f": "x" * 1_000_000, **HERE}) == ()
    assert matcher.over_budget() == {}
    assert matcher.match({"f": "x" * 1_000_000 + "abc", **HERE}) == (ID.format(1),)
    assert matcher.over_budget() == {ID.format(0): 1}


def test_surrogates_do_not_lead_around_the_automaton(tmp_path: Path, searcher: BoundedSearch):
    """A lone surrogate hands a value to `re`; an expression that only Hyperscan can bear is bounded there too."""
    matcher = Matcher(pack_of(tmp_path, {"s": {"f|re": "^(a+)+$"}, "condition": "s"}))
    assert matcher.match({"f": "a" * 50, **HERE}) == (ID.format(0),)
    began = time.monotonic()
    assert matcher.match({"f": "a" * 50 + "\ud800", **HERE}) == ()
    assert time.monotonic() - began < SECONDS + 5
    assert matcher.over_budget() == {ID.format(0): 1}


# ── every shipped and imported rule ──────────────────────────────────────────────────────────────────────────────────


def bombs(pattern: str, flags: str) -> Iterator[str]:
    """Texts that nearly match: each endless repetition of the expression at length, and then not what must follow."""
    letters = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    tree = parser.parse(pattern, sum(letters[one] for one in flags))
    for seed in range(2):
        chance = random.Random(seed)
        for endless in (40, 4_000):
            text = sample(tree, chance, endless)[:LONG]
            yield text[:-1] + "\x00"
            yield text * (LONG // max(1, len(text))) + "\x00"


def sample(tree: Any, chance: random.Random, endless: int) -> str:
    """A text that an expression more or less matches."""
    made = []
    for code, argument in tree:
        if code is op.LITERAL:
            made.append(chr(argument))
        elif code is op.NOT_LITERAL:
            made.append("b" if argument == ord("a") else "a")
        elif code is op.ANY:
            made.append("a")
        elif code is op.IN:
            made.append(one_of(argument))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            times = endless if argument[1] is op.MAXREPEAT else min(argument[1], endless)
            made.append((sample(argument[2], chance, min(endless, 20)) * times)[:LONG])
        elif code is op.BRANCH:
            made.append(sample(chance.choice(argument[1]), chance, endless))
        elif code is op.SUBPATTERN:
            made.append(sample(argument[3], chance, endless))
        elif code is op.ASSERT:
            made.append(sample(argument[1], chance, endless))
    return "".join(made)


def one_of(members: Any) -> str:
    for code, argument in members:
        if code is op.LITERAL:
            return chr(argument)
        if code is op.RANGE:
            return chr(argument[0])
        if code is op.CATEGORY:
            return {op.CATEGORY_SPACE: " ", op.CATEGORY_DIGIT: "1"}.get(argument, "a")
    return "\x01"


def rules_with_expressions(folders: list[Path], into: Path) -> Path:
    """A folder of those rules alone: compiling the others would be most of the time."""
    for folder in folders:
        for path in folder.rglob("*.yml"):
            if "|re" in path.read_text(encoding="utf-8"):
                shutil.copy(path, into / f"{len(list(into.iterdir()))}_{path.name}")
    return into


def check_pack(pack: Pack) -> tuple[int, float]:
    """Every expression with its bombs, alone and beside a lone surrogate; the number of texts and the longest wait."""
    matcher, slowest, count = Matcher(pack), 0.0, 0
    for name, field in pack.fields.items():
        for atom in field.atoms:
            if atom.kind != "regex" or not name:
                continue
            for text in (
                one for bomb in bombs(*atom.spec) for one in (bomb, bomb[:200] + "\ud800")
            ):
                began = time.monotonic()
                matcher._fields[name].of(text)
                slowest, count = max(slowest, time.monotonic() - began), count + 1
    return count, slowest


def assert_bounded(pack: Pack) -> None:
    expressions = sum(
        atom.kind == "regex" for field in pack.fields.values() for atom in field.atoms
    )
    by_re = sum(
        field.raw is None or number not in field.raw
        for field in pack.fields.values()
        for number, atom in enumerate(field.atoms)
        if atom.kind == "regex"
    )
    candidates = sum(
        field.raw is not None and number + CANDIDATE in field.raw
        for field in pack.fields.values()
        for number in range(len(field.atoms))
    )
    began = time.monotonic()
    count, slowest = check_pack(pack)
    print(
        f"{expressions} expressions ({by_re} for re, {candidates} behind an automaton), {count} texts in "
        f"{time.monotonic() - began:.1f} s, the slowest {slowest:.2f} s"
    )
    assert count >= 8 * expressions > 0
    assert slowest < 10  # all expressions of a field stopped in a row, on a busy machine


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_no_shipped_expression_takes_long(tmp_path: Path, searcher: BoundedSearch):
    """The rules of this product."""
    folder = rules_with_expressions([Path(__file__).parents[2] / "rules"], tmp_path)
    assert_bounded(compile_pack([folder], mapping="ecs"))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_imported_expression_takes_long(tmp_path: Path, corpus: Path, searcher: BoundedSearch):
    """SigmaHQ's."""
    names = ("rules", "rules-emerging-threats", "rules-threat-hunting")
    folder = rules_with_expressions([corpus / "sigma" / name for name in names], tmp_path)
    assert_bounded(compile_pack([folder], mapping="native"))


def test_whether_a_search_is_quick_is_told_beforehand():
    """An endless repetition never is; a bounded one by its choices."""
    assert bounded_search.ways("(ab|cd){3}", 0) == 32
    assert bounded_search.ways("(a|a)+", 0) == bounded_search.ways("(?:a*)b", 0) == float("inf")
    assert bounded_search.ways("(ab|ac|d){40}", 0) > bounded_search.STEPS_HERE
