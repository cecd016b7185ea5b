"""A forecast equals what the platform itself does with the same history, day by day."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from soc.alert.join import Joiner
from soc.cli.events import records_of
from soc.collect import discovery
from soc.detect.correlation.worker import Correlator
from soc.detect.exception_shelf import CurrentExceptions, ExceptionShelf
from soc.detect.exceptions import Exceptions, read_where
from soc.detect.forecast import VIETNAM, Forecaster
from soc.detect.judge import judge
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack, correlations_of
from soc.errors import RecordError
from soc.model.alert import AlertStatus
from soc.model.event import Event, RawRecord
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.database import Database
from soc.simulate import Plan, days, scenario_names

PROVINCE = Scope.province("test")
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 14
RULES = Path(__file__).parents[2] / "rules"


def recordings(corpus: Path) -> Iterator[Event]:
    for path in sorted(corpus.rglob("*.evtx")):
        for record in records_of(path, "auto", FIRST):
            try:
                yield from discovery.read(record)
            except RecordError:
                continue


def history(corpus: Path, pack: Pack) -> Iterator[Event]:
    """Public recordings spread over 14 days and five agencies; some things happen many times within minutes."""
    chance = random.Random(4)
    recorded = [replace(one, id=f"{n:032x}") for n, one in enumerate(recordings(corpus))]
    feeding = {one.event_id for one in judge(Matcher(pack), recorded) if one.parts}
    correlated = [one for one in recorded if one.id in feeding]
    happened: list[tuple[datetime, int, Event]] = []
    for _ in range(2_500):
        at = FIRST + timedelta(days=chance.randrange(DAYS), seconds=chance.randrange(3_600, 60_000))
        happened.append((at, chance.randrange(30), chance.choice(recorded)))
    for _ in range(60):
        at = FIRST + timedelta(days=chance.randrange(DAYS), hours=chance.randrange(2, 15))
        where, some = chance.randrange(30), chance.sample(correlated, 5)
        happened += [(at + timedelta(seconds=3 * n), where, chance.choice(some)) for n in range(40)]
    for number, (at, where, event) in enumerate(sorted(happened, key=lambda one: one[:2])):
        host = f"may-{where}"
        fields = {**event.fields, "host.name": host, "@timestamp": at.isoformat()}
        yield replace(
            event,
            id=f"{number:032x}",
            observed_at=at,
            received_at=at,
            host=host,
            fields=fields,
            agency_id=f"agency-{where % 5}",
        )


def replay(
    database: Database, pack: Pack, events: list[Event], hidden: CurrentExceptions
) -> Counter[tuple[str, str, date]]:
    """Through the doors' judge, the correlator and the joiner; each evening every alert is closed."""
    matcher = Matcher(pack)
    correlator = Correlator(database, lambda: correlations_of(pack), hidden)
    joiner = Joiner(database)
    alerts: Counter[tuple[str, str, date]] = Counter()
    for day in range(DAYS + 1):
        start = FIRST - timedelta(hours=7) + timedelta(days=day)  # midnight in Vietnam
        evening = start + timedelta(days=1)
        some = [one for one in events if start <= one.observed_at < evening]
        hidden.refresh(evening)
        signals = hidden.held.mark(judge(matcher, some), some)
        with database.write(PROVINCE) as session:
            insert_signals(session, signals)
        correlator.work(evening)
        joiner.join(evening)
        with database.write(PROVINCE) as session:
            opened = session.scalars(select(AlertRow).where(AlertRow.status != AlertStatus.CLOSED))
            for row in opened:
                alerts[row.rule_id, row.agency_id or "", start.astimezone(VIETNAM).date()] += 1
            session.execute(update(AlertRow).values(status=AlertStatus.CLOSED))
    return alerts


def generated(_: Path, pack: Pack) -> Iterator[Event]:
    """Fourteen made-up office days of 26 machines and servers, with each planted attack every day, by the readers."""
    plan = Plan(
        seed=14, start=FIRST.date(), days=DAYS, workstations=20, servers=6, rate=0.25,
        attacks=tuple(scenario_names()),
    )  # fmt: skip
    for number, record in enumerate(days(plan)):
        raw = RawRecord(record.raw, record.source, received_at=record.at, host=record.host)
        for event in discovery.read(raw):
            agency = f"agency-{zlib.crc32(record.host.encode()) % 5}"
            yield replace(
                event, id=f"{number:032x}", received_at=event.observed_at, host=record.host, agency_id=agency
            )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("of", [history, generated])
def test_a_forecast_equals_the_replay_of_14_days(
    corpus: Path, database: Database, of: Callable[[Path, Pack], Iterator[Event]]
) -> None:
    pack = compile_pack([RULES])
    events = list(of(corpus, pack))
    loud = [one for one in judge(Matcher(pack), events) if not one.silent]
    busy = Counter(one.rule_id for one in loud).most_common(1)[0][0]
    by_id = {one.id: one for one in events}
    host = next(by_id[one.event_id].fields["host.name"] for one in loud if one.rule_id == busy)
    ExceptionShelf(database).add(
        PROVINCE, busy, [read_where(f"host.name={host}")], reason="thử", now=FIRST,
        expires_at=FIRST + timedelta(days=60),
    )  # fmt: skip
    hidden = CurrentExceptions(database)
    hidden.refresh(FIRST)
    forecaster = Forecaster(Matcher(pack), hidden.held)
    forecaster.take(events)
    found = forecaster.result()
    seen = replay(database, pack, events, hidden)

    expected: Counter[tuple[str, date]] = Counter()
    agencies: Counter[tuple[str, str]] = Counter()
    for (rule_id, agency, day), count in seen.items():
        expected[rule_id, day] += count
        agencies[rule_id, agency] += count
    single = {rule_id for rule_id, _ in expected if rule_id in pack.rules}
    for rule_id in single:
        one = found.rules[rule_id]
        assert one.alerts == {day: n for (rule, day), n in expected.items() if rule == rule_id}
        assert one.agencies == {a: n for (rule, a), n in agencies.items() if rule == rule_id}
    assert {key for key, one in found.rules.items() if one.alerts and key in pack.rules} == single
    assert found.rules[busy].hidden > 0

    replayed = sum(n for (rule_id, _), n in expected.items() if rule_id in pack.correlations)
    forecast = sum(one.alerts.total() for key, one in found.rules.items() if key in pack.correlations)  # fmt: skip
    print(f"{len(events)} events, {sum(expected.values())} alerts of {len(single)} rules; ", end="")
    print(f"correlations: {forecast} forecast, {replayed} replayed")
    assert replayed > 20
    assert abs(forecast - replayed) <= 0.05 * replayed


def test_nothing_comes_of_nothing(tmp_path: Path) -> None:
    found = Forecaster(Matcher(compile_pack([RULES / "web"])), Exceptions()).result()
    assert (found.events, found.rules) == (0, {})


def test_a_match_may_be_any_shape(tmp_path: Path) -> None:
    """History holds whatever readers once made of records."""
    odd: dict[str, Any] = {"url.path": ["x" * 9_000, None, 5, "\ud800"], "host.name": None}
    event = Event("t", FIRST, odd, b"", "0" * 32, FIRST)
    forecaster = Forecaster(Matcher(compile_pack([RULES / "web"])))
    forecaster.take([event])
    assert forecaster.result().events == 1
