"""Wildcards, regular expressions and ranges of text as patterns over the index's terms.

The engine walks its sorted terms with an automaton (Rust's regex syntax, always the whole term). Text is folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from soc.normalise.folding import fold

META = frozenset("\\.+*?()|[]{}^$#&-~")
LAST_CODE = 0x10FFFF
LAST = chr(LAST_CODE)
ESCAPED_OR_NOT = re.compile(r"\\p\{[^}]*\}|\\P\{[^}]*\}|\\x\{[^}]*\}|\\.|[^\\]+", re.DOTALL)
LATER = r"[^\x01]"  # a character that makes a text a later one: not the mark after times (see ``document.MARK``)
LONGEST_BOUND = 64  # characters of a text bound; longer ones make automata too large


class Wild(Enum):
    """``*`` and ``?``."""

    ANY = ".*"
    ONE = "."


Piece = str | Wild


@dataclass(frozen=True, slots=True)
class Written:
    """A word as written in a query: literal text (unescaped, folded) and wildcards."""

    pieces: tuple[Piece, ...]

    @property
    def has_wildcard(self) -> bool:
        return any(isinstance(piece, Wild) for piece in self.pieces)

    @property
    def text(self) -> str:
        """The literal text; only of a word without wildcards."""
        return "".join(piece for piece in self.pieces if isinstance(piece, str))

    def pattern(self, one: str = Wild.ONE.value) -> str:
        """``one``: the expression of ``?``."""
        return pattern_of(self.pieces, one)


def read_word(raw: str, *, wildcards: bool = True) -> Written:
    r"""Unescape and fold a word of a query.

    >>> read_word(r"C\:\\Temp\\*").pieces
    ('c:\\temp\\', <Wild.ANY: '.*'>)
    """
    pieces: list[Piece] = []
    literal: list[str] = []
    characters = iter(raw)
    for character in characters:
        wild = {"*": Wild.ANY, "?": Wild.ONE}.get(character) if wildcards else None
        if wild is None:
            literal.append(next(characters, "\\") if character == "\\" else character)
            continue
        if literal:
            pieces.append(fold("".join(literal)))
            literal.clear()
        if not (wild is Wild.ANY and pieces and pieces[-1] is Wild.ANY):
            pieces.append(wild)
    if literal:
        pieces.append(fold("".join(literal)))
    return Written(tuple(pieces))


def escape(text: str) -> str:
    """Literal text as a pattern."""
    return "".join(f"\\{one}" if one in META else one for one in text)


def pattern_of(pieces: tuple[Piece, ...], one: str = Wild.ONE.value) -> str:
    wild = {Wild.ANY: Wild.ANY.value, Wild.ONE: one}
    return "".join(wild[piece] if isinstance(piece, Wild) else escape(piece) for piece in pieces)


def words_of(written: Written) -> Iterator[tuple[Piece, ...]]:
    """Cut a word at everything that is neither letter, digit nor wildcard, as the index cuts text.

    Wildcards that stand alone at either end are dropped: ``cmd.*`` looks for ``cmd``.

    >>> [pattern_of(word) for word in words_of(read_word("*md.ex?"))]
    ['.*md', 'ex.']
    """
    words: list[list[Piece]] = [[]]
    for piece in written.pieces:
        if isinstance(piece, Wild):
            words[-1].append(piece)
            continue
        first, *rest = cut(piece)
        words[-1].append(first)
        words.extend([one] for one in rest)
    kept = [tuple(piece for piece in word if piece != "") for word in words]
    kept = [word for word in kept if word]
    while kept and kept[0] == (Wild.ANY,):
        kept.pop(0)
    while kept and kept[-1] == (Wild.ANY,):
        kept.pop()
    return iter(kept)


def cut(text: str) -> list[str]:
    """The text cut at single characters that are neither letter nor digit; empty parts stay.

    >>> cut("a.b"), cut(".b")
    (['a', 'b'], ['', 'b'])
    """
    parts = [""]
    for character in text:
        if character.isalnum():
            parts[-1] += character
        else:
            parts.append("")
    return parts


def fold_expression(pattern: str) -> str:
    r"""Fold a regular expression, leaving its escapes alone: ``\S`` is not ``\s``.

    >>> fold_expression(r"Power\S+\.EXE")
    'power\\S+\\.exe'
    """
    parts = ESCAPED_OR_NOT.findall(pattern)
    return "".join(part if part.startswith("\\") else fold(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range of text in the order of code points; None is open."""

    low: str | None
    high: str | None
    low_included: bool = True
    high_included: bool = True

    def pattern(self) -> str | None:
        """A pattern that is true of exactly the texts inside; None when no text can be."""
        if self.low is None:
            branches = [".*"] if self.high is None else _at_most(self.high, self.high_included)
        elif self.high is None:
            branches = _at_least(self.low, self.low_included)
        else:
            branches = self._between(self.low, self.high)
        return f"(?:{'|'.join(branches)})" if branches else None

    def _between(self, low: str, high: str) -> list[str]:
        same = 0
        while same < min(len(low), len(high)) and low[same] == high[same]:
            same += 1
        start, low, high = escape(low[:same]), low[same:], high[same:]
        if not low:
            return _after_prefix(start, self._from_start_to(high))
        if not high or low[0] > high[0]:
            return []
        branches = [
            *_after_prefix(escape(low[0]), _at_least(low[1:], self.low_included)),
            *_first_between(_after(low[0]), _before(high[0])),
            *_after_prefix(escape(high[0]), _at_most(high[1:], self.high_included)),
        ]
        return _after_prefix(start, branches)

    def _from_start_to(self, high: str) -> list[str]:
        """Texts from "" to ``high``."""
        if not high:
            return [""] if self.low_included and self.high_included else []
        if self.low_included:
            return _at_most(high, self.high_included)
        return [
            *_first_between("\0", "\0" if high[0] > "\0" else None),
            *_first_between("\2", _before(high[0])),
            *_after_prefix(escape(high[0]), _at_most(high[1:], self.high_included)),
        ]


def _after_prefix(prefix: str, branches: list[str]) -> list[str]:
    return [prefix + branch for branch in branches]


def _at_least(low: str, included: bool) -> list[str]:
    branches = [
        escape(low[:place]) + part
        for place, character in enumerate(low)
        for part in _first_between(_after(character), LAST)
    ]
    return [escape(low) + (".*" if included else f"{LATER}.*"), *branches]


def _at_most(high: str, included: bool) -> list[str]:
    branches = [escape(high)] if included else []
    for place, character in enumerate(high):
        branches.append(escape(high[:place]))
        branches += [
            escape(high[:place]) + part for part in _first_between("\0", _before(character))
        ]
    return branches


def _first_between(low: str | None, high: str | None) -> list[str]:
    """A first character from ``low`` to ``high``, then anything; nothing when there is no such character."""
    if low is None or high is None or low > high:
        return []
    return [f"[\\x{{{ord(low):X}}}-\\x{{{ord(high):X}}}].*"]


def _after(character: str) -> str | None:
    code = ord(character) + 1
    return None if code > LAST_CODE else chr(0xE000 if 0xD800 <= code < 0xE000 else code)


def _before(character: str) -> str | None:
    code = ord(character) - 1
    return None if code < 0 else chr(0xD7FF if 0xD800 <= code < 0xE000 else code)
