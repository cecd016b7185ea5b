"""Three-way merge by lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from soc.detect.line_merge import MOST_LINES, merge

texts = st.lists(st.sampled_from(["a", "b", "c", "", "  - x"]), max_size=12).map("\n".join)


@given(texts, texts)
def test_what_only_one_side_changed_is_taken(base: str, changed: str):
    assert merge(base, base, changed).text == changed
    assert merge(base, changed, base).text == changed
    assert merge(base, changed, changed).text == changed


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.lists(st.booleans(), max_size=8))
def test_changes_of_different_lines_are_both_taken(mine: list[bool], other: list[bool]):
    """Each side marks lines of its own half; a line between the halves stays."""
    base = [f"{number}" for number in range(17)]

    def marked(first: int, marks: list[bool], sign: str, lines: list[str]) -> list[str]:
        made = list(lines)
        for number, mark in enumerate(marks):
            made[first + number] += sign * mark
        return made

    ours, theirs = marked(0, mine, "o", base), marked(9, other, "t", base)
    both = marked(9, other, "t", ours)
    assert merge("\n".join(base), "\n".join(ours), "\n".join(theirs)).text == "\n".join(both)


@given(texts, texts, texts)
def test_neither_side_is_favoured(base: str, ours: str, theirs: str):
    assert merge(base, ours, theirs).text == merge(base, theirs, ours).text


def test_the_same_line_changed_in_two_ways_is_a_conflict_at_its_place():
    base = "a\nb\nc\nd"
    assert (found := merge(base, "new\na\nb\nC\nd", "a\nb\nc2\nd")).text is None
    assert found.line == 4


def test_neighbouring_insertions_are_a_conflict():
    """Nobody can say which comes first."""
    assert merge("a\nb", "a\nx\nb", "a\ny\nb").text is None


def test_a_huge_text_is_not_compared():
    """Comparing takes quadratic time: a hostile file must not hold the import up."""
    huge = "\n".join(map(str, range(MOST_LINES + 1)))
    assert merge("", "a", huge).text is None
