"""Signatures that need the whole event: keywords (any value) and references from one field to another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from soc.detect.atoms import MANY, Atom, as_text, folded
from soc.detect.automata import json_automaton
from soc.detect.field_matcher import NOTHING, FieldMatcher, Signature

NUMBER_TEXT = re.compile(r"[-+0-9.e]*|[truefalsni]*")  # 1e+300, inf, nan, true, false
HOLDS: Signature = frozenset((0,))


class KeywordSignature:
    """The keyword atoms that some rules need, looked for in every value of an event.

    Nearly no event has any of them. So the event is first written as JSON, in one quick call, and passed once through
    an automaton of these keywords alone; only if that finds something is each value judged by itself. The pass over the
    JSON may find too much (a field's name, two values together), never too little.
    """

    def __init__(self, matcher: FieldMatcher, needed: frozenset[int]) -> None:
        self._matcher, self._needed = matcher, needed
        atoms = [matcher.atoms[number] for number in needed]
        self._scan = json_scan(atoms)
        self._scan_foreign = json_scan(atoms, foreign=True)

    def of(self, fields: Mapping[str, Any], written: bytes | None = None) -> Signature:
        """The numbers of the needed keyword atoms found in any value of the event.

        ``written``: the JSON that ``fields`` was read from, where it is at hand.
        """
        if self._scan is None:
            return self._judged(fields)
        if written is not None and self.lacks(written):
            return NOTHING
        hits: list[int] = []
        try:
            self._scan(orjson.dumps(fields), hits)
        except TypeError:  # a lone surrogate, or an int over 64 bits
            return self._judged(fields)
        return self._judged(fields) if hits else NOTHING

    def lacks(self, written: bytes) -> bool:
        """Whether an event surely has none of the keywords, by its JSON as anybody wrote it."""
        if self._scan_foreign is None:
            return False
        hits: list[int] = []
        self._scan_foreign(written, hits)
        return not hits

    def _judged(self, fields: Mapping[str, Any]) -> Signature:
        found = NOTHING.union(*map(self._matcher.of, fields.values()))
        return found & self._needed


def json_scan(
    atoms: Sequence[Atom], *, foreign: bool = False
) -> Callable[[bytes, list[int]], None] | None:
    """A scan of an event's JSON that finds something whenever one of the keywords is in a value.

    ``foreign``: JSON that others wrote, which may escape characters that we do not; that is found too.
    None if a keyword is not plain text somewhere in the value, or could be part of a number (JSON writes those
    otherwise), or is not ASCII (case is folded otherwise).
    """
    parts = [atom.spec for atom in atoms if atom.kind == "like" and atom.spec[0] == MANY]
    literals = ["".join(one for one in spec if isinstance(one, str)) for spec in parts]
    if len(parts) < len(atoms) or any(
        not text.isascii() or NUMBER_TEXT.fullmatch(text) for text in literals
    ):
        return None
    found = json_automaton(parts, foreign=foreign)
    return found.scan if found is not None else None


class ReferenceSignature:
    """Whether a value of one field equals (starts with, ends with, contains) a value of another.

    An absent field on either side does not hold. Case does not count.
    """

    def __init__(self, name: str, other: str, *, starts: bool, ends: bool) -> None:
        self.name, self.other = name, other
        self._starts, self._ends = starts, ends

    def of(self, fields: Mapping[str, Any], _written: bytes | None = None) -> Signature:
        """HOLDS or NOTHING."""
        values, others = _texts(fields.get(self.name)), _texts(fields.get(self.other))
        return HOLDS if any(self._holds(a, b) for a in values for b in others) else NOTHING

    def _holds(self, value: str, other: str) -> bool:
        if self._starts and self._ends:
            return other in value
        if self._starts:
            return value.startswith(other)
        return value.endswith(other) if self._ends else value == other


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [folded(as_text(one)) for one in values if one is not None]
