"""Hyperscan, behind one door: all patterns of a field in one automaton, kept as bytes in the pack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import hyperscan

from soc.detect.atoms import MANY, Atom, Parts
from soc.detect.patterns import (
    encode,
    escaped,
    json_expression,
    like_expression,
    simple_test,
)

FOLDED = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
RAW = (
    hyperscan.HS_FLAG_UTF8
    | hyperscan.HS_FLAG_UCP
    | hyperscan.HS_FLAG_SINGLEMATCH
    | hyperscan.HS_FLAG_ALLOWEMPTY
)
REGEX_FLAG = {
    "i": hyperscan.HS_FLAG_CASELESS,
    "m": hyperscan.HS_FLAG_MULTILINE,
    "s": hyperscan.HS_FLAG_DOTALL,
}
CANDIDATE = 1 << 20  # added to the number of an expression of which the automaton finds a superset
FEW = 4  # so many plain patterns are quicker one by one than by an automaton
COUNTED = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{([0-9]*)(?:,[0-9]*)?\}", re.DOTALL
)  # a count, or an escape, or a class
FOLDS_TO_ASCII = (
    "\u212a\u017f\u0130\u037e\u1fef"  # Kelvin, long s, dotted I, Greek question mark, varia
)
NEEDLESS_ESCAPES = ("\\u", "\\/")  # of JSON
OTHER_MEANING = (
    "\\Z",
    "{,",
    "[[",
    "(?P",
    "(?#",
    "(?x",
    "\\N",
)  # `re` and PCRE read these differently


def _collect(number: int, _start: int, _end: int, _flags: int, hits: Any) -> None:
    hits.append(number)


class Automaton:
    """A compiled set of patterns. ``scan`` is not for two threads at once (scratch space)."""

    __slots__ = ("_database", "_numbers", "_scan")

    def __init__(self, database: hyperscan.Database, numbers: frozenset[int]) -> None:
        self._database = database
        self._numbers = numbers
        self._scan = database.scan

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def scan(self, text: bytes, hits: list[int]) -> None:
        """Append the number of every pattern found in ``text``, each once."""
        self._scan(text, _collect, 0, hits)

    def dump(self) -> tuple[bytes, list[int]]:
        """What ``load`` takes."""
        return hyperscan.dumpb(self._database), sorted(self._numbers)

    @classmethod
    def load(cls, dumped: bytes, numbers: Sequence[int]) -> Automaton:
        """Raises hyperscan.HyperscanError if the bytes are of another version or processor."""
        database = hyperscan.loadb(dumped, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
        return cls(database, frozenset(numbers))


def _compile(patterns: list[tuple[int, bytes, int]]) -> Automaton | None:
    if not patterns:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression for _, expression, _ in patterns],
        ids=[number for number, _, _ in patterns],
        flags=[flags for _, _, flags in patterns],
        elements=len(patterns),
    )
    return Automaton(database, frozenset(number for number, _, _ in patterns))


def json_automaton(likes: Sequence[Parts], *, foreign: bool = False) -> Automaton | None:
    """Finds the JSON of a text that has one of the patterns (ASCII, folded) in it; it may find too much.

    ``foreign``: it also finds the escapes that a needless use could hide a pattern behind.
    """
    caseless = FOLDED | hyperscan.HS_FLAG_CASELESS
    patterns = [(number, json_expression(parts), caseless) for number, parts in enumerate(likes)]
    hiding = [*FOLDS_TO_ASCII, *(NEEDLESS_ESCAPES if foreign else ())]
    others = [(len(likes), escaped(sign), FOLDED) for sign in hiding]
    return _compile(patterns + others) if likes else None


def supports(expression: bytes, flags: int) -> bool:
    """Whether Hyperscan takes an expression (it refuses look-around and back-references)."""
    try:
        hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(
            expressions=[expression], ids=[0], flags=[flags], elements=1
        )
    except hyperscan.HyperscanError:
        return False
    return True


def regex_expression(pattern: str, flags: str, more: int = 0) -> tuple[bytes, int] | None:
    """Expression and flags for the automaton, or None where only ``re`` can judge."""
    without_backslashes = pattern.replace("\\\\", "")  # those that stand for themselves
    if any(mark in without_backslashes for mark in OTHER_MEANING):
        return None
    try:
        expression = pattern.encode()
    except UnicodeEncodeError:
        return None
    bits = RAW | more
    for letter in flags:
        bits |= REGEX_FLAG[letter]
    return (expression, bits) if supports(expression, bits) else None


def prefilter_expression(pattern: str, flags: str) -> tuple[bytes, int] | None:
    """The same for a superset of what an expression finds, where only ``re`` can judge; None if there is none.

    Counted repetitions are made endless: a superset too, and small where Hyperscan finds the counted ones too large.
    """
    loose = COUNTED.sub(
        lambda found: found[0] if found[1] is None else "*" if found[1] in ("", "0") else "+",
        pattern,
    )
    return regex_expression(loose, flags, hyperscan.HS_FLAG_PREFILTER)


def build(atoms: Sequence[Atom]) -> tuple[Automaton | None, Automaton | None]:
    """The automaton of the folded patterns and that of the cased ones and regular expressions.

    A field with few and plain patterns gets none: Python's own ``in`` is quicker.
    """
    likes = [(number, atom.spec) for number, atom in enumerate(atoms) if atom.kind == "like"]
    if len(likes) <= FEW and all(simple_test(parts) for _, parts in likes):
        likes = []
    raw: list[tuple[int, bytes, int]] = []
    for number, atom in enumerate(atoms):
        if atom.kind == "regex":
            found = regex_expression(*atom.spec)
            if found:
                raw.append((number, *found))
            elif found := prefilter_expression(*atom.spec):
                raw.append((number + CANDIDATE, *found))
        elif atom.kind == "like_cased" and _is_text(atom.spec):
            raw.append((number, _cased_expression(atom.spec), RAW | hyperscan.HS_FLAG_DOTALL))
    return compiled_likes(likes), _compile(raw)


def compiled_likes(likes: Sequence[tuple[int, Parts]]) -> Automaton | None:
    """An automaton of folded patterns, each with its number."""
    return _compile([(number, like_expression(parts), FOLDED) for number, parts in likes])


def _is_text(parts: Sequence[str | int]) -> bool:
    """Without lone surrogates, which UTF-8 mode refuses."""
    joined = "".join(part for part in parts if isinstance(part, str))
    return encode(joined).decode("utf-8", "replace") == joined


def _cased_expression(parts: Sequence[str | int]) -> bytes:
    """Like ``like_expression``, for UTF-8 mode: there a character is a dot."""
    body = b"".join(
        _literal(part) if isinstance(part, str) else b".*" if part == MANY else b"."
        for part in parts
    )
    return b"\\A" + body + b"\\z"


def _literal(text: str) -> bytes:
    return "".join(f"\\x{{{ord(character):x}}}" for character in text).encode()
