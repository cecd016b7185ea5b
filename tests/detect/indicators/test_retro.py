"""New indicators against stored events: what the door would have said then, whatever happens between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.detect.indicators.retro import RetroMatcher, progress
from soc.detect.indicators.shelf import IndicatorShelf
from soc.detect.indicators.values import read_value
from soc.detect.indicators.warning_lists import WarningLists
from soc.errors import StoreError
from soc.model.event import Event, Fields, Signal, event_id
from soc.model.indicator import Indicator
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.store.embedded import EmbeddedStore
from tests.store.events import MONTHS

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
PROVINCE = Scope.province("tester")
BAD_HASH = "ab" * 32
EVENTS: list[tuple[float, Fields]] = [  # days ago, fields
    (0.01, {"destination.ip": "45.33.32.156"}),
    (3, {"source.ip": "2a01:7e00::1:2"}),
    (10, {"dns.question.name": "a.b.XAU.example"}),
    (20, {"url.full": "https://Xau.example:443/tai?x=1#y"}),
    (30, {"file.hash.sha256": BAD_HASH.upper()}),
    (40, {"destination.ip": "45.33.40.9"}),
    (89, {"email.from.address": ["ke@xau.example"]}),
    (5, {"destination.ip": "8.8.8.8"}),
    (5, {"message": "45.33.32.156 xau.example " + BAD_HASH}),
    (5, {"destination.ip": "45.33.32.15", "dns.question.name": "khongxau.example"}),
    (200, {"destination.ip": "45.33.32.156"}),
]
WATCHED = (
    "45.33.32.156", "2a01:7e00::/29", "xau.example", "http://xau.example/tai?x=1", BAD_HASH, "45.33.40.0/24",
    "ke@xau.example", "8.8.8.8",
)  # fmt: skip


def indicator(text: str, **more: object) -> Indicator:
    made = Indicator(*read_value(text), "NCSC", NOW + timedelta(days=30), NOW)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(tmp_path / "events", months=MONTHS, writable=True)
    events = []
    for number, (days, fields) in enumerate(EVENTS):
        at = NOW - timedelta(days=days)
        key = event_id("t", "", "s", number, 0)
        events.append(Event("t", at, dict(fields), b"", key, at, "a1", "s1", 3, f"may{number}"))
    made.append(PROVINCE, events)
    yield made
    made.close()


def matcher(database: Database, store: EmbeddedStore) -> RetroMatcher:
    def keep(signals: Sequence[Signal]) -> None:
        with database.write(PROVINCE) as session:
            insert_signals(session, signals)

    return RetroMatcher(database, store, keep, ours=lambda _: False, lists=WarningLists())


def work_off(one: RetroMatcher, now: datetime = LATER) -> None:
    while one.work(now):
        pass


def found(database: Database) -> set[tuple[str, str]]:
    with database.session(PROVINCE) as session:
        rows = session.scalars(select(SignalRow))
        return {(row.host, str(row.fields["threat.indicator.name"])) for row in rows}


def test_the_past_is_judged_like_today_and_nothing_twice(database: Database, store: EmbeddedStore):
    IndicatorShelf(database).take_in(PROVINCE, [indicator(text) for text in WATCHED], NOW)
    assert progress(database) == {"done": 0, "owed": 91, "failed": 0}
    one = matcher(database, store)
    work_off(one)
    assert progress(database) == {"done": 91, "owed": 0, "failed": 0}
    expected = {
        ("may0", "45.33.32.156"),
        ("may1", "2a01:7e00::/29"),
        ("may2", "xau.example"),
        ("may3", "xau.example"),
        ("may3", "xau.example/tai?x=1"),
        ("may4", BAD_HASH),
        ("may5", "45.33.40.0/24"),
        ("may6", "ke@xau.example"),
    }
    assert found(database) == expected
    IndicatorShelf(database).take_in(PROVINCE, [indicator("45.33.32.156", level="low")], NOW)
    work_off(matcher(database, store))
    assert found(database) == expected
    with database.session(PROVINCE) as session:
        assert len(list(session.scalars(select(SignalRow)))) == len(expected)


def test_one_that_was_withdrawn_or_is_for_another_agency_finds_nothing(
    database: Database, store: EmbeddedStore
):
    shelf, gone = IndicatorShelf(database), indicator("45.33.32.156")
    shelf.take_in(PROVINCE, [gone, indicator("xau.example", agency_id="a2")], NOW)
    shelf.withdraw(PROVINCE, gone.id, "sai", NOW)
    work_off(matcher(database, store))
    assert found(database) == set()


def test_today_is_looked_at_when_every_door_watches(database: Database, store: EmbeddedStore):
    IndicatorShelf(database).take_in(PROVINCE, [indicator("45.33.32.156")], NOW)
    one = matcher(database, store)
    work_off(one, NOW)
    assert found(database) == set()
    assert progress(database)["owed"] == 1
    work_off(one)
    assert found(database) == {("may0", "45.33.32.156")}


def test_a_window_that_cannot_be_read_is_tried_again(
    database: Database, store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
):
    IndicatorShelf(database).take_in(PROVINCE, [indicator("xau.example")], NOW)
    one = matcher(database, store)
    scan = store.scan

    def fails(*arguments: object, start: datetime, **more: object) -> object:
        if start.date() == (NOW - timedelta(days=10)).date():
            raise StoreError("a partition cannot be read")
        return scan(*arguments, start=start, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "scan", fails)
    work_off(one)
    assert progress(database) == {"done": 90, "owed": 0, "failed": 1}
    assert ("may2", "xau.example") not in found(database)
    monkeypatch.undo()
    work_off(one, LATER + timedelta(minutes=6))
    assert progress(database)["failed"] == 0
    assert ("may2", "xau.example") in found(database)


@pytest.mark.slow
def test_many_indicators_are_asked_in_pieces(database: Database, store: EmbeddedStore):
    many = [indicator(f"45.34.{n // 250}.{n % 250}") for n in range(700)]
    IndicatorShelf(database).take_in(PROVINCE, [*many, indicator("45.33.32.156")], NOW)
    work_off(matcher(database, store))
    assert found(database) == {("may0", "45.33.32.156")}
