"""Cases of a rule: ``<rule>.cases.jsonl`` beside ``<rule>.yml``, one event a line and what the rule must say of it.

{"expect": "match", "why": "success from a district address", "event": {"event.action": "login", ...}}
{"expect": "quiet", "why": "the login failed", "event": {...}}

A correlation's case is a list of timed events; ``at`` is seconds, ``times`` and ``every`` (seconds) repeat an event:

{"expect": "match", "why": "ten failures, then in", "events": [
  {"at": 0, "times": 10, "every": 3, "event": {...}}, {"at": 40, "event": {...}}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from soc.detect.correlation.batch import Batch
from soc.detect.facts import RuleFacts
from soc.detect.matcher import Matcher
from soc.detect.native_events import flat
from soc.detect.packs import correlations_of
from soc.errors import RuleError

MATCH, QUIET = "match", "quiet"


@dataclass(frozen=True, slots=True)
class Timed:
    """An event of a correlation's case, µs after the first possible one."""

    at: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a cases file."""

    path: Path
    line: int
    expect: str  # match or quiet
    why: str
    event: dict[str, Any] = field(default_factory=dict)
    events: tuple[Timed, ...] = ()  # of a correlation


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
            expect, why = found["expect"], found["why"]
            events = tuple(_timed(found["events"])) if "events" in found else ()
            event = {} if events else flat(found["event"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            hint = 'a case is {"expect": "match" or "quiet", "why": "...", "event": {...} or "events": [...]}'
            raise RuleError(f"not a case: {error!r}", path=path, line=number, hint=hint) from error
        if expect not in (MATCH, QUIET) or not why:
            hint = "expect is match or quiet, why says why"
            raise RuleError("not a case", path=path, line=number, hint=hint)
        cases.append(Case(path, number, expect, str(why), event, events))
    return cases


def _timed(found: list[dict[str, Any]]) -> Iterator[Timed]:
    for one in found:
        fields = flat(one["event"])
        for number in range(int(one.get("times", 1))):
            seconds = float(one["at"]) + number * float(one.get("every", 0))
            yield Timed(round(seconds * 1_000_000), fields)


def run_cases(matcher: Matcher, *, only: str | None = None) -> Iterator[Outcome]:
    """Every case of every rule that has a cases file, judged by the engine; ``only``: of the rules of this file.

    The cases beside a file with a correlation are of its first correlation that is not silent.

    Raises:
        RuleError: a cases file that cannot be read.
    """
    pack = matcher.pack
    correlations = {
        facts.path: facts
        for key, facts in reversed(pack.correlation_facts.items())
        if key not in pack.silent
    }
    rules = [rule for rule in matcher.rules.values() if rule.path not in correlations]
    for rule in (*rules, *correlations.values()):
        if only not in (None, rule.path):
            continue
        path = cases_path(Path(rule.path))
        for case in load_cases(path) if path.exists() else ():
            if rule.id in pack.correlations:
                yield Outcome(rule, case, _fires(matcher, rule.id, case))
            else:
                yield Outcome(rule, case, rule.id in matcher.match(case.event))


def _fires(matcher: Matcher, correlation_id: str, case: Case) -> bool:
    batch = Batch(correlations_of(matcher.pack))
    for number, timed in enumerate(case.events):
        for rule_id in matcher.match(timed.event):
            parts = matcher.feed.parts(rule_id, timed.event, None)
            batch.take(parts, rule_id=rule_id, key=f"{number}", at=timed.at, tag=None)
    return any(found.rule.id == correlation_id for found in batch.runs())
