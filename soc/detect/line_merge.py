"""Three-way merge by lines: what two people did to one text, together, where they did not touch the same lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MOST_LINES = 4_000  # of a text; longer ones are not compared, which takes quadratic time


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines ``start`` to ``end`` (from 0, exclusive) of the base became ``lines``, which stand at ``place`` now."""

    start: int
    end: int
    lines: tuple[str, ...]
    place: int

    def touches(self, other: Hunk) -> bool:
        """Neighbours count: with no line between them nobody can say which comes first."""
        return self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True)
class Merged:
    """``text`` is None where both sides touch the same lines; ``line``, from 1, is then the place in ``ours``."""

    text: str | None
    line: int = 0


def merge(base: str, ours: str, theirs: str) -> Merged:
    """Apply the changes of both sides to the base.

    >>> merge("a\\nb\\nc\\n", "A\\nb\\nc\\n", "a\\nb\\nC\\n").text
    'A\\nb\\nC\\n'
    >>> merge("a\\nb\\n", "a\\nours\\n", "a\\ntheirs\\n")
    Merged(text=None, line=2)
    """
    before, mine, other = base.split("\n"), ours.split("\n"), theirs.split("\n")
    if max(len(before), len(mine), len(other)) > MOST_LINES:
        return Merged(None, 1)
    own = list(_hunks(before, mine))
    new = [hunk for hunk in _hunks(before, other) if not _is_among(hunk, own)]
    for hunk in own:
        if any(hunk.touches(each) for each in new):
            return Merged(None, hunk.place + 1)
    merged = list(before)
    for hunk in sorted((*own, *new), key=lambda each: each.start, reverse=True):
        merged[hunk.start : hunk.end] = hunk.lines
    return Merged("\n".join(merged))


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[Hunk]:
    for tag, start, end, place, until in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            yield Hunk(start, end, tuple(after[place:until]), place)


def _is_among(hunk: Hunk, others: Sequence[Hunk]) -> bool:
    """The same change on the other side is one change."""
    return any(
        (hunk.start, hunk.end, hunk.lines) == (each.start, each.end, each.lines) for each in others
    )
