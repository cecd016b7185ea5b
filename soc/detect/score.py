"""How much of labelled attacks do rules find, and how often do they alarm where nothing happened?

A label is one JSON object a line, of two kinds: ``{"file": ..., "record": 7, "rule_id": ...}`` (this rule finds this
record), or what ``soc simulate`` writes, ``{"run": ..., "start": ..., "end": ..., "expects": [rule ids]}`` (these rules
fire within this time). A match that no label speaks of is an alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from soc.errors import RuleError

ALARMS_PER = 100_000  # events
LABEL_FILES = ("labels.jsonl", "plan.json")  # beside the events, and no events


@dataclass(frozen=True, slots=True)
class Match:
    """A rule on a record; ``time`` is None where the event has none."""

    rule_id: str
    file: str
    record: int
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Label:
    """What is expected: these rules, at that record or within that time."""

    rules: tuple[str, ...]
    file: str = ""
    record: int = 0
    start: datetime | None = None
    end: datetime | None = None

    def speaks_of(self, match: Match) -> bool:
        """Whether the match is one that was expected."""
        if match.rule_id not in self.rules:
            return False
        if self.start is None or self.end is None:
            return match.record == self.record and match.file.endswith(self.file)
        return match.time is not None and self.start <= match.time <= self.end


@dataclass(slots=True)
class Score:
    """By rule id: how often it was expected, how often it was then found, and how often it alarmed."""

    events: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)

    def add(self, events: int, labels: Sequence[Label], matches: Iterable[Match]) -> None:
        """Count one labelled (or, without labels, quiet) set."""
        self.events += events
        by_rule: dict[str, list[Match]] = {}
        for match in matches:
            by_rule.setdefault(match.rule_id, []).append(match)
        spoken_of: dict[str, list[Label]] = {}
        for label in labels:
            for rule_id in label.rules:
                spoken_of.setdefault(rule_id, []).append(label)
                self.expected[rule_id] += 1
                self.found[rule_id] += any(map(label.speaks_of, by_rule.get(rule_id, ())))
        for rule_id, some in by_rule.items():
            known = spoken_of.get(rule_id, ())
            self.alarms[rule_id] += sum(
                not any(label.speaks_of(one) for label in known) for one in some
            )

    @property
    def recall(self) -> float:
        """The share of what was expected that was found; 1 if nothing was."""
        total = self.expected.total()
        return self.found.total() / total if total else 1.0

    def alarms_per(self, rule_id: str | None = None) -> float:
        """Alarms per 100,000 events, of one rule or of all."""
        count = self.alarms.total() if rule_id is None else self.alarms[rule_id]
        return count * ALARMS_PER / self.events if self.events else 0.0

    def plain(self) -> dict[str, Any]:
        """What ``lost`` compares with; ids in order, so that a diff is readable."""
        rules = sorted(self.expected.keys() | {key for key, count in self.alarms.items() if count})
        return {
            "events": self.events,
            "rules": {
                key: {
                    "expected": self.expected[key],
                    "found": self.found[key],
                    "alarms": self.alarms[key],
                }
                for key in rules
            },
        }

    def lost(self, before: Mapping[str, Any]) -> list[tuple[str, int, int]]:
        """Rules that found more in an earlier score of the same sets: id, found then, found now."""
        return [
            (rule_id, row["found"], self.found[rule_id])
            for rule_id, row in before["rules"].items()
            if row["found"] > self.found[rule_id]
        ]


def read_labels(path: Path) -> list[Label]:
    """The labels of a file.

    Raises:
        RuleError: a line that is not a label; it is named.
    """
    labels = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            labels.append(_label(orjson.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "a label has file, record, rule_id; or start, end, expects"
            raise RuleError(f"not a label: {error!r}", path=path, line=number, hint=hint) from error
    return labels


def _label(plain: Any) -> Label:
    if "rule_id" in plain:
        return Label((str(plain["rule_id"]),), str(plain["file"]), int(plain["record"]))
    start, end = (datetime.fromisoformat(plain[name]) for name in ("start", "end"))
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("times need a zone")
    return Label(tuple(map(str, plain["expects"])), start=start, end=end)
