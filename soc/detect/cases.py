"""Cases of a rule: ``<rule>.cases.jsonl`` beside ``<rule>.yml``, one event a line and what the rule must say of it.

{"expect": "match", "why": "success from a district address", "event": {"event.action": "login", ...}}
{"expect": "quiet", "why": "the login failed", "event": {...}}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from soc.detect.facts import RuleFacts
from soc.detect.matcher import Matcher
from soc.detect.native_events import flat
from soc.errors import RuleError

MATCH, QUIET = "match", "quiet"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a cases file."""

    path: Path
    line: int
    expect: str  # match or quiet
    why: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the engine said of a case."""

    rule: RuleFacts
    case: Case
    matched: bool

    @property
    def right(self) -> bool:
        """Whether that is what the case expects."""
        return self.matched == (self.case.expect == MATCH)


def cases_path(rule_path: Path) -> Path:
    """Where the cases of a rule file are."""
    return rule_path.with_suffix(".cases.jsonl")


def load_cases(path: Path) -> list[Case]:
    """The cases of one file.

    Raises:
        RuleError: a line that is not such an object; the line is named.
    """
    cases = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = orjson.loads(line)
            expect, why, event = found["expect"], found["why"], found["event"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            hint = 'a case is {"expect": "match" or "quiet", "why": "...", "event": {...}}'
            raise RuleError(f"not a case: {error}", path=path, line=number, hint=hint) from error
        if expect not in (MATCH, QUIET) or not isinstance(event, dict) or not why:
            hint = "expect is match or quiet, why says why, event is an object"
            raise RuleError("not a case", path=path, line=number, hint=hint)
        cases.append(Case(path, number, expect, str(why), flat(event)))
    return cases


def run_cases(matcher: Matcher) -> Iterator[Outcome]:
    """Every case of every rule that has a cases file, judged by the engine.

    Raises:
        RuleError: a cases file that cannot be read.
    """
    for rule in matcher.rules.values():
        path = cases_path(Path(rule.path))
        for case in load_cases(path) if path.exists() else ():
            yield Outcome(rule, case, rule.id in matcher.match(case.event))
