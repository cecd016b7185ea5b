"""Ranges of text as patterns, and how words are cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.store.patterns import Bounds, fold_expression, pattern_of, read_word, words_of

FEW = st.text(alphabet="ab\x00zé", max_size=3)


def matches(pattern: str | None, text: str) -> bool:
    """Whether Python's ``re`` finds the pattern in all of the text; it writes code points otherwise."""
    if pattern is None:
        return False
    rewritten = re.sub(r"\\x\{([0-9A-F]+)\}", lambda code: f"\\U{int(code[1], 16):08x}", pattern)
    return re.fullmatch(rewritten, text, re.DOTALL) is not None


@given(st.none() | FEW, st.none() | FEW, st.booleans(), st.booleans(), FEW)
def test_a_pattern_of_bounds_is_true_of_exactly_the_texts_inside(
    low: str | None, high: str | None, low_included: bool, high_included: bool, text: str
):
    above = low is None or text > low or (low_included and text == low)
    below = high is None or text < high or (high_included and text == high)
    assert matches(Bounds(low, high, low_included, high_included).pattern(), text) == (
        above and below
    )


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("*md.ex?", [".*md", "ex."]),
        ("cmd.*", ["cmd"]),
        ("a**b", ["a.*b"]),
        (r"a\*b", ["a", "b"]),
        ("*", []),
        ("c:/*/x", ["c", ".*", "x"]),
    ],
)
def test_words_are_cut_as_the_index_cuts_text(written: str, words: list[str]):
    assert [pattern_of(word) for word in words_of(read_word(written))] == words


def test_folding_leaves_the_escapes_of_an_expression_alone():
    assert fold_expression(r"A\S\D\.EXE\p{L}\x{41}") == r"a\S\D\.exe\p{L}\x{41}"
