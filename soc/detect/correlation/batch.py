"""Correlations over a set of matches that is all there: scans, cases, forecasts. The same windows and runs as live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from soc.detect.correlation.rule import Correlation, Correlations
from soc.detect.correlation.runs import Run, end_of, runs_of, touch
from soc.detect.correlation.windows import Entry, moments
from soc.model.event import Part


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run with its entries in order. ``tags`` are what the caller gave with each match."""

    rule: Correlation
    group: str
    run: Run
    tags: tuple[Any, ...]


@dataclass(slots=True)
class _Group:
    entries: dict[tuple[str, Any], Entry] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)  # by key
    carried: dict[str, dict[str, list[Any]]] = field(default_factory=dict)  # by key


class Batch:
    """Takes matches in any order; ``runs`` gives what they say together."""

    def __init__(self, correlations: Correlations) -> None:
        self._current = correlations
        self._groups: dict[str, dict[str, _Group]] = defaultdict(lambda: defaultdict(_Group))

    def take(self, parts: Sequence[Part], *, rule_id: str, key: str, at: int, tag: Any) -> None:
        """The parts of one match. ``key`` names the match, ``at`` is µs since 1970, ``tag`` comes back."""
        for part in parts:
            self._put(part, Entry(at, key, rule_id, part.value), tag)

    def _put(self, part: Part, entry: Entry, tag: Any) -> None:
        group = self._groups[part.correlation_id][part.group]
        group.entries[entry.key, entry.value] = entry
        group.tags[entry.key] = tag
        group.carried[entry.key] = part.carried

    def runs(self) -> Iterator[FoundRun]:
        """Every run of every correlation that is not silent; those below come before those above."""
        for rule in self._from_below():
            above = self._current.above(rule.id)
            for name, group in self._groups[rule.id].items():
                entries = sorted(group.entries.values(), key=lambda one: (one.at, one.key))
                if above:
                    self._raise(rule, name, group, entries, above)
                if rule.id in self._current.silent:
                    continue
                for run in runs_of(rule, entries):
                    inside = [e for e in entries if run.since <= e.at <= end_of(rule, run)]
                    tags = tuple(group.tags[one.key] for one in inside)
                    yield FoundRun(rule, name, run, tags)

    def _from_below(self) -> list[Correlation]:
        ordered: dict[str, Correlation] = {}

        def visit(rule_id: str) -> None:
            rule = self._current.rules.get(rule_id)
            if rule is not None and rule_id not in ordered:
                for below in rule.rules:
                    visit(below)
                ordered[rule_id] = rule

        for rule_id in self._current.rules:
            visit(rule_id)
        return list(ordered.values())

    def _raise(
        self,
        rule: Correlation,
        name: str,
        group: _Group,
        entries: Sequence[Entry],
        above: Sequence[Correlation],
    ) -> None:
        """The moments of a group as entries of the correlations above (see ``chains``)."""
        before: int | None = None
        for moment in moments(rule, entries):
            starts = before is None or not touch(rule, before, moment)
            before = moment
            stands = moment
            if rule.closing:
                end = end_of(rule, Run(moment, moment, moment))
                stands = max(one.at for one in entries if moment <= one.at <= end)
            inside = [one for one in entries if one.at == stands]
            for one in inside:
                for upper in above:
                    for upper_group, value in group.carried[one.key].get(upper.id, ()):
                        part = Part(upper.id, upper_group, value, group.carried[one.key])
                        key = f"{rule.id}\x1f{name}\x1f{one.key}\x1f{one.value}"
                        entry = Entry(one.at, key, rule.id, value, starts)
                        self._put(part, entry, group.tags[one.key])
