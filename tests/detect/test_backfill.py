"""A backfill finds what the door would have found: every candidate is read, and whatever happens between, once."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from soc.alert.join import Joiner
from soc.cli.events import records_of
from soc.collect import discovery
from soc.detect.backfill import END_OF_TIME, Backfill, is_open, judged, only, owe_windows
from soc.detect.candidates import candidates
from soc.detect.correlation.worker import Correlator
from soc.detect.current import publish
from soc.detect.evaluated import UNJUDGED_EVENTS, progress, unjudged
from soc.detect.exceptions import Exceptions, read_where
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack, correlations_of
from soc.errors import NotAllowed, NotFound, RecordError, StoreError
from soc.model.event import EPOCH, Event, Signal
from soc.model.exception import RuleException
from soc.model.scope import Scope
from soc.normalise.fields import conform
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.rules import BackfillWindowRow
from soc.store.embedded import EmbeddedStore
from tests.detect.builders import ID, rule, write_rules
from tests.detect.test_differential import Maker
from tests.store.events import MONTHS

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
DAY = timedelta(days=1)
PROVINCE = Scope.province("an")
ROUNDS = int(os.environ.get("SOC_BACKFILL_ROUNDS", "4"))
RULES_OF_CORPUS = int(os.environ.get("SOC_BACKFILL_RULES", "100"))
IN_ECS = {
    "a": "process.command_line",
    "b": "user.name",
    "c": "winlog.event_data.C",
    "EventID": "event.code",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "events", months=MONTHS, writable=True)
    yield made
    made.close()


def numbered(number: int, fields: dict[str, Any], at: datetime = NOW) -> Event:
    return Event("t", at, fields, b"", f"{number:032x}", at, "a1", None, 0, "may01")


def in_ecs(detection: Any) -> Any:
    """A detection of the fuzz with field names of ECS."""
    if isinstance(detection, list):
        return [in_ecs(one) for one in detection]
    if not isinstance(detection, dict):
        return detection
    made = {}
    for key, value in detection.items():
        name, *rest = key.split("|")
        value = IN_ECS.get(value, value) if "fieldref" in rest else value
        made["|".join([IN_ECS.get(name, name), *rest])] = in_ecs(value)
    return made


def as_read(fields: dict[str, Any]) -> dict[str, Any]:
    """Values as a reader leaves them: of the field's type, and nothing empty."""
    made: dict[str, Any] = {}
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        kept = [
            one for each in values if each is not None and (one := conform(name, each)) is not None
        ]
        if kept:
            made[name] = kept if isinstance(value, list) else kept[0]
    return made


@pytest.mark.parametrize(
    "round_", [pytest.param(n, marks=[pytest.mark.slow] if n else []) for n in range(ROUNDS)]
)
def test_every_match_of_a_random_rule_is_among_its_candidates(
    tmp_path: Path, store: EmbeddedStore, round_: int
):
    """Rules and events of the fuzz: wildcards, lists, escapes, lone surrogates, numbers in any spelling."""
    maker = Maker(7_000 + round_)
    detections = [
        {name: value if name == "condition" else in_ecs(value) for name, value in one.items()}
        for one in (maker.detection() for _ in range(120))
    ]
    folder = write_rules(tmp_path / "rules", [rule(n, one) for n, one in enumerate(detections)])
    pack = compile_pack([folder])
    source = {"event.dataset": "test.unit"}
    events = [
        numbered(n, as_read({IN_ECS[k]: v for k, v in maker.event().items()}) | source)
        for n in range(250)
    ]
    store.append(PROVINCE, events)
    kept = list(store.scan(PROVINCE, "", start=NOW, end=END_OF_TIME))
    assert len(kept) == len(events)
    narrowed = 0
    for rule_id in pack.rules:
        alone = only(pack, rule_id)
        expected = {one.event_id for one in judge(alone, kept)}
        found = {one.event_id for _, some in judged(alone, store, NOW, END_OF_TIME) for one in some}
        query = candidates(pack.conditions[rule_id], pack.fields)
        assert found == expected, (query, pack.rules[rule_id].source)
        narrowed += bool(re.search(r"process|user|winlog", query))
    assert narrowed > len(pack.rules) // 4


@pytest.mark.slow
def test_the_rules_of_sigmahq_find_in_the_store_what_they_find_at_arrival(
    corpus: Path, corpus_packs: Path, store: EmbeddedStore
):
    """Public recordings; a seeded choice of the rules that match something, and of others."""
    pack = compile_pack([corpus / "sigma" / "rules" / "windows"], cache=corpus_packs)
    events = []
    for folder in ("evtx-attack-samples", "evtx-to-mitre"):
        for path in sorted((corpus / folder).rglob("*.evtx")):
            for record in records_of(path, "auto", NOW):
                try:
                    for one in discovery.read(record):
                        events.append(replace(one, id=f"{len(events):032x}", received_at=NOW))
                except RecordError:
                    continue
    store.append(PROVINCE, events)
    expected: dict[str, set[str]] = {}
    for one in judge(Matcher(pack), events):
        expected.setdefault(one.rule_id, set()).add(one.event_id)
    chance = random.Random(4)
    others = sorted(pack.rules.keys() - expected.keys())
    chosen = [*expected, *chance.sample(others, len(others))][:RULES_OF_CORPUS]
    looked_at = 0
    for rule_id in chosen:
        found: set[str] = set()
        for some, signals in judged(only(pack, rule_id), store, EPOCH, END_OF_TIME):
            looked_at += len(some)
            found |= {one.event_id for one in signals}
        assert found == expected.get(rule_id, set()), pack.rules[rule_id].title
    share = looked_at / len(chosen) / len(events)
    print(f"{len(chosen)} rules, {len(events)} events, {share:.1%} of them read for a rule")
    assert share < 0.2


class Site:
    """Rules, a store with ten days of log-ins, and a database."""

    def __init__(self, folder: Path, database: Database, store: EmbeddedStore) -> None:
        self.database, self.store, self.packs = database, store, folder / "packs"
        many = {
            "title": "Many", "id": ID.format(9), "status": "test", "level": "high",
            "correlation": {
                "type": "event_count", "rules": [ID.format(1)], "group-by": ["user.name"],
                "timespan": "6h", "condition": {"gte": 3},
            },
        }  # fmt: skip
        refused = {"s": {"event.outcome": "failure"}, "condition": "s"}
        named = {"s": {"user.name": "an"}, "condition": "s"}
        self.pack = compile_pack(
            [write_rules(folder / "rules", [rule(1, refused), rule(2, named), many])]
        )
        publish(self.pack, self.packs)
        self.events = [
            numbered(
                n,
                {
                    "event.dataset": "test.unit",
                    "event.outcome": "failure" if n % 3 else "success",
                    "user.name": ("an", "binh")[n % 2],
                    "host.name": "may01",
                },
                NOW - timedelta(minutes=37 * n),
            )
            for n in range(380)
        ]
        store.append(PROVINCE, self.events)
        self.keeps = 0

    def keep(self, signals: Sequence[Signal]) -> None:
        self.keeps += 1
        with self.database.write(PROVINCE) as session:
            insert_signals(session, signals)

    def backfill(self, **more: Any) -> Backfill:
        parts: dict[str, Any] = {
            "mark": lambda signals, _: list(signals), "exceptions": lambda _: Exceptions(), "keep": self.keep,
        }  # fmt: skip
        return Backfill(self.database, self.store, self.packs, **(parts | more))

    def owe(self, number: int, days: int = 12) -> int:
        return owe_windows(self.database, PROVINCE, self.pack, ID.format(number), days, NOW)

    def signals(self) -> set[str]:
        with self.database.session(PROVINCE) as session:
            return {row.id for row in session.scalars(select(SignalRow))}

    def expected(self, number: int) -> set[str]:
        return {one.id for one in judge(only(self.pack, ID.format(number)), self.events)}


@pytest.fixture
def site(tmp_path: Path, database: Database, store: EmbeddedStore) -> Site:
    return Site(tmp_path, database, store)


def work_off(backfill: Backfill, now: datetime = NOW) -> None:
    while backfill.work(now):
        pass


def test_all_days_are_judged_once_and_the_ledger_says_so(site: Site):
    assert site.owe(1) == 12
    assert site.owe(1) == 0  # they are owed already
    assert is_open(site.database)
    before = progress(site.database, []).history[ID.format(1)]
    assert (before.up_to, before.owed) == (None, 12)
    work_off(site.backfill())
    assert site.signals() == site.expected(1)
    after = progress(site.database, []).history[ID.format(1)]
    assert (after.up_to, after.owed, after.failed) == (NOW, 0, 0)
    assert not is_open(site.database)
    assert site.owe(1) == 12  # and may be judged again
    work_off(site.backfill())
    assert site.signals() == site.expected(1)


@pytest.mark.parametrize("stop_at", [1, 2, 5, 9])
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(site: Site, stop_at: int):
    """The process ends after it has stored some matches and before the window is settled."""

    def keep(signals: Sequence[Signal]) -> None:
        site.keep(signals)
        if site.keeps == stop_at:
            raise KeyboardInterrupt

    site.owe(1)
    with pytest.raises(KeyboardInterrupt):
        work_off(site.backfill(keep=keep))
    assert progress(site.database, []).history[ID.format(1)].owed > 0
    work_off(site.backfill())
    assert site.signals() == site.expected(1)


def test_a_store_that_cannot_be_read_is_asked_again(site: Site):
    site.owe(2)

    class Broken(EmbeddedStore):
        def __init__(self) -> None:
            pass

        def scan(self, *_: Any, **__: Any) -> Iterator[Event]:
            raise StoreError("the partition is busy")

    broken = Backfill(
        site.database, Broken(), site.packs,
        mark=lambda signals, _: list(signals), exceptions=lambda _: Exceptions(), keep=site.keep,
    )  # fmt: skip
    broken.work(NOW)
    found = progress(site.database, []).history[ID.format(2)]
    assert (found.failed, found.error) == (12, "the partition is busy")
    assert site.backfill().work(NOW) == 0  # not before five minutes have passed
    work_off(site.backfill(), NOW + timedelta(minutes=6))
    assert site.signals() == site.expected(2)


def test_a_rule_that_is_gone_stays_owed_with_its_reason(site: Site):
    site.owe(2, days=1)
    publish(Pack(digest="0" * 32, mapping="ecs"), site.packs)
    site.backfill().work(NOW)
    found = progress(site.database, []).history[ID.format(2)]
    assert found.failed == 1
    assert ID.format(2) in found.error


def test_a_correlation_is_found_in_history(site: Site, tmp_path: Path):
    """Its rules are judged over all days, and its windows run over midnight as they do at arrival."""
    site.owe(9)
    work_off(site.backfill())
    Correlator(site.database, lambda: correlations_of(site.pack)).work(NOW)
    Joiner(site.database).join(NOW)
    with site.database.session(PROVINCE) as session:
        back = {
            (row.rule_id, row.entity, row.first_seen_at, row.last_seen_at)
            for row in session.scalars(select(AlertRow))
        }
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    fresh.create_all()
    with fresh.write(PROVINCE) as session:
        insert_signals(session, judge(Matcher(site.pack), site.events))
    Correlator(fresh, lambda: correlations_of(site.pack)).work(NOW)
    Joiner(fresh).join(NOW)
    with fresh.session(PROVINCE) as session:
        arrived = {
            (row.rule_id, row.entity, row.first_seen_at, row.last_seen_at)
            for row in session.scalars(select(AlertRow))
        }
    fresh.close()
    assert back == {one for one in arrived if one[0] != ID.format(2)}
    assert any(one[0] == ID.format(9) for one in back)


def test_the_exceptions_of_today_and_the_state_of_the_rule_count(site: Site):
    where = (read_where("user.name=an"),)
    today = RuleException("NL-0001", ID.format(1), where, NOW, NOW + timedelta(days=1))
    site.owe(1)
    work_off(
        site.backfill(
            exceptions=lambda _: Exceptions([today]),
            mark=lambda signals, _: [one for one in signals if one.observed_at > NOW - DAY],
        )
    )
    with site.database.session(PROVINCE) as session:
        rows = list(session.scalars(select(SignalRow)))
    hidden = {row.event_id for row in rows if row.excepted_by == "NL-0001"}
    an = {one.id for one in site.events if one.fields["user.name"] == "an"}
    assert hidden == {row.event_id for row in rows} & an
    assert hidden
    assert {row.id for row in rows} == {
        one.id for one in judge(only(site.pack, ID.format(1)), site.events) if one.observed_at > NOW - DAY
    }  # fmt: skip


def test_who_may_and_for_what(site: Site):
    with pytest.raises(NotFound):
        site.owe(5)
    with pytest.raises(NotAllowed):
        owe_windows(site.database, Scope.of("a1"), site.pack, ID.format(1), 3, NOW)


def test_events_that_a_rule_could_not_judge_are_owed_until_it_has_seen_them(site: Site):
    fields = {"event.dataset": "test.unit", "soc.unjudged_rules": [ID.format(1)]}
    slow = numbered(900, {**fields, "event.outcome": "failure"}, NOW - timedelta(days=2))
    broken = numbered(901, {"event.dataset": "test.unit", "soc.flags": ["unjudged"]})
    site.store.append(PROVINCE, [slow, broken])

    def owed() -> dict[str, int]:
        flagged = site.store.scan(PROVINCE, UNJUDGED_EVENTS)
        return {key: one.events for key, one in unjudged(site.database, flagged).items()}

    assert owed() == {"": 1, ID.format(1): 1}
    site.owe(1)
    work_off(site.backfill())
    assert owed() == {"": 1}
    with site.database.session(PROVINCE) as session:
        rows = list(session.scalars(select(BackfillWindowRow)))
    assert sum(row.matches for row in rows) == len(site.expected(1)) + 1
