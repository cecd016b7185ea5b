"""One correlation rule as the engine runs it (Sigma correlation specification 2.1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soc.detect.facts import RuleFacts

MONOTONE = frozenset({"event_count", "value_count", "temporal", "temporal_ordered"})
RISING = frozenset({"gt", "gte"})
TIMES = ("corrected", "source", "arrival")


@dataclass(frozen=True, slots=True)
class Correlation:
    """``rules`` are ids, of rules or of other correlations, in the order written.

    ``places`` says for each single-event rule below this one in which of its events' fields the names of ``group_by``
    and ``fields`` are; the first that is there counts. ``expression`` is a condition over the rules
    (``["and", [...]]``, ``["not", ...]``, ``["rule", id]``) or None; then ``op`` and ``threshold`` are compared with
    the count, sum or other value of the type ``kind``.
    """

    id: str
    kind: str
    rules: tuple[str, ...]
    span_us: int
    group_by: tuple[str, ...] = ()
    op: str = "gte"
    threshold: int = 1
    fields: tuple[str, ...] = ()
    percentile: int = 0
    expression: Any = None
    places: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    chained: bool = False  # a correlation of correlations
    whole_province: bool = False  # groups reach over agencies
    time: str = "corrected"  # or source, arrival: the time by which its windows run

    @property
    def closing(self) -> bool:
        """Whether a window is judged only when it has closed: its condition may stop holding as more comes in.

        Such windows have fixed boundaries (multiples of the timespan since 1970); the others slide.
        """
        return self.op not in RISING or (self.expression is not None and _denies(self.expression))

    @property
    def only_grows(self) -> bool:
        """Whether one more match can never end a run: then only the windows it falls into are looked at again."""
        return self.kind in MONOTONE and not self.closing and not self.chained

    def holds(self, value: float) -> bool:
        """The condition on a count, sum, average or percentile.

        >>> Correlation("c", "event_count", ("a",), 1, op="neq", threshold=3).holds(4)
        True
        """
        wanted = self.threshold
        return {
            "gt": value > wanted,
            "gte": value >= wanted,
            "lt": value < wanted,
            "lte": value <= wanted,
            "eq": value == wanted,
            "neq": value != wanted,
        }[self.op]


@dataclass(frozen=True, slots=True)
class Correlations:
    """The correlations in use, and what people want to know of them; ``silent`` ones only serve others,
    ``testing`` ones make no alert, nor do those that are not critical in ``testing_agencies``."""

    rules: Mapping[str, Correlation] = field(default_factory=dict)
    facts: Mapping[str, RuleFacts] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()
    testing: frozenset[str] = frozenset()
    testing_agencies: frozenset[str] = frozenset()

    def above(self, rule_id: str) -> list[Correlation]:
        return [one for one in self.rules.values() if rule_id in one.rules]


def correlation_of(plain: Mapping[str, Any]) -> Correlation:
    """The rule of its fields as JSON or MessagePack holds them (lists for tuples)."""
    listed = {name: tuple(plain[name]) for name in ("rules", "group_by", "fields")}
    places = {
        rule: {name: tuple(fields) for name, fields in held.items()}
        for rule, held in plain["places"].items()
    }
    return Correlation(**{**plain, **listed, "places": places})


def _denies(expression: Any) -> bool:
    if expression[0] == "rule":
        return False
    if expression[0] == "not":
        return True
    return any(map(_denies, expression[1]))


def satisfied(expression: Any, present: Mapping[str, int]) -> bool:
    """An extended condition: ``present`` has the ids of the rules that matched in the window."""
    kind, rest = expression
    if kind == "rule":
        return rest in present
    if kind == "not":
        return not satisfied(rest, present)
    results = (satisfied(one, present) for one in rest)
    return all(results) if kind == "and" else any(results)
