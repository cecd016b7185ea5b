"""Active, testing, off: who decided it, and what becomes of the matches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from soc.access.audit_log import latest
from soc.alert.join import Joiner
from soc.detect.cases import run_cases
from soc.detect.correlation.worker import Correlator
from soc.detect.current import CurrentCorrelations, current_digest, publish
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack
from soc.detect.rule_states import (
    CurrentRuleStates,
    RuleDecisions,
    RuleState,
    RuleStates,
    StatedCorrelations,
    imported_rules,
)
from soc.errors import Conflict, NotAllowed, RuleError
from soc.model.event import TESTING, Event, Signal
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.settings import Settings
from soc.site.door import DoorProcess
from tests.detect.builders import ID, rule, write, write_rules

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
AN = Scope.province("an")
ADMIN = {"s": {"user.name": "root"}, "condition": "s"}
LOW, CRITICAL, BURST = ID.format(1), ID.format(2), ID.format(3)


def rules_in(folder: Path, *, level: str = "high") -> Path:
    """Two rules of single events, one of them critical, and a correlation over the first."""
    source = {"product": "test", "service": "unit"}
    burst = {
        "type": "event_count", "rules": [LOW], "group-by": ["host.name"], "timespan": "10m",
        "condition": {"gte": 3}, "generate": True,
    }  # fmt: skip
    return write_rules(
        folder,
        [
            rule(1, ADMIN, logsource=source, level="medium"),
            rule(2, ADMIN, logsource=source, level="critical"),
            {"title": "Burst", "id": BURST, "correlation": burst, "level": level},
        ],
    )


def events(count: int = 3, start: int = 0) -> list[Event]:
    fields = {"event.dataset": "test.unit", "user.name": "root", "host.name": "may01"}
    return [
        Event("t", NOW + timedelta(seconds=number), dict(fields), b"", f"{number:032x}", NOW, "a1", "s1", 3, "may01")
        for number in range(start, start + count)
    ]  # fmt: skip


class Site:
    """Rules in a folder, published; events judged in the states, kept, correlated and joined."""

    def __init__(self, home: Path, database: Database, *, imported: bool) -> None:
        self.rules_home = home / "rules"
        self.packs, self.database = home / "packs", database
        folder = self.rules_home / "s" / "local" if imported else home / "shipped"
        self.pack = compile_pack([rules_in(folder)])
        publish(self.pack, self.packs)
        self.matcher = Matcher(self.pack)
        self.imported = imported_rules(self.pack.rules, self.rules_home)
        self.states = CurrentRuleStates(database)
        stated = StatedCorrelations(
            CurrentCorrelations(self.packs), CurrentRuleStates(database), self.rules_home
        )
        self.correlator = Correlator(database, stated)

    def decide(self, rule_id: str, state: RuleState) -> None:
        facts = self.pack.rules.get(rule_id) or self.pack.correlation_facts[rule_id]
        RuleDecisions(self.database).decide(AN, facts, state, reason="x", now=NOW, outcomes=())

    def arrive(self, some: Sequence[Event]) -> None:
        self.states.refresh()
        signals = self.states.held.mark(judge(self.matcher, some), self.imported)
        with self.database.write(AN) as session:
            insert_signals(session, signals)
        self.correlator.work(NOW)
        Joiner(self.database).join(NOW)

    def alerts(self) -> dict[str, int]:
        with self.database.session(AN) as session:
            return {row.rule_id: row.signals for row in session.scalars(select(AlertRow))}

    def kept(self, rule_id: str) -> list[str | None]:
        wanted = select(SignalRow.excepted_by).where(SignalRow.rule_id == rule_id)
        with self.database.session(AN) as session:
            return list(session.scalars(wanted))


@pytest.fixture
def shipped(tmp_path: Path, database: Database) -> Site:
    return Site(tmp_path, database, imported=False)


@pytest.fixture
def imported(tmp_path: Path, database: Database) -> Site:
    return Site(tmp_path, database, imported=True)


def test_shipped_rules_are_active(shipped: Site):
    shipped.arrive(events())
    assert shipped.alerts() == {LOW: 3, CRITICAL: 3, BURST: 1}


def test_imported_rules_are_in_testing_where_only_critical_ones_alert(imported: Site):
    """The matches of the others are kept, so that a forecast can count them."""
    imported.arrive(events())
    assert imported.alerts() == {CRITICAL: 3}
    assert imported.kept(LOW) == [TESTING] * 3
    assert imported.kept(BURST) == [TESTING]


def test_a_rule_that_becomes_active_alerts_from_then_on(imported: Site):
    imported.arrive(events())
    imported.decide(LOW, RuleState.ACTIVE)
    imported.decide(BURST, RuleState.ACTIVE)
    imported.arrive(events(3, start=1_000))
    assert imported.alerts() == {LOW: 3, CRITICAL: 6, BURST: 1}


def test_a_rule_that_is_off_leaves_only_what_correlations_need(shipped: Site):
    shipped.decide(LOW, RuleState.OFF)
    shipped.decide(CRITICAL, RuleState.OFF)
    shipped.arrive(events())
    assert shipped.alerts() == {BURST: 1}
    assert shipped.kept(LOW) == shipped.kept(CRITICAL) == []


def test_a_correlation_that_is_off_says_nothing(shipped: Site):
    shipped.decide(BURST, RuleState.OFF)
    shipped.arrive(events())
    assert shipped.alerts() == {LOW: 3, CRITICAL: 3}
    assert shipped.kept(BURST) == []
    shipped.decide(BURST, RuleState.ACTIVE)
    shipped.arrive(events(3, start=2_000))
    assert shipped.kept(BURST) == [None]


def signal(rule_id: str, level: str) -> Signal:
    return Signal("", rule_id, "", level, "", NOW, NOW, None, None, 0, "", "")


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(list(RuleState))),
    st.frozensets(st.sampled_from("abcd")),
    st.sampled_from("abcd"),
    st.sampled_from(list(RuleState)),
)
def test_a_decision_changes_no_other_rule(
    decided: dict[str, RuleState], imported: frozenset[str], changed: str, state: RuleState
):
    signals = [signal(rule_id, level) for rule_id in "abcd" for level in ("low", "critical")]

    def others(states: dict[str, RuleState]) -> list[Signal]:
        marked = RuleStates(states).mark(signals, imported)
        return [one for one in marked if one.rule_id != changed]

    assert others(decided) == others({**decided, changed: state})


def test_a_decision_says_who_when_and_why_and_stands_in_the_audit_log(
    shipped: Site, database: Database
):
    shipped.decide(LOW, RuleState.OFF)
    (row,) = latest(database, AN, action="rule.off")
    assert (row.actor, row.key, row.text, row.at) == ("an", LOW, "x", NOW)
    facts = shipped.pack.rules[LOW]
    officer = Scope.of("a1", actor="officer")
    for scope, reason, error in ((AN, " ", Conflict), (officer, "x", NotAllowed)):
        with pytest.raises(error):
            RuleDecisions(database).decide(
                scope, facts, RuleState.ACTIVE, reason=reason, now=NOW, outcomes=()
            )
    assert RuleDecisions(database).states().decided == {LOW: RuleState.OFF}


@pytest.mark.parametrize(("expect", "refused"), [("match", False), ("quiet", True)])
def test_a_rule_whose_cases_fail_does_not_become_active(
    shipped: Site, database: Database, expect: str, refused: bool
):
    facts = shipped.pack.rules[LOW]
    case = f'{{"expect": "{expect}", "why": "root", "event": {{"event.dataset": "test.unit", "user.name": "root"}}}}'
    write(Path(facts.path).parent, "rule_0000.cases.jsonl", f"\n{case}\n")
    outcomes = list(run_cases(shipped.matcher, only=facts.path))
    desk = RuleDecisions(database)
    if refused:
        with pytest.raises(RuleError, match=r"cases\.jsonl:1: 1 of 1 cases fail, first: root"):
            desk.decide(AN, facts, RuleState.ACTIVE, reason="x", now=NOW, outcomes=outcomes)
        assert desk.states().decided == {}
        desk.decide(AN, facts, RuleState.TESTING, reason="x", now=NOW, outcomes=outcomes)
    else:
        row = desk.decide(AN, facts, RuleState.ACTIVE, reason="x", now=NOW, outcomes=outcomes)
        assert row.cases == 1


@pytest.fixture
def door(tmp_path: Path, database: Database) -> Iterator[Any]:
    settings = Settings(home=tmp_path, database=database.url)
    publish(compile_pack([rules_in(settings.rule_sets_home / "s" / "local")]), settings.packs_home)
    settings.keys_home.mkdir()
    process = DoorProcess(settings, database, lambda step: None)
    process._refresh_rules()
    yield process
    process.store.close()


def test_a_running_door_takes_a_decision_up_without_another_pack(door: Any, database: Database):
    pack = compile_pack([door.settings.rule_sets_home / "s" / "local"])

    def judged() -> list[tuple[str, str | None]]:
        return [(one.rule_id, one.excepted_by) for one in door.flow.rules.judge(events(1))]

    rules = door.flow.rules
    assert judged() == [(LOW, TESTING), (CRITICAL, None)]
    for rule_id, state in ((LOW, RuleState.ACTIVE), (CRITICAL, RuleState.OFF)):
        RuleDecisions(database).decide(
            AN, pack.rules[rule_id], state, reason="x", now=NOW, outcomes=()
        )
    began = time.monotonic()
    next(chore for chore in door.housekeeping.chores if chore.name == "rule states").work()
    assert judged() == [(LOW, None)]
    assert time.monotonic() - began < 5  # a compile would start a process
    assert door.flow.rules is rules
    assert current_digest(door.settings.packs_home) == pack.digest
