"""The memoised matcher: the fields of one event in, the ids of all rules that match out. Exact; see decision 0003."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import getitem
from typing import Any

from soc.detect.atoms import KEYWORDS, Node, children, leaves
from soc.detect.conditions import Test, both, either, negated
from soc.detect.correlation.feed import Feed
from soc.detect.explain import Explanation, explanation, positive_fields
from soc.detect.facts import RuleFacts
from soc.detect.field_matcher import ABSENT, FieldMatcher, Signature
from soc.detect.memo import Memo
from soc.detect.packs import Pack
from soc.detect.rule_groups import GATES, Gatekeeper, Stage, grouped
from soc.detect.whole_event import KeywordSignature, ReferenceSignature
from soc.model.event import Fields

VALUES_EACH = 16_384  # remembered values of one field (and as many older ones)
TUPLES_EACH = 65_536  # remembered decisions of one class of rules (and as many older ones)


class Place:
    """A stage of judging with the ways to the signatures of its fields, in the order of its names."""

    __slots__ = ("caches", "derived", "exact", "fields", "judge", "memo", "names", "recent")

    def __init__(self, stage: Stage, matcher: Matcher) -> None:
        self.judge = stage.judge
        self.memo: Memo[tuple[str, ...] | Place] = stage.memo
        self.recent = self.memo.recent
        self.names = tuple(name for name in stage.names if name not in matcher.derived)
        self.fields = tuple(matcher.field(name) for name in self.names)
        self.caches = tuple(field.cache for field in self.fields)
        self.exact = any(field.tells_null for field in self.fields)
        self.derived = tuple(
            matcher.keywords(stage.keywords) if name == KEYWORDS else matcher.derived[name]
            for name in stage.names
            if name in matcher.derived
        )

    def signatures(self, fields: Mapping[str, Any]) -> Iterator[Signature]:
        """Those of the plain fields of an event, whatever their values are."""
        for name, field in zip(self.names, self.fields, strict=True):
            yield field.of(fields.get(name, ABSENT))


class Matcher:
    """Judges events by the rules of a pack.

    ``match`` is for one thread at a time: hold ``lock`` around it where threads share a matcher (``explain`` and
    ``matched_fields`` take it themselves). The limits bound the memory (entries; long values are not kept) and never
    change an answer.
    """

    def __init__(
        self, pack: Pack, *, values_each: int = VALUES_EACH, tuples_each: int = TUPLES_EACH
    ) -> None:
        self.pack = pack
        self.digest = pack.digest
        self.rules: Mapping[str, RuleFacts] = pack.rules
        self.feed = Feed(pack.correlations, pack.silent)
        self.lock = threading.RLock()
        self._ids = tuple(pack.rules)
        self._fields = {
            name: FieldMatcher(
                name, field.atoms, like=field.like, raw=field.raw, memo_limit=values_each
            )
            for name, field in pack.fields.items()
        }
        self.stalled: list[
            tuple[str, int]
        ] = []  # what could not be judged since it was last emptied
        for field in self._fields.values():
            field.stalled = self.stalled
        self.derived: dict[str, KeywordSignature | ReferenceSignature] = {}
        self._keywords: dict[frozenset[int], KeywordSignature] = {}
        if KEYWORDS in self._fields:
            every = range(len(self._fields[KEYWORDS].atoms))
            self.derived[KEYWORDS] = self.keywords(frozenset(every))
        conditions = [self._test(pack.conditions[rule_id]) for rule_id in self._ids]
        gates = [name for name in GATES if name in self._fields]
        self._gates = tuple((name, self._fields[name]) for name in gates)
        self._gatekeeper = Gatekeeper(grouped(conditions, gates), gates, memo_limit=tuples_each)
        self._gate_memo: Memo[Place] = Memo(max(1, tuples_each // 16))
        self._kinds: dict[tuple[Signature, ...], Place] = {}
        self._places = self._gate_memo.recent
        self._next: dict[Stage, Place] = {}
        self._positive: Memo[tuple[str, ...]] = Memo(tuples_each)
        self._looked_at: dict[str, tuple[str, ...]] = {}

    def pieces(self) -> list[object]:
        """All that is large in it, piece by piece (see ``soc.detect.letting_go``)."""
        pack, fields = self.pack, self._fields.values()
        places = [*self._kinds.values(), *self._next.values()]
        memos: list[Memo[Any]] = [self._gate_memo, self._positive]
        memos += [field.memo for field in fields]
        return [
            *(generation for memo in memos for generation in memo.generations()),
            self._kinds,
            self._next,
            *places,
            *self._gatekeeper.pieces(),
            *fields,
            *pack.fields.values(),
            *pack.rules.values(),
            *pack.conditions.values(),
        ]

    def field(self, name: str) -> FieldMatcher:
        """The matcher of a plain field."""
        return self._fields[name]

    def keywords(self, needed: frozenset[int]) -> KeywordSignature:
        """The search for some of the keyword atoms."""
        if needed not in self._keywords:
            self._keywords[needed] = KeywordSignature(self._fields[KEYWORDS], needed)
        return self._keywords[needed]

    def match(self, fields: Mapping[str, Any], written: bytes | None = None) -> tuple[str, ...]:
        """The ids of the rules that match, in the pack's order (by id).

        ``written``: the JSON that ``fields`` was read from, if it is at hand: that spares some work.
        """
        get = fields.get
        gate: list[Any] = []
        for name, field in self._gates:
            value = get(name, ABSENT)
            kind = value.__class__
            if kind is str or kind is int or value is ABSENT or value is None:
                gate.append(value)
            else:
                gate.append(field.of(value))
        gate_key = tuple(gate)
        place = self._places.get(gate_key) or self._place(gate_key)
        while True:
            if place.exact:
                signatures = place.signatures(fields)
            else:
                signatures = map(getitem, place.caches, map(get, place.names))
            try:
                key = (place, *signatures)  # since the stages of a class share a memo
            except TypeError:  # a list
                key = (place, *place.signatures(fields))
            for derived in place.derived:
                key += (derived.of(fields, written),)
            found = place.recent.get(key)
            if found is None:
                found = self._judge(place, key)
            if isinstance(found, tuple):
                return found
            place = found

    def _place(self, gate_key: tuple[Any, ...]) -> Place:
        """The place for the gate fields' values that is not remembered.

        A signature stands for a value that is not a text, an int, null or absent.
        """
        place = self._gate_memo.older(gate_key)
        if place is None:
            signatures = tuple(
                value if isinstance(value, frozenset) else field.of(value)
                for value, (_, field) in zip(gate_key, self._gates, strict=True)
            )
            place = self._kinds.get(signatures)
            if place is None:
                if len(self._kinds) >= self._gate_memo.limit:
                    self._kinds.clear()
                rules = self._gatekeeper.class_for(signatures)
                place = self._kinds[signatures] = Place(rules, self)
            self._gate_memo.keep(gate_key, place)
        return place

    def _judge(self, place: Place, key: tuple[Any, ...]) -> tuple[str, ...] | Place:
        """The ids of the rules that match, or the stage that knows."""
        found = place.memo.older(key)
        if found is None:
            verdict = place.judge(key[1:])
            if isinstance(verdict, Stage):
                found = self._next.get(verdict)
                if found is None:
                    if len(self._next) >= self._gate_memo.limit:
                        self._next.clear()
                    found = self._next[verdict] = Place(verdict, self)
            else:
                found = tuple(self._ids[rule] for rule in verdict)
            place.memo.keep(key, found)
        return found

    def matched_fields(self, rule_id: str, fields: Mapping[str, Any]) -> Fields:
        """The values because of which the rule matches: those of the atoms that hold and count."""
        with self.lock:
            names = self._positive_fields(rule_id, fields)
        return {name: fields[name] for name in names if fields.get(name) is not None}

    def _positive_fields(self, rule_id: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
        """Remembered by the signatures of the rule's fields: a rule that matches often matches alike."""
        condition = self.pack.conditions[rule_id]
        looked_at = self._looked_at.get(rule_id)
        if looked_at is None:
            looked_at = self._looked_at[rule_id] = self._plain_fields(condition)
        if not looked_at:
            return tuple(sorted(positive_fields(condition, self._holds, fields)))
        of = (self._fields[name].of(fields.get(name, ABSENT)) for name in looked_at)
        key = (rule_id, *of)
        names = self._positive.recent.get(key) or self._positive.older(key)
        if names is None:
            names = tuple(sorted(positive_fields(condition, self._holds, fields)))
            self._positive.keep(key, names)
        return names

    def _plain_fields(self, condition: Node) -> tuple[str, ...]:
        """The fields that alone decide; none where keywords or references look at others too."""
        tests = [(name, self.pack.fields[name].atoms[number]) for name, number in leaves(condition)]
        if any(name == KEYWORDS or atom.kind == "reference" for name, atom in tests):
            return ()
        return tuple(sorted({name for name, _ in tests}))

    def explain(self, rule_id: str, fields: Mapping[str, Any]) -> Explanation:
        """The rule's condition as a tree, each part true or false for this event."""
        with self.lock:
            return explanation(self.pack.conditions[rule_id], self.pack.fields, self._holds, fields)

    def over_budget(self) -> dict[str, int]:
        """Rule id to how often one of its expressions was over the budget of ``re`` (see decision 0003)."""
        slow = {
            (name, number): times
            for name, field in self._fields.items()
            for number, times in list(field.over_budget.items())
        }
        return self._rules_of(slow)

    def take_unjudged(self) -> tuple[str, ...]:
        """The rules that could not judge something since the last call, with an expression over its budget."""
        if not self.stalled:
            return ()
        slow = Counter(self.stalled)
        self.stalled.clear()
        return tuple(self._rules_of(slow))

    def _rules_of(self, slow: Mapping[tuple[str, int], int]) -> dict[str, int]:
        found: Counter[str] = Counter()
        if slow:
            for rule_id, condition in self.pack.conditions.items():
                for leaf in set(leaves(condition)):
                    found[rule_id] += slow.get(leaf, 0)
        return {rule_id: times for rule_id, times in found.items() if times}

    def _holds(self, name: str, number: int, fields: Mapping[str, Any]) -> bool:
        """Whether one atom holds for an event."""
        atom = self.pack.fields[name].atoms[number]
        if atom.kind == "reference":
            return bool(self.derived[_reference(name, atom.spec)].of(fields))
        if name == KEYWORDS:
            return number in self.derived[KEYWORDS].of(fields)
        return number in self._fields[name].of(fields.get(name, ABSENT))

    def _test(self, node: Node) -> Test:
        """A rule's condition in the matcher's form; references become pseudo fields."""
        kind = node[0]
        if kind == "atom":
            atom = self.pack.fields[node[1]].atoms[node[2]]
            if atom.kind != "reference":
                return ("any", node[1], frozenset((node[2],)))
            pseudo = _reference(node[1], atom.spec)
            if pseudo not in self.derived:
                other, starts, ends = atom.spec
                self.derived[pseudo] = ReferenceSignature(node[1], other, starts=starts, ends=ends)
            return ("any", pseudo, frozenset((0,)))
        parts = [self._test(child) for child in children(node)]
        if kind == "and":
            return both(parts)
        if kind == "or":
            return either(parts)
        return negated(parts[0]) if kind == "not" else parts[0]


def _reference(name: str, spec: tuple[str, bool, bool]) -> str:
    """The name of the pseudo field for a reference; no event has such a name."""
    return f"\x00{name}\x00{spec}"
