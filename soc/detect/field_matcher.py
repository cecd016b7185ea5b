"""One field: all the atoms that any rule has on it, judged together.

A value becomes its *signature*: the frozenset of the numbers of the atoms that hold for it. Equalities are one dict
look-up, wildcards and regular expressions one pass of an automaton, and the signature is remembered.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from operator import ge, gt, le, lt
from typing import Any

from soc.detect import patterns
from soc.detect.atoms import Atom, as_address, as_number, as_text, time_part
from soc.detect.automata import CANDIDATE, Automaton
from soc.detect.bounded_search import SHARED
from soc.detect.memo import LONG_TEXT, Memo
from soc.normalise.folding import fold

Signature = frozenset[int]
NOTHING: Signature = frozenset()
ABSENT = object()

COMPARE: dict[str, Callable[[float, float], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
SIMPLE = {
    "contains": str.__contains__,
    "starts": str.startswith,
    "ends": str.endswith,
}


MOST_STALLED = 1_000  # names waiting to be taken, and values given up


class Signatures(dict[Any, Signature]):
    """The remembered signatures of a field's texts, and that of None, which stands for an absent field too.

    Any other value is asked for anew. So ``map(getitem, ...)`` finds most values without a line of Python.
    """

    __slots__ = ("_of",)

    def __init__(self, none: Signature, of: Callable[[Any], Signature]) -> None:
        super().__init__({None: none})
        self._of = of

    def __missing__(self, value: Any) -> Signature:
        return self._of(value)

    def cut(self) -> None:
        """Let go of who judges, who holds us; nothing can be asked for any more."""
        self.clear()
        del self._of


class FieldMatcher:
    """The atoms of one field. Not for two threads at once (the automaton's scratch space)."""

    def __init__(
        self,
        name: str,
        atoms: Sequence[Atom],
        *,
        like: Automaton | None,
        raw: Automaton | None,
        memo_limit: int = 16_384,
    ) -> None:
        """``like`` and ``raw``: the automata of ``automata.build`` for these atoms."""
        self.name = name
        self.atoms = tuple(atoms)
        self.over_budget: Counter[int] = (
            Counter()
        )  # atom number: how often `re` was over its budget
        self.stalled: list[tuple[str, int]] = []  # (field, atom number) that could not be judged
        self._stops = 0
        self._given_up: set[tuple[int, int, int]] = set()  # atom number, hash and length of a value
        self._like, self._raw = like, raw
        self._equals: dict[str, tuple[int, ...]] = {}
        self._equals_cased: dict[str, tuple[int, ...]] = {}
        self._simple: list[tuple[Callable[[str, str], bool], str, int]] = []
        self._folded: list[tuple[re.Pattern[str], int]] = []
        self._cased: list[tuple[re.Pattern[str], int]] = []
        self._surrogate: list[tuple[re.Pattern[str], int]] = []
        self._candidates: dict[int, tuple[re.Pattern[str], int]] = {}
        self._searches: list[tuple[re.Pattern[str], int]] = []
        self._networks: list[tuple[Any, int]] = []
        self._compare: list[tuple[Callable[[float, float], bool], float, int]] = []
        self._times: list[tuple[str, int, int]] = []
        self._there: set[int] = set()
        self._not_null: set[int] = set()
        nulls = set()
        for number, atom in enumerate(self.atoms):
            if atom.kind == "null":
                nulls.add(number)
            else:
                self._take(number, atom)
        self.absent: Signature = frozenset(nulls)
        self.null: Signature = frozenset(nulls | self._there)
        self._sets: dict[Signature, Signature] = {}
        self._most_sets = memo_limit
        self.cache = Signatures(self.absent, self.unseen)
        self.memo: Memo[Signature] = Memo(memo_limit, self.cache)
        self.tells_null = bool(self._there)  # whether null and absent differ
        self._always = self._shared(frozenset(self._there | self._not_null))
        self._scan = like.scan if like is not None else None
        self._wants_folded = bool(self._equals or self._simple or self._folded or like)
        self._wants_rest = bool(
            raw
            or self._equals_cased
            or self._cased
            or self._searches
            or self._networks
            or self._compare
            or self._times
        )

    def _take(self, number: int, atom: Atom) -> None:
        kind, spec = atom
        if kind == "equals":
            self._equals[spec] = (*self._equals.get(spec, ()), number)
        elif kind == "equals_cased":
            self._equals_cased[spec] = (*self._equals_cased.get(spec, ()), number)
        elif kind == "like" and not (self._like and number in self._like):
            simple = patterns.simple_test(spec)
            if simple:
                self._simple.append((SIMPLE[simple[0]], simple[1], number))
            else:
                self._folded.append((patterns.like_regex(spec), number))
        elif kind == "like_cased":
            held = self._raw is not None and number in self._raw
            regex = patterns.like_regex(spec)
            anchored = re.compile(r"\A" + regex.pattern, regex.flags)
            (self._surrogate if held else self._cased).append((anchored, number))
        elif kind == "regex":
            test = (patterns.python_regex(*spec), number)
            if self._raw is not None and number + CANDIDATE in self._raw:
                self._candidates[number + CANDIDATE] = test
                self._surrogate.append(test)
            else:
                held = self._raw is not None and number in self._raw
                (self._surrogate if held else self._searches).append(test)
        elif kind == "cidr":
            self._networks.append((ip_network(spec), number))
        elif kind == "compare":
            self._compare.append((COMPARE[spec[0]], spec[1], number))
        elif kind == "time":
            self._times.append((spec[0], spec[1], number))
        elif kind == "exists":
            self._there.add(number)
        elif kind == "present":
            self._not_null.add(number)

    def cut(self) -> None:
        """Undo the circle of references, so that this is freed with its last user."""
        self.cache.cut()

    def of(self, value: object) -> Signature:
        """The signature of a value of any type, ABSENT included."""
        if value is ABSENT:
            return self.absent
        if value is None:
            return self.null
        if isinstance(value, list | tuple):
            return self._many(list(value))
        return self.cache[value] if value.__class__ is str else self.unseen(value)

    def unseen(self, value: Any) -> Signature:
        """The signature of a text that is not in ``cache``, of a number or of anything else but a list.

        The keys of numbers carry the type, since 1, 1.0 and True are one dict key.
        """
        if value.__class__ is str:
            if len(value) > LONG_TEXT:
                return self._judge_text(value, value)
            key: object = value
            text = value
        elif isinstance(value, bool | float | int):
            key, text = (value.__class__, value), as_text(value)
            found = self.cache.get(key)
            if found is not None:
                return found
        elif isinstance(value, list | tuple):
            return self._many(list(value))
        else:
            return self._judge_text(as_text(value), value)
        found = self.memo.older(key)
        if found is None:
            before = self._stops
            found = self._judge_text(text, value)
            if self._stops == before:  # what could not be judged is asked again
                self.memo.keep(key, found)
        return found

    def _many(self, values: list[Any]) -> Signature:
        """Any value holds, however deep it lies. Nulls do not count; a list of nothing else is null."""
        values = [value for value in level(values) if value is not None]
        if not values:
            return self.null
        if len(values) == 1:
            return self.of(values[0])
        return self._shared(NOTHING.union(*map(self.of, values)))

    def _shared(self, numbers: frozenset[int]) -> Signature:
        """One object per signature, so that comparing the keys of the rules' memo is quick."""
        if not numbers:
            return NOTHING
        found = self._sets.get(numbers)
        if found is None:
            if len(self._sets) >= self._most_sets:
                self._sets.clear()
            found = self._sets[numbers] = numbers
        return found

    def _judge_text(self, text: str, value: object) -> Signature:
        hits: list[int] = []
        if self._wants_folded:
            lower = text.lower() if text.isascii() else fold(text)
            equal = self._equals.get(lower)
            if equal:
                hits += equal
            for test, part, number in self._simple:
                if test(lower, part):
                    hits.append(number)
            for pattern, number in self._folded:
                if pattern.match(lower):
                    hits.append(number)
            if self._scan is not None:
                self._scan(patterns.encode(lower), hits)
        if self._wants_rest:
            self._judge_rest(text, value, hits)
        return self._shared(self._always.union(hits)) if hits else self._always

    def _judge_rest(self, text: str, value: object, hits: list[int]) -> None:
        hits += self._equals_cased.get(text, ())
        for pattern, number in self._cased:
            if self._search(pattern, number, text):
                hits.append(number)
        if self._raw is not None:
            self._judge_raw(text, hits)
        for pattern, number in self._searches:
            if self._search(pattern, number, text):
                hits.append(number)
        if self._networks:
            address = as_address(value)
            if address is not None:
                hits += [number for network, number in self._networks if address in network]
        if self._compare:
            amount = as_number(value)
            if amount is not None:
                hits += [number for test, bound, number in self._compare if test(amount, bound)]
        for part, wanted, number in self._times:
            if time_part(value, part) == wanted:
                hits.append(number)

    def _judge_raw(self, text: str, hits: list[int]) -> None:
        """The automaton in UTF-8 mode must never see a lone surrogate; ``re`` takes those values."""
        assert self._raw is not None
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            for pattern, number in self._surrogate:
                if self._search(pattern, number, text):
                    hits.append(number)
            return
        if not self._candidates:
            self._raw.scan(encoded, hits)
            return
        found: list[int] = []
        self._raw.scan(encoded, found)
        for number in found:
            if number < CANDIDATE:
                hits.append(number)
            elif self._search(*self._candidates[number], text):
                hits.append(number - CANDIDATE)

    def _search(self, pattern: re.Pattern[str], number: int, text: str) -> bool:
        """``re.search`` within its budget; what is over it is counted under the atom's number, and not remembered."""
        key = (number, hash(text), len(text))
        found = None if key in self._given_up else SHARED.search(pattern, text)
        if found is None:
            self._stops += 1
            if key not in self._given_up:
                self.over_budget[number] += 1
                if len(self._given_up) >= MOST_STALLED:
                    self._given_up.clear()
                self._given_up.add(key)
            if len(self.stalled) < MOST_STALLED:
                self.stalled.append((self.name, number))
        return bool(found)


def level(values: list[Any]) -> list[Any]:
    """The values of lists within lists in one list; without recursion, since an attacker chooses the depth."""
    if not any(isinstance(value, list | tuple) for value in values):
        return values
    flat: list[Any] = []
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple):
            waiting.extend(reversed(value))
        else:
            flat.append(value)
    return flat
