"""Every Sigma value type and modifier, one fact each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.detect.conformance import ABSENT, CASES, PAGE, PLACEHOLDERS, Conformance, page


def shown(value: object) -> str:
    """A value as part of a test's name, the same in every process."""
    return "" if value is ABSENT else f"{value!r:.40}"


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.chain} {case.kind} {shown(case.value)}"
)
def test_a_value_is_judged_as_the_specification_says(judged: Any, case: Conformance) -> None:
    """Including the corners: case beyond ASCII, escapes, surrogates, numbers as text, lists."""
    fields = {} if case.value is ABSENT else {"f": case.value}
    assert judged(case.selection, PLACEHOLDERS).says(g="Giám đốc", **fields) is case.expected


def test_the_page_is_what_the_cases_say(tmp_path: Path) -> None:
    """``python -m tests.detect.conformance`` writes it anew."""
    assert PAGE.read_text("utf-8") == page(tmp_path)


def test_every_modifier_of_the_specification_has_a_case(corpus: Path) -> None:
    folder = corpus / "standards" / "sigma-specification" / "specification"
    text = (folder / "sigma-appendix-modifiers.md").read_text("utf-8")
    named = set(re.findall(r"^ *- `(\w+)`: ", text, re.MULTILINE))
    tested = {name for case in CASES for name in case.modifiers}
    assert len(named) >= 25
    assert named <= tested


def test_an_absent_field_is_null(judged: Any) -> None:
    """SigmaHQ's filters rely on it."""
    assert judged({"f": None}).says(other="x")


def test_an_absent_field_is_not_there(judged: Any) -> None:
    assert judged({"f|exists": False}).says(other="x")
    assert not judged({"f|exists": True}).says(other="x")


def test_a_missing_field_makes_a_filter_false_not_the_rule_inapplicable(judged: Any) -> None:
    found = judged(
        {"a": {"f": "x"}, "filter": {"parent": "y"}, "condition": "a and not 1 of filter*"}
    )
    assert found.says(f="x")


@pytest.mark.parametrize(
    ("key", "a", "b", "expected"),
    [
        ("f|fieldref", "Same", "same", True),
        ("f|fieldref", "x", "y", False),
        ("f|fieldref|startswith", "abc", "AB", True),
        ("f|fieldref|endswith", "abc", "bc", True),
        ("f|fieldref|contains", "abcd", "bc", True),
        ("f|fieldref|neq", "x", "y", True),
        ("f|fieldref", 5, "5", True),
        ("f|fieldref", ["a", "b"], ["c", "b"], True),
    ],
)
def test_a_field_is_compared_with_another(
    judged: Any, key: str, a: Any, b: Any, expected: bool
) -> None:
    assert judged({key: "g"}).says(f=a, g=b) is expected


def test_a_reference_to_an_absent_field_does_not_hold(judged: Any) -> None:
    assert not judged({"f|fieldref": "g"}).says(f="x")


@pytest.mark.parametrize(
    ("keywords", "fields", "expected"),
    [
        (["mimikatz"], {"a": "x", "b": "run MIMIKATZ.exe"}, True),
        (["mimikatz"], {"mimikatz": "x"}, False),
        (["mimi*katz"], {"a": "mimi and katz"}, True),
        (["mimi*katz"], {"a": "mimi", "b": "katz"}, False),
        (["one", "two"], {"a": "two"}, True),
        ({"|all": ["one", "two"]}, {"a": "one", "b": "two"}, True),
        ({"|all": ["one", "two"]}, {"a": "one"}, False),
        (["b"], {"a": ["x", "abc"]}, True),
        ([4624], {"a": 46241}, True),
        (["true"], {"a": True}, True),
        ({"|re": "k.tz$"}, {"a": "x", "b": "katz"}, True),
        ({"|cased": "Katz"}, {"a": "katz"}, False),
    ],
)
def test_a_keyword_is_looked_for_in_every_value(
    judged: Any, keywords: Any, fields: dict[str, Any], expected: bool
) -> None:
    assert judged({"k": keywords, "condition": "k"}).says(**fields) is expected


def test_a_keyword_found_once_is_found_again_after_clean_values(judged: Any) -> None:
    """The memory of clean values does not hide what comes later."""
    found = judged({"k": ["evil"], "condition": "k"})
    assert [found.says(a=text) for text in ("good", "evil", "good", "evil")] == [
        False,
        True,
        False,
        True,
    ]


def test_placeholders_are_filled_from_the_table(judged: Any) -> None:
    found = judged({"u|expand": "%admins%"}, {"admins": ["root", "quản trị"]})
    assert found.says(u="QUẢN TRỊ")
    assert not found.says(u="%admins%")


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("1 of s*", "a", True),
        ("all of s*", "a", False),
        ("all of them", "a", False),
        ("1 of them", "b", True),
        ("not s1", "b", True),
        ("s1 or not s2", "c", True),
        ("(s1 or s2) and not s1", "b", True),
        ("not (s1 or s2)", "c", True),
        ("s1 and s2", "a", False),
    ],
)
def test_conditions_join_selections(
    judged: Any, condition: str, values: str, expected: bool
) -> None:
    found = judged({"s1": {"f": "a"}, "s2": {"f": "b"}, "condition": condition})
    assert found.says(f=values) is expected


def test_a_list_of_conditions_is_joined_by_or(judged: Any) -> None:
    found = judged({"s1": {"f": "a"}, "s2": {"f": "b"}, "condition": ["s1", "s2"]})
    assert found.says(f="b")


def test_a_list_of_maps_is_joined_by_or(judged: Any) -> None:
    found = judged({"s": [{"f": "a", "g": "b"}, {"h": "c"}], "condition": "s"})
    assert found.says(h="c")
    assert not found.says(f="a")


def test_one_and_true_and_one_point_nought_are_told_apart(judged: Any) -> None:
    """They are one key of a Python dict, so the memory must know their types."""
    found = judged({"f": "true"})
    assert [found.says(f=value) for value in (1, 1.0, True, 1, "1", True)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
