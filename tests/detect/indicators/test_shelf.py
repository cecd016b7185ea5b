"""Indicators in the records, and the signals that they make at the door."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from soc.alert.join import Joiner
from soc.detect.indicators.current import CurrentWatch
from soc.detect.indicators.shelf import RULE_PREFIX, IndicatorShelf, TakenIn
from soc.detect.indicators.values import read_value
from soc.errors import NotAllowed, NotFound
from soc.model.event import Event
from soc.model.indicator import Indicator, Tlp
from soc.model.scope import Scope
from soc.normalise.fields import is_known
from soc.receive.rows import insert_signals
from soc.records.database import Database
from soc.respond.triage import AlertFilter, TriageDesk

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
PROVINCE = Scope.province("tester")


def indicator(text: str, **more: object) -> Indicator:
    made = Indicator(*read_value(text), "NCSC", NOW + timedelta(days=30), NOW)
    return replace(made, **more)  # type: ignore[arg-type]


def event(address: str, number: int = 1) -> Event:
    fields = {"destination.ip": address, "host.name": "may01"}
    return Event("t", NOW, dict(fields), b"", f"{number:032x}", NOW, "a1", "s1", 3, "may01")


@pytest.fixture
def watch(database: Database) -> CurrentWatch:
    return CurrentWatch(database, ours=lambda address: address == "113.160.7.7", warning_lists=None)


def test_a_newer_message_renews_and_the_same_one_changes_nothing(database: Database):
    shelf, one = IndicatorShelf(database), indicator("45.33.32.156")
    assert shelf.take_in(PROVINCE, [one, one], NOW) == TakenIn(new=1, renewed=0, unchanged=0)
    assert shelf.take_in(PROVINCE, [one], NOW) == TakenIn(0, 0, 1)
    longer = replace(one, expires_at=NOW + timedelta(days=60), level="critical")
    assert shelf.take_in(PROVINCE, [longer], NOW) == TakenIn(0, 1, 0)
    other = replace(one, source="A05")
    assert shelf.take_in(PROVINCE, [other], NOW) == TakenIn(1, 0, 0)
    assert {(one.source, one.level) for one in shelf.in_force(NOW)} == {
        ("NCSC", "critical"),
        ("A05", "high"),
    }


def test_many_are_taken_in_pieces(database: Database):
    shelf = IndicatorShelf(database)
    many = [indicator(f"45.33.{n // 250}.{n % 250}") for n in range(1_200)]
    assert shelf.take_in(PROVINCE, many, NOW).new == 1_200
    assert len(shelf.in_force(NOW)) == 1_200


def test_an_officer_takes_in_and_sees_only_for_the_own_agency(database: Database):
    shelf, officer = IndicatorShelf(database), Scope.of("a1", actor="officer")
    for foreign in (None, "a2"):
        with pytest.raises(NotAllowed):
            shelf.take_in(officer, [indicator("45.33.32.156", agency_id=foreign)], NOW)
    shelf.take_in(
        PROVINCE, [indicator("45.33.32.156"), indicator("45.33.32.157", agency_id="a2")], NOW
    )
    shelf.take_in(officer, [indicator("45.33.32.158", agency_id="a1")], NOW)
    assert [one.indicator.value for one in shelf.listed(officer, NOW)] == ["45.33.32.158"]
    foreign_id = indicator("45.33.32.157", agency_id="a2").id
    with pytest.raises(NotFound):
        shelf.withdraw(officer, foreign_id, "x", NOW)
    assert len(shelf.listed(PROVINCE, NOW)) == 3


def test_a_hit_is_a_signal_about_the_host(database: Database, watch: CurrentWatch):
    shelf = IndicatorShelf(database)
    shelf.take_in(
        PROVINCE, [indicator("45.33.32.156", note="máy chủ điều khiển", tlp=Tlp.RED)], NOW
    )
    assert watch.judge([event("45.33.32.156")]) == []  # not taken up yet
    assert watch.refresh(NOW)
    assert not watch.refresh(NOW)
    (signal,) = watch.judge([event("45.33.32.156"), event("45.33.32.157", 2)])
    assert (signal.rule_id, signal.entity, signal.level) == (
        RULE_PREFIX + indicator("45.33.32.156").id,
        "host:may01",
        "high",
    )
    assert signal.rule_title == "IOC 45.33.32.156 (NCSC)"
    assert signal.fields["threat.indicator.marking.tlp"] == "RED"
    assert len(signal.rule_id) <= 40
    assert all(is_known(name) for name in signal.fields)
    assert watch.judge([event("45.33.32.156")])[0].id == signal.id  # a repeat is the same


def test_the_alert_of_a_hit_says_what_is_known_of_the_indicator(
    database: Database, watch: CurrentWatch
):
    one = indicator("45.33.32.156", note="máy chủ điều khiển")
    IndicatorShelf(database).take_in(PROVINCE, [one], NOW)
    watch.refresh(NOW)
    with database.write(PROVINCE) as session:
        insert_signals(session, watch.judge([event("45.33.32.156")]))
    Joiner(database).join(NOW)
    (alert,) = TriageDesk(database).page(PROVINCE, AlertFilter()).alerts
    detail = TriageDesk(database).get(PROVINCE, alert.row.id)
    assert detail.rule["description"] == "máy chủ điều khiển [NCSC, TLP:AMBER, 2026-11-26]"


def test_what_is_held_back_is_counted_with_its_reason(database: Database, watch: CurrentWatch):
    shelf = IndicatorShelf(database)
    shelf.take_in(PROVINCE, [indicator("8.8.8.8"), indicator("113.160.0.0/16")], NOW)
    watch.refresh(NOW)
    assert watch.judge([event("8.8.8.8"), event("8.8.8.8", 2), event("113.160.7.7", 3)]) == []
    watch.refresh(NOW)
    watch.refresh(NOW)  # nothing is counted twice
    told = {
        one.indicator.value: (one.held_back, one.held_because)
        for one in shelf.listed(PROVINCE, NOW)
    }
    assert told == {
        "8.8.8.8": (2, "public DNS resolvers"),
        "113.160.0.0/16": (1, "an address of our own"),
    }


def test_a_withdrawn_one_stops_and_may_come_again(database: Database, watch: CurrentWatch):
    shelf, one = IndicatorShelf(database), indicator("45.33.32.156")
    shelf.take_in(PROVINCE, [one], NOW)
    watch.refresh(NOW)
    shelf.withdraw(PROVINCE, one.id, "đã dọn sạch", NOW + timedelta(minutes=1))
    assert watch.refresh(NOW)
    assert watch.judge([event("45.33.32.156")]) == []
    assert shelf.listed(PROVINCE, NOW) == []
    (told,) = shelf.listed(PROVINCE, NOW, everything=True)
    assert told.withdrawn_because == "đã dọn sạch"
    with pytest.raises(NotFound):
        shelf.withdraw(PROVINCE, one.id, "x", NOW)
    assert shelf.take_in(PROVINCE, [one], NOW + timedelta(minutes=2)) == TakenIn(0, 1, 0)
    watch.refresh(NOW)
    assert len(watch.judge([event("45.33.32.156")])) == 1
