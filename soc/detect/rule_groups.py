"""Rules grouped by log source, and the class of rules that a kind of event concerns.

What a rule demands of the *gate* fields (channel, event code, category ...) is decided once for each combination of
their signatures. What remains of the rules that pass is a ``RuleClass``: the signatures of its fields decide
everything, and that decision is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from soc.detect.atoms import KEYWORDS
from soc.detect.conditions import (
    Key,
    Required,
    Test,
    atoms_on,
    both,
    compiled,
    count_uses,
    fields_of,
    known,
    required,
)
from soc.detect.field_matcher import Signature
from soc.detect.memo import Memo

GATES = (
    "Channel",
    "EventID",
    "Provider_Name",
    "EventType",
    "winlog.channel",
    "event.code",
    "winlog.provider_name",
    "winlog.event_data.EventType",
    "event.dataset",
    "event.category",
    "event.type",
    "host.os.type",
    "category",
    "product",
    "service",
)


@dataclass(slots=True)
class Branch:
    """One alternative of a rule: ``body`` judged where the gate is open."""

    rule: int  # place of the rule in the pack
    body: Test
    required: Required | None
    fields: frozenset[str]  # that the body looks at
    keywords: frozenset[int]  # keyword atoms that the body looks at

    @classmethod
    def of(cls, rule: int, body: Test, uses: Mapping[tuple[str, int], int]) -> Branch:
        """``uses``: how many rules have an atom."""
        return cls(rule, body, required(body, uses), fields_of(body), atoms_on(body, KEYWORDS))


@dataclass(slots=True)
class Group:
    gate: Test
    branches: list[Branch] = field(default_factory=list)
    gate_fields: frozenset[str] = frozenset()  # of the gate and the bodies


def grouped(conditions: Sequence[Test], gates: Sequence[str]) -> list[Group]:
    """The rules' conditions by what they demand of the gate fields alone."""
    gate_set = frozenset(gates)
    uses: dict[tuple[str, int], int] = {}
    for condition in conditions:
        count_uses(condition, uses)
    groups: dict[object, Group] = {}
    for rule, condition in enumerate(conditions):
        alternatives = condition[1] if _splits(condition, gate_set) else (condition,)
        for alternative in alternatives:
            gate, body = _split(alternative, gate_set)
            group = groups.setdefault(_identity(gate), Group(gate))
            group.branches.append(Branch.of(rule, body, uses))
            group.gate_fields |= (fields_of(gate) | fields_of(body)) & gate_set
    return list(groups.values())


def _splits(condition: Test, gates: frozenset[str]) -> bool:
    """Whether a condition is an "or" of alternatives, each with a gate of its own."""
    if isinstance(condition, bool) or condition[0] != "or":
        return False
    return all(_split(part, gates)[0] is not True for part in condition[1])


def _split(condition: Test, gates: frozenset[str]) -> tuple[Test, Test]:
    if isinstance(condition, bool):
        return True, condition
    parts = condition[1] if condition[0] == "and" else (condition,)
    gate = [part for part in parts if fields_of(part) <= gates]
    body = [part for part in parts if not fields_of(part) <= gates]
    return both(gate), both(body)


def is_pseudo(name: str) -> bool:
    """Whether a signature needs the whole event: keywords and references. They come last in a key."""
    return name == KEYWORDS or name.startswith("\x00")


def _identity(test: Test) -> object:
    """Equal for equal gates, whatever the order of their parts."""
    if isinstance(test, bool):
        return test
    if test[0] in ("and", "or"):
        return test[0], frozenset(map(_identity, test[1]))
    return (test[0], _identity(test[1])) if test[0] == "not" else test


class RuleClass:
    """The rules that events of one kind can match, and the remembered answers.

    ``names`` are the fields whose signatures decide; ``always`` the rules that the gate alone decided.
    """

    __slots__ = ("_by_atom", "_tests", "_unindexed", "always", "keywords", "memo", "names")

    def __init__(self, always: Sequence[int], live: Sequence[Branch], limit: int) -> None:
        self.always = tuple(sorted(set(always)))
        names = frozenset().union(*(branch.fields for branch in live))
        self.names = tuple(sorted(names, key=lambda name: (is_pseudo(name), name)))
        self.memo: Memo[tuple[str, ...]] = Memo(limit)  # of rule ids, kept by the matcher
        self.keywords: frozenset[int] = frozenset().union(*(branch.keywords for branch in live))
        position = {name: place for place, name in enumerate(self.names)}
        self._by_atom: list[dict[int, list[int]]] = [defaultdict(list) for _ in self.names]
        self._unindexed: list[int] = []
        self._tests: list[tuple[int, Test, Callable[[Key], bool] | None]] = []
        for number, branch in enumerate(live):
            self._tests.append((branch.rule, branch.body, None))
            if branch.required is None:
                self._unindexed.append(number)
            for name, atom in branch.required or ():
                self._by_atom[position[name]][atom].append(number)

    def judge(self, key: Key) -> tuple[int, ...]:
        """The rules that match, in the pack's order. Only rules with a required atom that holds are evaluated."""
        candidates = set(self._unindexed)
        for index, signature in zip(self._by_atom, key, strict=True):
            for atom in signature:
                found = index.get(atom)
                if found:
                    candidates.update(found)
        matching = set(self.always)
        for number in candidates:
            rule, test, function = self._tests[number]
            if rule in matching:
                continue
            if function is None:
                position = {name: place for place, name in enumerate(self.names)}
                function = compiled(test, position)
                self._tests[number] = (rule, test, function)
            if function(key):
                matching.add(rule)
        return tuple(sorted(matching))


class Gatekeeper:
    """Finds the class of rules for the signatures of the gate fields."""

    def __init__(self, groups: Sequence[Group], gates: Sequence[str], *, memo_limit: int) -> None:
        self._groups = groups
        self._gates = tuple(gates)
        self._limit = memo_limit
        self._classes: dict[object, RuleClass] = {}
        self._by_atom: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._always_asked: list[int] = []
        position = {name: place for place, name in enumerate(self._gates)}
        self._opens = [compiled(group.gate, position) for group in groups]
        uses: dict[tuple[str, int], int] = {}
        for group in groups:
            count_uses(group.gate, uses)
        for number, group in enumerate(groups):
            needs = required(group.gate, uses)
            for atom in needs or ():
                self._by_atom[atom].append(number)
            if needs is None:
                self._always_asked.append(number)

    def _open_groups(self, key: Key) -> list[int]:
        asked = set(self._always_asked)
        for name, signature in zip(self._gates, key, strict=True):
            for atom in signature:
                asked.update(self._by_atom.get((name, atom), ()))
        return sorted(number for number in asked if self._opens[number](key))

    def class_for(self, key: Key) -> RuleClass:
        """The class; equal demands share one."""
        signatures = dict(zip(self._gates, key, strict=True))
        open_groups = self._open_groups(key)
        used = frozenset().union(*(self._groups[number].gate_fields for number in open_groups))
        identity = (
            tuple(open_groups),
            tuple(signatures[name] for name in self._gates if name in used),
        )
        found = self._classes.get(identity)
        if found is None:
            if len(self._classes) >= self._limit:
                self._classes.clear()
            found = self._classes[identity] = self._make(open_groups, signatures)
        return found

    def _make(self, open_groups: Sequence[int], signatures: Mapping[str, Signature]) -> RuleClass:
        always: set[int] = set()
        live: list[Branch] = []
        for number in open_groups:
            for branch in self._groups[number].branches:
                if not branch.fields.isdisjoint(signatures):
                    branch = Branch.of(branch.rule, known(branch.body, signatures), {})
                if branch.body is True:
                    always.add(branch.rule)
                elif branch.body is not False:
                    live.append(branch)
        return RuleClass(
            tuple(always), [one for one in live if one.rule not in always], self._limit
        )
