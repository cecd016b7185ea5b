"""Conditions in the form that the matcher evaluates: tests on whole signatures.

True, False
("any", field, numbers)    one of these atoms holds     ("all", field, numbers)    all of them hold
("and", nodes)             ("or", nodes)                ("not", node)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from soc.detect.field_matcher import Signature

Test = Any  # bool, or one of the tuples above
Key = Sequence[Signature]
Required = frozenset[tuple[str, int]]  # (field, atom number): one of them must hold


def both(parts: Sequence[Test]) -> Test:
    """The conjunction; atoms of one field are joined into one "all"."""
    flat: list[Test] = []
    atoms: dict[str, set[int]] = {}
    for part in _flat("and", parts):
        if part is False:
            return False
        if part is True:
            continue
        if part[0] == "all" or (part[0] == "any" and len(part[2]) == 1):
            atoms.setdefault(part[1], set()).update(part[2])
        else:
            flat.append(part)
    joined = [("all", field, frozenset(numbers)) for field, numbers in atoms.items()]
    return _one("and", joined + flat, empty=True)


def either(parts: Sequence[Test]) -> Test:
    """The disjunction; atoms of one field are joined into one "any"."""
    flat: list[Test] = []
    atoms: dict[str, set[int]] = {}
    for part in _flat("or", parts):
        if part is True:
            return True
        if part is False:
            continue
        if part[0] == "any" or (part[0] == "all" and len(part[2]) == 1):
            atoms.setdefault(part[1], set()).update(part[2])
        else:
            flat.append(part)
    joined = [("any", field, frozenset(numbers)) for field, numbers in atoms.items()]
    return _one("or", joined + flat, empty=False)


def negated(part: Test) -> Test:
    """The negation."""
    if isinstance(part, bool):
        return not part
    return part[1] if part[0] == "not" else ("not", part)


def _flat(kind: str, parts: Sequence[Test]) -> Iterator[Test]:
    for part in parts:
        if not isinstance(part, bool) and part[0] == kind:
            yield from part[1]
        else:
            yield part


def _one(kind: str, parts: list[Test], *, empty: bool) -> Test:
    if not parts:
        return empty
    return parts[0] if len(parts) == 1 else (kind, tuple(parts))


def fields_of(test: Test) -> frozenset[str]:
    """The fields a condition looks at."""
    if isinstance(test, bool):
        return frozenset()
    if test[0] in ("any", "all"):
        return frozenset((test[1],))
    if test[0] == "not":
        return fields_of(test[1])
    return frozenset().union(*map(fields_of, test[1]))


def atoms_on(test: Test, field: str) -> frozenset[int]:
    """The numbers of the atoms of one field that a condition looks at."""
    if isinstance(test, bool):
        return frozenset()
    if test[0] in ("any", "all"):
        return test[2] if test[1] == field else frozenset()
    if test[0] == "not":
        return atoms_on(test[1], field)
    return frozenset().union(*(atoms_on(part, field) for part in test[1]))


def known(test: Test, signatures: Mapping[str, Signature]) -> Test:
    """What is left of a condition when the signatures of some fields are known."""
    if isinstance(test, bool):
        return test
    if test[0] == "not":
        return negated(known(test[1], signatures))
    if test[0] == "and":
        return both([known(part, signatures) for part in test[1]])
    if test[0] == "or":
        return either([known(part, signatures) for part in test[1]])
    signature = signatures.get(test[1])
    if signature is None:
        return test
    return bool(test[2] & signature) if test[0] == "any" else test[2] <= signature


def required(
    test: Test, uses: Mapping[tuple[str, int], int], without: frozenset[str] = frozenset()
) -> Required | None:
    """Atoms of which at least one holds whenever the condition does; None if there are no such atoms.

    ``uses`` is how many rules have an atom. Of several choices the one with the rarest atoms is taken: an atom that
    many rules have (a program's name) is likely to hold, and then all those rules would have to be evaluated.
    Atoms on the fields ``without`` are not taken.
    """
    if isinstance(test, bool) or test[0] == "not":
        return None
    if test[0] in ("any", "all") and test[1] in without:
        return None
    if test[0] == "any":
        return frozenset((test[1], number) for number in test[2])
    if test[0] == "all":
        rarest = min(test[2], key=lambda number: (uses.get((test[1], number), 0), number))
        return frozenset(((test[1], rarest),))
    found = [required(part, uses, without) for part in test[1]]
    if test[0] == "and":
        known_ones = [one for one in found if one]
        return min(known_ones, key=lambda one: sum(uses.get(a, 0) for a in one), default=None)
    every = [one for one in found if one]
    return frozenset().union(*every) if len(every) == len(found) else None


def count_uses(test: Test, uses: dict[tuple[str, int], int]) -> None:
    """Add a condition's atoms to ``uses``."""
    if isinstance(test, bool):
        return
    if test[0] in ("any", "all"):
        for number in test[2]:
            uses[test[1], number] = uses.get((test[1], number), 0) + 1
        return
    for part in (test[1],) if test[0] == "not" else test[1]:
        count_uses(part, uses)


def compiled(
    test: Test, position: Mapping[str, int], *, unknown: bool = False
) -> Callable[[Key], bool]:
    """A function of the signatures in the order of ``position``.

    A test on a field that has no position is ``unknown``: with True the function says whether the condition may hold,
    with False whether it must.
    """
    if isinstance(test, bool):
        return lambda _key, answer=test: answer  # type: ignore[misc]
    kind = test[0]
    if kind in ("any", "all") and test[1] not in position:
        return lambda _key: unknown
    if kind == "any":
        place, numbers = position[test[1]], test[2]
        return lambda key: not numbers.isdisjoint(key[place])
    if kind == "all":
        place, numbers = position[test[1]], test[2]
        return lambda key: numbers <= key[place]
    if kind == "not":
        inner = compiled(test[1], position, unknown=not unknown)
        return lambda key: not inner(key)
    parts = [compiled(part, position, unknown=unknown) for part in test[1]]
    if len(parts) == 2:
        first, second = parts
        if kind == "and":
            return lambda key: first(key) and second(key)
        return lambda key: first(key) or second(key)
    if kind == "and":
        return lambda key: all(part(key) for part in parts)
    return lambda key: any(part(key) for part in parts)
