"""What rules would have alerted on stored history: by rule, agency and day, with the exceptions in force.

An event is judged as at its arrival, and correlations by the same windows and runs. The alerts of a day (UTC+7) are
counted as if each were closed the same evening: one for each rule, entity and agency. For single-event rules that is
exact; a correlation that holds over midnight counts on the day of its latest event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from typing import Any

from soc.detect.correlation.batch import Batch, FoundRun
from soc.detect.correlation.telling import agency_of, entity_of, group_values, time_of
from soc.detect.exceptions import Exceptions
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import correlations_of
from soc.model.event import EPOCH, Event, Signal

VIETNAM = timezone(timedelta(hours=7))
AT_ONCE = 2_000  # events
MICROSECOND = timedelta(microseconds=1)
PROVINCE = ""  # the agency of what has none


@dataclass(slots=True)
class RuleForecast:
    """One rule. ``alerts`` by day, ``agencies`` the alerts of the whole time by agency."""

    rule_id: str
    title: str
    level: str
    matches: int = 0
    hidden: int = 0  # matches that exceptions keep from alerting
    alerts: Counter[date] = field(default_factory=Counter)
    agencies: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Forecast:
    """``rules``: those with a match, by id."""

    events: int = 0
    rules: dict[str, RuleForecast] = field(default_factory=dict)


class Forecaster:
    """Takes history in any order; ``result`` ends it."""

    def __init__(
        self, matcher: Matcher, exceptions: Exceptions | None = None, *, at: datetime | None = None
    ) -> None:
        """``at``: the exceptions of that time count for all history; else those of each event's arrival."""
        self._matcher = matcher
        self._at = at
        self._exceptions = exceptions or Exceptions()
        self._pack = matcher.pack
        self._correlated = Batch(correlations_of(matcher.pack))
        self._alerts: set[tuple[str, str, str, date]] = set()
        self._found = Forecast()

    def take(self, events: Iterable[Event]) -> None:
        """Judge some events."""
        waiting = iter(events)
        while some := list(islice(waiting, AT_ONCE)):
            self._found.events += len(some)
            by_id = {one.id: one for one in some}
            for signal in self._exceptions.mark(judge(self._matcher, some), some, at=self._at):
                self._correlate(signal, by_id[signal.event_id])
                if not signal.silent:
                    self._count(
                        self._rule(signal.rule_id),
                        signal.entity,
                        signal.agency_id,
                        signal.observed_at,
                        hidden=signal.excepted_by is not None,
                    )

    def result(self) -> Forecast:
        """The sums, the correlations' included."""
        for run in self._correlated.runs():
            self._count_run(run)
        return self._found

    def _correlate(self, signal: Signal, event: Event) -> None:
        if signal.parts:
            at = (signal.at("corrected") - EPOCH) // MICROSECOND
            tag = (event.host, event.system_id)
            self._correlated.take(
                signal.parts, rule_id=signal.rule_id, key=signal.event_id, at=at, tag=tag
            )

    def _count_run(self, run: FoundRun) -> None:
        rule, facts = run.rule, self._pack.correlation_facts[run.rule.id]
        host, system = run.tags[-1]
        named = dict(zip(rule.group_by, group_values(run.group), strict=True))
        agency, latest = agency_of(run.group), time_of(run.run.last)
        seen: dict[str, Any] = {"host.name": host, **named}
        hidden, _ = self._exceptions.holding(rule.id, seen, agency, system, self._at or latest)
        entity = entity_of(rule, facts, run.group)
        self._count(self._rule(rule.id), entity, agency, latest, hidden=bool(hidden))

    def _rule(self, rule_id: str) -> RuleForecast:
        found = self._found.rules.get(rule_id)
        if found is None:
            facts = self._pack.rules.get(rule_id) or self._pack.correlation_facts[rule_id]
            found = RuleForecast(rule_id, facts.title, facts.level)
            self._found.rules[rule_id] = found
        return found

    def _count(
        self, rule: RuleForecast, entity: str, agency: str | None, at: datetime, *, hidden: bool
    ) -> None:
        rule.matches += 1
        if hidden:
            rule.hidden += 1
            return
        day = at.astimezone(VIETNAM).date()
        key = (rule.rule_id, entity, agency or PROVINCE, day)
        if key not in self._alerts:
            self._alerts.add(key)
            rule.alerts[day] += 1
            rule.agencies[agency or PROVINCE] += 1
