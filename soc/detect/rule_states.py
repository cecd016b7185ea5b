"""Each rule is active, in testing or off: what people decided, and what becomes of its matches.

In testing only a rule of level critical makes alerts; the matches of the others are kept and counted. So are those of
an agency whose first source has just come, until somebody decides (``soc.detect.agency_states``). A rule that is
off leaves nothing but what correlations above it need, so that switching one rule off changes no other. Rules that were
imported begin in testing, all others are active, until somebody decides. A decision is no part of the compiled pack:
it counts within a second or two, and nothing is compiled for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select

from soc.detect.agency_states import agencies_in_testing
from soc.detect.cases import Outcome
from soc.detect.correlation.rule import Correlations
from soc.detect.facts import RuleFacts
from soc.errors import Conflict, NotAllowed, RuleError
from soc.model.alert import Severity
from soc.model.event import TESTING, Signal
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.rules import AgencyDecisionRow, RuleDecisionRow

STATES = Scope.province("rule states")


class RuleState(StrEnum):
    """What a rule may do."""

    ACTIVE = "active"
    TESTING = "testing"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RuleStates:
    """A picture of the decisions at one time; a change is a new one."""

    decided: Mapping[str, RuleState] = field(default_factory=dict)
    agencies_in_testing: frozenset[str] = frozenset()

    def of(self, rule_id: str, *, imported: bool) -> RuleState:
        return self.decided.get(rule_id) or (RuleState.TESTING if imported else RuleState.ACTIVE)

    def mark(self, signals: Sequence[Signal], imported: Collection[str]) -> list[Signal]:
        """The signals that remain, those in testing marked. ``imported``: ids of the rules that begin in testing."""
        if not self.decided and not imported and not self.agencies_in_testing:
            return list(signals)
        return [one for signal in signals for one in self._marked(signal, imported)]

    def _marked(self, signal: Signal, imported: Collection[str]) -> Iterator[Signal]:
        state = self.of(signal.rule_id, imported=signal.rule_id in imported)
        if state is RuleState.OFF:
            if signal.parts:
                yield replace(signal, silent=True)
        elif signal.level != Severity.CRITICAL and (
            state is RuleState.TESTING or signal.agency_id in self.agencies_in_testing
        ):
            yield replace(signal, excepted_by=signal.excepted_by or TESTING)
        else:
            yield signal


def imported_rules(facts: Mapping[str, RuleFacts], rules_home: Path) -> frozenset[str]:
    """Ids of the rules that ``soc rules import`` brought."""
    below = f"{rules_home}/"
    return frozenset(rule_id for rule_id, one in facts.items() if one.path.startswith(below))


class RuleDecisions:
    """The decisions in the records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def decide(
        self,
        scope: Scope,
        rule: RuleFacts,
        state: RuleState,
        *,
        reason: str,
        now: datetime,
        outcomes: Sequence[Outcome],
    ) -> RuleDecisionRow:
        """Record a decision. ``outcomes`` are those of the rule's cases, run now; none: it is untested.

        Raises:
            NotAllowed: the scope is not the whole province: a rule is everybody's.
            Conflict: no reason is given.
            RuleError: the rule shall become active, and a case fails; file and line are named.
        """
        if not scope.whole_province:
            raise NotAllowed("a rule's state concerns the whole province")
        if not reason.strip():
            raise Conflict("a rule's state needs a reason")
        wrong = [one for one in outcomes if not one.right]
        if wrong and state is RuleState.ACTIVE:
            case = wrong[0].case
            said = f"{len(wrong)} of {len(outcomes)} cases fail, first: {case.why}"
            hint = "mend the rule or the case, see `soc rules test`; until then it stays as it is"
            raise RuleError(said, path=case.path, line=case.line, hint=hint)
        row = RuleDecisionRow(
            rule_id=rule.id,
            state=state,
            reason=reason.strip(),
            actor=scope.actor,
            at=now,
            cases=len(outcomes) if not wrong else 0,
        )
        with self._database.write(scope) as session:
            session.add(row)
            detail = {"title": rule.title, "cases": row.cases}
            audit(session, scope, f"rule.{state}", "rule", rule.id, row.reason, detail, now=now)
        return row

    def version(self) -> int:
        """Grows with each decision."""
        with self._database.session(STATES) as session:
            newest = (
                session.scalar(select(func.max(row.number)))
                for row in (RuleDecisionRow, AgencyDecisionRow)
            )
            return sum(number or 0 for number in newest)

    def states(self) -> RuleStates:
        newest = select(func.max(RuleDecisionRow.number)).group_by(RuleDecisionRow.rule_id)
        wanted = select(RuleDecisionRow).where(RuleDecisionRow.number.in_(newest))
        with self._database.session(STATES) as session:
            rows = session.scalars(wanted)
            decided = {row.rule_id: RuleState(row.state) for row in rows}
            return RuleStates(decided, agencies_in_testing(session))


class CurrentRuleStates:
    """Kept fresh beside the rules; ``held`` may be read in one thread while ``refresh`` runs in another."""

    def __init__(self, database: Database) -> None:
        self._decisions = RuleDecisions(database)
        self._version = 0
        self.held = RuleStates()

    def refresh(self) -> bool:
        """Take up what has changed; whether anything had."""
        version = self._decisions.version()
        if version == self._version:
            return False
        self.held, self._version = self._decisions.states(), version
        return True


class StatedCorrelations:
    """The correlations in use, each in its state: one that is off only serves others."""

    def __init__(
        self, current: Callable[[], Correlations], states: CurrentRuleStates, rules_home: Path
    ) -> None:
        self._current, self._states, self._rules_home = current, states, rules_home
        self._read: Correlations | None = None
        self._stated = Correlations()

    def __call__(self) -> Correlations:
        read = self._current()
        if self._states.refresh() or read is not self._read:
            self._read, self._stated = read, self._in_states(read)
        return self._stated

    def _in_states(self, read: Correlations) -> Correlations:
        imported = imported_rules(read.facts, self._rules_home)
        states = {
            rule_id: self._states.held.of(rule_id, imported=rule_id in imported)
            for rule_id in read.rules
        }
        off = {rule_id for rule_id, state in states.items() if state is RuleState.OFF}
        testing = {
            rule_id
            for rule_id, state in states.items()
            if state is RuleState.TESTING and read.facts[rule_id].level != Severity.CRITICAL
        }
        return replace(
            read,
            silent=read.silent | off,
            testing=frozenset(testing),
            testing_agencies=self._states.held.agencies_in_testing,
        )
