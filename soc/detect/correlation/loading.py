"""Correlation rules made ready: references found, field names placed, circles refused.

A rule that only serves a correlation stands in the same file and makes no alert of its own, unless the correlation says
``generate: true`` (specification, "Generate"). A rule in a file of its own goes on alerting when a correlation refers
to it, so that adding a correlation never silences another rule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soc.detect.correlation.rule import TIMES, Correlation
from soc.detect.facts import RuleFacts
from soc.detect.rule_text import Document
from soc.errors import RuleError

LONGEST_SPAN = 31 * 86_400  # seconds; entries are kept for that long
Mapped = Callable[
    [str, str], tuple[str, ...]
]  # (single-event rule, field name) to fields of its events


@dataclass(frozen=True, slots=True)
class Parsed:
    """A correlation document as pySigma read it; references are as written."""

    document: Document
    facts: RuleFacts
    kind: str
    references: tuple[str, ...]
    span_seconds: int
    group_by: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]
    op: str
    threshold: int
    fields: tuple[str, ...]
    percentile: int
    expression: Any
    whole_province: bool
    time: str = "corrected"


@dataclass(slots=True)
class Resolver:
    """``known``: ids of the rules that can match; ``names``: every rule's id by its ``name`` or id."""

    known: Mapping[str, RuleFacts]
    names: Mapping[str, list[tuple[str, str]]]  # name to (id, path)
    mapped: Mapped
    parsed: dict[str, Parsed] = field(default_factory=dict)
    made: dict[str, Correlation] = field(default_factory=dict)
    failed: dict[str, RuleError] = field(default_factory=dict)

    def resolve(self, rule_id: str, above: tuple[str, ...] = ()) -> Correlation:
        """The correlation of that id, and those below it first.

        Raises:
            RuleError: a reference leads nowhere or in a circle, or a rule below cannot be used.
        """
        if rule_id in self.made:
            return self.made[rule_id]
        if rule_id in self.failed:
            raise self.failed[rule_id]
        one = self.parsed[rule_id]
        try:
            if rule_id in above:
                raise self._error(one, "refers to itself, by way of other correlations", "rules")
            self.made[rule_id] = self._make(one, (*above, rule_id))
        except RuleError as error:
            self.failed[rule_id] = error
            raise
        return self.made[rule_id]

    def _make(self, one: Parsed, above: tuple[str, ...]) -> Correlation:
        self._check(one)
        ids = {reference: self._find(one, reference) for reference in one.references}
        for alias, by_reference in one.aliases.items():
            for reference in by_reference:
                if reference not in ids:
                    raise self._error(
                        one,
                        f"the alias {alias} names {reference}, which is not among the rules",
                        "aliases",
                    )
        for child in ids.values():
            if child in self.parsed:
                self.resolve(child, above)
        chained = any(child in self.parsed for child in ids.values())
        places: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for name in dict.fromkeys((*one.group_by, *one.fields)):
            for reference, child in ids.items():
                for leaf, fields in self._places(one, reference, child, name):
                    before = places[leaf].get(name, ())
                    places[leaf][name] = tuple(dict.fromkeys((*before, *fields)))
        return Correlation(
            id=one.facts.id,
            kind=one.kind,
            rules=tuple(ids[reference] for reference in one.references),
            span_us=one.span_seconds * 1_000_000,
            group_by=one.group_by,
            op=one.op,
            threshold=one.threshold,
            fields=one.fields,
            percentile=one.percentile,
            expression=_with_ids(one.expression, ids),
            places={leaf: dict(held) for leaf, held in places.items()},
            chained=chained,
            whole_province=one.whole_province,
            time=one.time,
        )

    def _check(self, one: Parsed) -> None:
        if one.span_seconds > LONGEST_SPAN:
            days = LONGEST_SPAN // 86_400
            raise self._error(one, f"a timespan is at most {days} days here", "timespan")
        if one.time not in TIMES:
            hint = f"custom: time is one of {', '.join(TIMES)}"
            raise one.document.error(f"no such time: {one.time}", "custom", "time", hint=hint)
        if one.kind == "temporal_ordered" and one.expression is not None:
            hint = "list the rules in their order, or chain two correlations"
            raise self._error(one, "an ordered correlation takes no expression", "condition", hint)
        if one.kind == "temporal_ordered" and len(one.references) > 16:
            raise self._error(one, "an ordered correlation has at most 16 rules", "rules")
        if one.kind in ("value_percentile", "value_median") and not 0 < one.percentile <= 100:
            raise self._error(one, "percentile: is a number from 1 to 100", "condition")

    def _places(
        self, one: Parsed, reference: str, child: str, name: str
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Where the events of each single-event rule below have a name of this correlation."""
        wanted = one.aliases.get(name, {}).get(reference, name)
        if child not in self.parsed:
            yield child, self.mapped(child, wanted)
            return
        below = self.parsed[child]
        for inner in dict.fromkeys(below.references):
            yield from self._places(below, inner, self._find(below, inner), wanted)

    def _find(self, one: Parsed, reference: str) -> str:
        """The id that a reference means: a name of the same file before one of another."""
        found = self.names.get(reference, [])
        here = [rule_id for rule_id, path in found if path == one.facts.path]
        ids = dict.fromkeys(here or [rule_id for rule_id, _ in found])
        if not ids:
            raise self._error(
                one, f"there is no rule {reference}", "rules", "give its id or its name"
            )
        if len(ids) > 1:
            raise self._error(one, f"several rules are called {reference}", "rules", "give the id")
        (rule_id,) = ids
        if rule_id not in self.known and rule_id not in self.parsed:
            raise CannotUse(f"the rule {reference} below it cannot match", path=one.facts.path)
        return rule_id

    def _error(self, one: Parsed, reason: str, key: str, hint: str = "") -> RuleError:
        return one.document.error(reason, "correlation", key, hint=hint)


class CannotUse(RuleError):
    """A sound correlation over a rule that no event can satisfy."""


def _with_ids(expression: Any, ids: Mapping[str, str]) -> Any:
    if expression is None:
        return None
    kind, rest = expression
    if kind == "rule":
        return (kind, ids[rest])
    if kind == "not":
        return (kind, _with_ids(rest, ids))
    return (kind, tuple(_with_ids(one, ids) for one in rest))


def silent_rules(found: Sequence[Document], id_of: Callable[[Document], str]) -> Iterator[str]:
    """The rules of one file that only serve its correlations, by what is written, so a broken one counts too."""
    sections = [one.content["correlation"] for one in found if "correlation" in one.content]
    quiet = _referred(section for section in sections if not _generates(section))
    loud = _referred(section for section in sections if _generates(section))
    for document in found:
        called = {id_of(document), str(document.content.get("name"))}
        if called & quiet and not called & loud:
            yield id_of(document)


def _generates(section: Any) -> bool:
    return isinstance(section, dict) and section.get("generate") is True


def _referred(sections: Iterable[Any]) -> set[str]:
    names: set[str] = set()
    for section in sections:
        rules = section.get("rules") if isinstance(section, dict) else None
        names.update(map(str, rules if isinstance(rules, list) else [rules] if rules else ()))
        condition = section.get("condition") if isinstance(section, dict) else None
        if isinstance(condition, str):
            names.update(condition.replace("(", " ").replace(")", " ").split())
    return names
