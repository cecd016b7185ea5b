"""Why a rule matches an event, or does not: the condition with each part true or false."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soc.detect.atoms import KEYWORDS, MANY, Atom, Node, children

if TYPE_CHECKING:
    from soc.detect.packs import PackField

Holds = Callable[[str, int, Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One part of a condition. ``kind`` is and, or, not, name or test; ``label`` is what people read."""

    kind: str
    label: str
    holds: bool
    field: str = ""  # of a test; "" means any value of the event
    value: Any = None  # the event's value of that field; None if absent
    parts: tuple[Explanation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the API and ``soc rules explain --json``."""
        found: dict[str, Any] = {"kind": self.kind, "label": self.label, "holds": self.holds}
        if self.kind == "test":
            found |= {"field": self.field, "value": self.value}
        if self.parts:
            found["parts"] = [part.as_json() for part in self.parts]
        return found


def explanation(
    node: Node, pack_fields: Mapping[str, PackField], holds: Holds, fields: Mapping[str, Any]
) -> Explanation:
    """The tree of a condition for one event."""
    kind = node[0]
    if kind == "atom":
        atom = pack_fields[node[1]].atoms[node[2]]
        label = f"{node[1] or 'any value'} {atom_text(atom)}"
        holding = holds(node[1], node[2], fields)
        return Explanation("test", label, holding, node[1], fields.get(node[1]))
    parts = tuple(explanation(child, pack_fields, holds, fields) for child in children(node))
    if kind == "and":
        return Explanation("and", "all of", all(part.holds for part in parts), parts=parts)
    if kind == "or":
        return Explanation("or", "one of", any(part.holds for part in parts), parts=parts)
    if kind == "not":
        return Explanation("not", "not", not parts[0].holds, parts=parts)
    return Explanation("name", node[1], parts[0].holds, parts=parts)


def atom_text(atom: Atom) -> str:
    """An atom in words of the rule language.

    >>> atom_text(Atom("like", (0, "mimikatz", 0))), atom_text(Atom("compare", ("gt", 5)))
    ("is like '*mimikatz*'", 'is gt 5')
    """
    kind, spec = atom
    if kind in ("like", "like_cased"):
        shown = "".join(
            part if isinstance(part, str) else "*" if part == MANY else "?" for part in spec
        )
        return f"is like {shown!r}" + (" with case" if kind == "like_cased" else "")
    if kind == "regex":
        return f"matches /{spec[0]}/{spec[1]}"
    if kind == "reference":
        return f"is compared with the field {spec[0]}"
    words = {
        "equals": f"is {spec!r}",
        "equals_cased": f"is {spec!r} with case",
        "cidr": f"is in {spec}",
        "null": "is absent",
        "exists": "is there",
        "present": "has a value",
    }
    return words.get(kind) or f"is {spec[0]} {spec[1]}"


def positive_fields(node: Node, holds: Holds, fields: Mapping[str, Any]) -> set[str]:
    """The fields of the atoms that hold and are not under a "not"; of keywords, the fields that have them."""
    if node[0] == "not" or not _true(node, holds, fields):
        return set()
    if node[0] == "atom":
        return {node[1]} if node[1] != KEYWORDS else _with_keyword(node, holds, fields)
    return set().union(*(positive_fields(child, holds, fields) for child in children(node)))


def _with_keyword(node: Node, holds: Holds, fields: Mapping[str, Any]) -> set[str]:
    return {name for name, value in fields.items() if holds(node[1], node[2], {name: value})}


def _true(node: Node, holds: Holds, fields: Mapping[str, Any]) -> bool:
    kind = node[0]
    if kind == "atom":
        return holds(node[1], node[2], fields)
    if kind == "and":
        return all(_true(child, holds, fields) for child in children(node))
    if kind == "or":
        return any(_true(child, holds, fields) for child in children(node))
    if kind == "not":
        return not _true(node[1], holds, fields)
    return _true(node[2], holds, fields)
