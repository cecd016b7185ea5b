"""Whatever the order of arrival, the pieces and the restarts: the same runs, signals and alerts."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from soc.alert.join import Joiner
from soc.detect.correlation import worker
from soc.detect.correlation.batch import Batch
from soc.detect.correlation.feed import Feed
from soc.detect.correlation.rule import Correlation, Correlations
from soc.detect.correlation.worker import Correlator
from soc.detect.facts import RuleFacts
from soc.model.event import EPOCH, Event, Part, Signal, signal_id
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.correlations import (
    CorrelationCursorRow,
    CorrelationEntryRow,
    CorrelationOwedRow,
    CorrelationRunRow,
)
from soc.records.database import Base, Database
from soc.records.rules import BackfillWindowRow
from soc.respond.triage import TriageDesk
from tests.detect.correlation.scenarios import KINDS, SPAN, correlation

PROVINCE = Scope.province("test")
ORDERS = int(
    os.environ.get("SOC_CORRELATION_ORDERS", "6")
)  # of each scenario; all: make long-correlations
LATER = EPOCH + timedelta(days=1)
TABLES: tuple[type[Base], ...] = (
    AlertRow, SignalRow, CorrelationRunRow, CorrelationEntryRow, CorrelationOwedRow, CorrelationCursorRow,
)  # fmt: skip


def facts(rule_id: str) -> RuleFacts:
    return RuleFacts(
        rule_id,
        f"Correlation {rule_id}",
        "",
        "",
        "high",
        "",
        "",
        "",
        (),
        (),
        (),
        {},
        "",
        "",
        "",
        "",
    )


def current(*rules: Correlation, silent: tuple[str, ...] = ()) -> Correlations:
    return Correlations(
        {r.id: r for r in rules}, {r.id: facts(r.id) for r in rules}, frozenset(silent)
    )


def match(number: int, rule_id: str, at: int, fields: dict[str, Any], feed: Feed) -> Signal:
    """One match as the judge makes it; times are µs."""
    event = Event(
        "t", EPOCH + timedelta(microseconds=at), fields, b"", f"{number:032x}", EPOCH, "a1", "s1", 3, "may01"
    )  # fmt: skip
    return Signal(
        signal_id(rule_id, event.id), rule_id, "", "low", event.id, event.observed_at, EPOCH, "a1", "s1", 3,
        event.host, "", parts=feed.parts(rule_id, fields, "a1"), silent=True,
    )  # fmt: skip


def matches(chance: random.Random, feed: Feed, count: int) -> list[Signal]:
    return [
        match(
            number,
            chance.choice("abc"),
            chance.randrange(60),
            {
                "user.name": chance.choice(("An", "an", "binh")),
                "v": chance.choice((0, 1, 2, -3, "x")),
            },
            feed,
        )
        for number in range(count)
    ]


def wanted(held: Correlations, signals: list[Signal]) -> set[tuple[Any, ...]]:
    """The runs by the batch, which the plain definition proves."""
    batch = Batch(held)
    for one in signals:
        at = (one.observed_at - EPOCH) // timedelta(microseconds=1)
        batch.take(one.parts, rule_id=one.rule_id, key=one.id, at=at, tag=one.event_id)
    return {
        (run.rule.id, run.group, run.run.since, run.run.first, run.run.last, len(run.tags))
        for run in batch.runs()
    }


def stored(database: Database) -> set[tuple[Any, ...]]:
    with database.session(PROVINCE) as session:
        rows = session.scalars(
            select(CorrelationRunRow).where(CorrelationRunRow.withdrawn_at.is_(None))
        )
        return {(r.correlation_id, r.group, r.since, r.first, r.last, r.entries) for r in rows}


def told(database: Database) -> list[tuple[Any, ...]]:
    """The alerts that stand, as somebody sees them."""
    with database.session(PROVINCE) as session:
        rows = session.scalars(select(AlertRow).where(AlertRow.withdrawn_at.is_(None)))
        return sorted(
            (r.rule_id, r.entity, r.agency_id, r.title, r.severity, r.priority, r.signals)
            + (r.first_seen_at, r.last_seen_at)
            for r in rows
        )


def arrive(
    database: Database,
    held: Correlations,
    signals: list[Signal],
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In this order, in pieces of any size, by workers that come and go, at times before windows have closed."""
    left = list(signals)
    while left:
        size = chance.randint(1, 6)
        some, left = left[:size], left[size:]
        with database.write(PROVINCE) as session:
            insert_signals(session, [*some, *chance.sample(some, 1)])  # repeats are the same rows
        if chance.random() < 0.6:
            monkeypatch.setattr(worker, "AT_ONCE", chance.randint(1, 5))
            now = chance.choice((EPOCH, EPOCH + timedelta(minutes=15, microseconds=30), LATER))
            Correlator(database, lambda: held).work(now)
            if chance.random() < 0.5:
                Joiner(database).join(now)
    Correlator(database, lambda: held).work(LATER)
    Joiner(database).join(LATER)


def empty(database: Database) -> None:
    with database.write(PROVINCE) as session:
        for table in TABLES:
            session.execute(delete(table))


@pytest.mark.parametrize("kind", KINDS)
def test_every_order_ends_in_the_same_runs_and_alerts(
    kind: str, database: Database, monkeypatch: pytest.MonkeyPatch
):
    chance = random.Random(f"arrival {kind}")
    for _ in range(3):
        rule = correlation(chance, kind)
        held = current(rule)
        signals = matches(chance, Feed(held.rules), chance.randint(6, 14))
        first: list[tuple[Any, ...]] | None = None
        for _ in range(max(2, ORDERS // 3)):
            empty(database)
            chance.shuffle(signals)
            arrive(database, held, signals, chance, monkeypatch)
            assert stored(database) == wanted(held, signals), rule
            first = told(database) if first is None else first
            assert told(database) == first, rule


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_does_not_depend_on_the_order_either(
    kind: str, database: Database, monkeypatch: pytest.MonkeyPatch
):
    chance = random.Random(f"chain {kind}")
    for _ in range(3):
        below = replace(correlation(chance), id="below", span_us=chance.choice((4, SPAN)))
        above = replace(
            correlation(chance, kind), id="above", chained=True, span_us=chance.choice((SPAN, 15))
        )
        if above.expression is None:
            above = replace(above, rules=("below", "c"))
        held = current(below, above, silent=("below",) if chance.random() < 0.5 else ())
        if above.expression is not None:
            above = replace(above, expression=("and", (("rule", "below"), above.expression)))
            above = replace(above, rules=("below", "a", "b", "c"))
            held = current(below, above)
        signals = matches(chance, Feed(held.rules), chance.randint(6, 14))
        for _ in range(max(2, ORDERS // 3)):
            empty(database)
            chance.shuffle(signals)
            arrive(database, held, signals, chance, monkeypatch)
            assert stored(database) == wanted(held, signals), (below, above)


def test_a_fault_in_one_group_is_owed_and_the_others_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    rule = Correlation("up", "event_count", ("a",), SPAN, group_by=("user.name",), threshold=2)
    held = current(rule)
    feed = Feed(held.rules)
    pairs = [("an", 1), ("an", 2), ("binh", 1), ("binh", 2)]
    signals = [match(n, "a", at, {"user.name": name}, feed) for n, (name, at) in enumerate(pairs)]
    with database.write(PROVINCE) as session:
        insert_signals(session, signals)
    bad = worker.Group.changed

    def fails(group: worker.Group, first: int, last: int, *, grown: bool) -> Any:
        if group.key == one_group:
            raise ValueError("a fault")
        return bad(group, first, last, grown=grown)

    with database.session(PROVINCE) as session:
        one_group = session.scalar(
            select(CorrelationEntryRow.group_key).where(CorrelationEntryRow.group.contains("binh"))
        )
    monkeypatch.setattr(worker.Group, "changed", fails)
    now = datetime(2026, 11, 26, tzinfo=UTC)
    Correlator(database, lambda: held).work(now)
    assert {row[1] for row in stored(database)} == {'["a1","an"]'}
    with database.session(PROVINCE) as session:
        (owed,) = session.scalars(select(CorrelationOwedRow))
    assert (owed.state, owed.attempts) == ("failed", 1)
    assert "a fault" in owed.error
    monkeypatch.undo()
    Correlator(database, lambda: held).work(now + timedelta(minutes=2))
    assert stored(database) == wanted(held, signals)
    with database.session(PROVINCE) as session:
        assert session.scalars(select(CorrelationOwedRow)).all() == []


def test_no_rule_changes_what_another_says(database: Database):
    """Added, taken away, with other windows: runs of the others are the same."""
    chance = random.Random("alone")
    rules = [replace(correlation(chance), id=f"c{number}") for number in range(8)]
    alone: dict[str, set[tuple[Any, ...]]] = {}
    for one in rules:
        held = current(one)
        signals = matches(random.Random("events"), Feed(held.rules), 40)
        alone[one.id] = wanted(held, signals)
    for _ in range(20):
        some = chance.sample(rules, chance.randint(1, 8))
        held = current(*some)
        found = wanted(held, matches(random.Random("events"), Feed(held.rules), 40))
        assert found == set().union(*(alone[one.id] for one in some))


def test_what_goes_on_after_it_was_closed_opens_an_alert_that_follows(database: Database):
    rule = Correlation("up", "event_count", ("a",), SPAN, group_by=("user.name",), threshold=2)
    held = current(rule)
    feed = Feed(held.rules)
    work = Correlator(database, lambda: held)

    def come(*times: int) -> None:
        with database.write(PROVINCE) as session:
            insert_signals(session, [match(at, "a", at, {"user.name": "an"}, feed) for at in times])
        work.work(LATER)
        Joiner(database).join(LATER)

    come(1, 2)
    come(3)
    with database.write(PROVINCE) as session:
        (alert,) = session.scalars(select(AlertRow))
        assert (alert.signals, alert.last_seen_at) == (1, EPOCH + timedelta(microseconds=3))
        assert alert.fields["event.count"] == 3
        assert alert.fields["user.name"] == "an"
        number = alert.id
        alert.status = "closed"
    together = TriageDesk(database).get(PROVINCE, number).together
    assert [(one.at - EPOCH).microseconds for one in together] == [3, 2, 1]
    assert TriageDesk(database).get(Scope.of("a1"), number).together == together
    come(4)
    with database.session(PROVINCE) as session:
        first, second = session.scalars(select(AlertRow).order_by(AlertRow.number))
    assert second.follows_id == first.id


def test_a_run_that_does_not_hold_after_all_is_withdrawn_and_stays_in_sight(database: Database):
    rule = Correlation(
        "up",
        "value_avg",
        ("a",),
        SPAN,
        group_by=("user.name",),
        op="gt",
        threshold=5,
        fields=("v",),
    )
    held = current(rule)
    feed = Feed(held.rules)

    def come(number: int, at: int, value: int) -> None:
        with database.write(PROVINCE) as session:
            fields = {"user.name": "an", "v": value}
            insert_signals(session, [match(number, "a", at, fields, feed)])
        Correlator(database, lambda: held).work(LATER)
        Joiner(database).join(LATER)

    come(1, 5, 9)
    come(2, 4, 0)
    with database.session(PROVINCE) as session:
        (run,) = session.scalars(select(CorrelationRunRow))
        (alert,) = session.scalars(select(AlertRow))
    assert run.withdrawn_because == "no longer holds"
    assert alert.withdrawn_at == LATER


def test_entries_are_forgotten_when_no_window_needs_them(database: Database):
    rule = Correlation("up", "event_count", ("a",), 3_600_000_000, group_by=("user.name",))
    held = current(rule)
    part = Part("up", '["a1","an"]')
    now = datetime(2026, 11, 26, tzinfo=UTC)
    old, new = now - timedelta(hours=27), now - timedelta(hours=25)
    signals = [
        replace(match(n, "a", 0, {}, Feed({})), id=f"{n:032x}", observed_at=at, parts=(part,))
        for n, at in enumerate((old, new))
    ]
    with database.write(PROVINCE) as session:
        insert_signals(session, signals)

    def left() -> int:
        Correlator(database, lambda: held).prune(now)
        with database.session(PROVINCE) as session:
            return len(session.scalars(select(CorrelationEntryRow)).all())

    assert left() == 2  # nobody has looked at them
    Correlator(database, lambda: held).work(now)
    window = BackfillWindowRow(
        rule_id="a", start=old, end=new, due_at=now, created_at=now, created_by="an"
    )
    with database.write(PROVINCE) as session:
        session.add(window)
    assert left() == 2  # history is being looked at again
    with database.write(PROVINCE) as session:
        session.scalars(select(BackfillWindowRow)).one().state = "done"
    assert left() == 1
