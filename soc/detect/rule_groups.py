"""Rules grouped by log source, and the class of rules that a kind of event concerns.

What a rule demands of the *gate* fields (channel, event code, category ...) is decided once for each combination of
their signatures. What remains of the rules that pass is a ``RuleClass``: the signatures of its fields decide
everything, and that decision is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
    def of(
        cls,
        rule: int,
        body: Test,
        uses: Mapping[tuple[str, int], int],
        without: frozenset[str] = frozenset(),
    ) -> Branch:
        """``uses``: how many rules have an atom; ``without``: fields better not required."""
        needs = required(body, uses, without) or required(body, uses)
        return cls(rule, body, needs, fields_of(body), atoms_on(body, KEYWORDS))


@dataclass(slots=True)
class Group:
    gate: Test
    branches: list[Branch] = field(default_factory=list)
    gate_fields: frozenset[str] = frozenset()  # of the gate and the bodies
    without: frozenset[str] = frozenset()  # fields that no required atom is on


def grouped(conditions: Sequence[Test], gates: Sequence[str]) -> list[Group]:
    """The rules' conditions by what they demand of the gate fields alone.

    In each group the required atoms lie on as few fields as will do.
    """
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
    for group in groups.values():
        settle(group, uses)
    return list(groups.values())


def settle(group: Group, uses: Mapping[tuple[str, int], int]) -> None:
    """Drop fields from the required atoms, the least asked for first, while every rule keeps some."""
    asking: dict[str, list[int]] = defaultdict(list)
    for number, branch in enumerate(group.branches):
        for name in {name for name, _ in branch.required or ()}:
            asking[name].append(number)
    without = frozenset[str]()
    for name in sorted(asking, key=lambda name: (len(asking[name]), name)):
        fewer = without | {name}
        found = {}
        for number, branch in enumerate(group.branches):
            if any(one == name for one, _ in branch.required or ()):
                found[number] = required(branch.body, uses, fewer)
        if all(found.values()):
            without = fewer
            for number, atoms in found.items():
                group.branches[number].required = atoms
    group.without = without


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


class Stage:
    """Some rules and the fields whose signatures tell more about them: which match, or which stage comes next.

    ``names`` are those fields, the pseudo fields last; ``keywords`` the keyword atoms to look for, if any.
    """

    __slots__ = ("keywords", "memo", "names")

    def __init__(self, names: Iterable[str], keywords: frozenset[int], memo: Memo[Any]) -> None:
        self.names = tuple(sorted(names, key=lambda name: (is_pseudo(name), name)))
        self.keywords = keywords
        self.memo = memo  # of the matcher's answers; shared by the stages of a class

    def judge(self, key: Key) -> tuple[int, ...] | Stage:
        """The rules that match, in the pack's order, or the stage that knows."""
        raise NotImplementedError


class RuleClass(Stage):
    """The rules that events of one kind can match.

    Of every rule one required atom must hold. So the fields with those atoms are looked at first, and they are few: for
    most events no rule is left, and no other field is judged. ``always`` are the rules that the gate alone decided.
    """

    __slots__ = (
        *("_by_atom", "_decided", "_every_keyword", "_known", "_live", "_limit"),
        *("_may_hold", "_shortlists", "_unindexed", "always"),
    )

    def __init__(self, always: Sequence[int], live: Sequence[Branch], limit: int) -> None:
        needed = frozenset().union(*(branch.required or () for branch in live))
        keywords = frozenset(number for name, number in needed if name == KEYWORDS)
        super().__init__({name for name, _ in needed}, keywords, Memo(limit))
        self.always = tuple(sorted(set(always)))
        self._live, self._limit = tuple(live), limit
        self._every_keyword = frozenset[int]().union(*(branch.keywords for branch in live))
        self._shortlists: dict[frozenset[int], Shortlist] = {}
        position = {name: place for place, name in enumerate(self.names)}
        self._known = {name: place for name, place in position.items() if name != KEYWORDS}
        self._decided = frozenset(
            n for n, one in enumerate(live) if one.fields <= self._known.keys()
        )
        self._may_hold: dict[int, Callable[[Key], bool]] = {}
        self._by_atom: list[dict[int, list[int]]] = [defaultdict(list) for _ in self.names]
        self._unindexed = [n for n, branch in enumerate(live) if branch.required is None]
        for number, branch in enumerate(live):
            for name, atom in branch.required or ():
                self._by_atom[position[name]][atom].append(number)

    def pieces(self) -> list[object]:
        """All that is large in it, piece by piece."""
        return [self, *self._live, *self._by_atom, self._shortlists, *self.memo.generations()]

    def judge(self, key: Key) -> tuple[int, ...] | Stage:
        """The rules of the gate alone, or the shortlist of those that may still match."""
        asked = set(self._unindexed)
        for index, signature in zip(self._by_atom, key, strict=True):
            for atom in signature:
                found = index.get(atom)
                if found:
                    asked.update(found)
        left = frozenset(number for number in asked if self._may(number)(key))
        if self._decided.issuperset(left):
            return self._with(left)
        shortlist = self._shortlists.get(left)
        if shortlist is None:
            if len(self._shortlists) >= self._limit:
                self._shortlists.clear()
            shortlist = self._shortlists[left] = Shortlist(
                self.always,
                [self._live[number] for number in sorted(left)],
                self._every_keyword,
                self.memo,
            )
        return shortlist

    def _with(self, numbers: frozenset[int]) -> tuple[int, ...]:
        if not numbers:
            return self.always
        return tuple(sorted({*self.always, *(self._live[number].rule for number in numbers)}))

    def _may(self, number: int) -> Callable[[Key], bool]:
        """Whether a rule may match, by the fields of this stage alone."""
        function = self._may_hold.get(number)
        if function is None:
            function = compiled(self._live[number].body, self._known, unknown=True)
            self._may_hold[number] = function
        return function


class Shortlist(Stage):
    """Rules of which some required atom holds; the signatures of all their fields decide."""

    __slots__ = ("_always", "_functions", "_live")

    def __init__(
        self,
        always: tuple[int, ...],
        live: Sequence[Branch],
        keywords: frozenset[int],
        memo: Memo[Any],
    ) -> None:
        """``keywords``: those of the whole class, so that few searches for keywords are compiled."""
        super().__init__(frozenset().union(*(branch.fields for branch in live)), keywords, memo)
        self._always, self._live = always, tuple(live)
        self._functions: list[Callable[[Key], bool]] | None = None

    def judge(self, key: Key) -> tuple[int, ...] | Stage:
        """The rules that match."""
        if self._functions is None:
            position = {name: place for place, name in enumerate(self.names)}
            self._functions = [compiled(branch.body, position) for branch in self._live]
        matching = set(self._always)
        for branch, holds in zip(self._live, self._functions, strict=True):
            if branch.rule not in matching and holds(key):
                matching.add(branch.rule)
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

    def pieces(self) -> list[object]:
        """All that is large in it, piece by piece."""
        branches = [branch for group in self._groups for branch in group.branches]
        classes = [piece for one in self._classes.values() for piece in one.pieces()]
        return [*self._groups, *branches, *self._opens, *classes]

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
                    body = known(branch.body, signatures)
                    branch = Branch.of(branch.rule, body, {}, self._groups[number].without)
                if branch.body is True:
                    always.add(branch.rule)
                elif branch.body is not False:
                    live.append(branch)
        return RuleClass(
            tuple(always), [one for one in live if one.rule not in always], self._limit
        )
