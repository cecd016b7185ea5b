"""Repeats held back: one alert and a count, nothing lost, the same however the signals come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from soc.alert import join
from soc.alert.join import Joiner
from soc.alert.suppression import Listed, SuppressionShelf
from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.audit import broken_link
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.jobs import RuleStateRow
from tests.respond.builders import PROVINCE, T, after, keep, signal

BEFORE = T - timedelta(minutes=1)


def suppress(database: Database, **how) -> str:
    wanted = {
        "by": ["entity"],
        "period": timedelta(hours=1),
        "reason": "quét hằng tuần",
        "expires_at": T + timedelta(days=30),
        "now": BEFORE,
    }
    return SuppressionShelf(database).add(PROVINCE, "rule-1", **wanted | how).id


def told(database: Database) -> list[tuple[str, int]]:
    with database.session(PROVINCE) as session:
        rows = session.scalars(select(AlertRow).order_by(AlertRow.number))
        return [(row.entity, row.signals) for row in rows]


def listed(database: Database) -> Listed:
    (one,) = SuppressionShelf(database).listed(PROVINCE, after(hours=2))
    return one


def stream() -> list[SignalRow]:
    """Ninety minutes of two hosts, one match a minute each."""
    return [
        signal(f"{host}{minute}", entity=f"host:{host}", at=after(minutes=minute))
        for minute in range(90)
        for host in ("A", "B")
    ]


def test_repeats_are_held_back_and_counted(database):
    """One an hour and host is told; the rest is kept, named and counted by agency."""
    suppress(database)
    keep(database, *stream())
    Joiner(database).join(after(hours=2))
    assert told(database) == [("host:A", 2), ("host:B", 2)]
    assert listed(database).counts == (("sxd", 4, 176),)
    with database.session(PROVINCE) as session:
        held = select(SignalRow).where(SignalRow.suppressed_by == "HN-0001")
        assert len(list(session.scalars(held))) == 176


@pytest.mark.parametrize("at_once", [1, 7, 300])
def test_the_result_is_the_same_however_it_is_cut(database, monkeypatch, at_once):
    """Pieces of any size, and a new worker after each."""
    monkeypatch.setattr(join, "AT_ONCE", at_once)
    monkeypatch.setattr(join.time, "sleep", lambda seconds: None)
    suppress(database)
    for one in (rows := stream())[::20]:
        place = rows.index(one)
        keep(database, *rows[place : place + 20])
        Joiner(database).join(after(hours=2))
    assert told(database) == [("host:A", 2), ("host:B", 2)]
    assert (listed(database).held, listed(database).counts) == (176, (("sxd", 4, 176),))


def test_held_back_matches_count_in_the_rules_health(database):
    """A rule that is suppressed has not stopped to match."""
    suppress(database)
    rule = RuleStateRow(rule_id="rule-1", title="x", level="high", path="x", state="active", matches=0)  # fmt: skip
    keep(database, rule, *stream())
    Joiner(database).join(after(hours=2))
    with database.session(PROVINCE) as session:
        assert session.scalar(select(RuleStateRow.matches)) == 180


def test_another_rule_agency_or_group_is_told(database):
    """Only what was asked for is held back."""
    suppress(database, agency_id="sxd", by=["process.command_line"])
    keep(
        database,
        signal("1"),
        signal("2"),
        signal("3", command="other"),
        signal("4", agency="stc"),
        signal("5", agency="stc"),
        signal("6", rule="rule-2"),
        signal("7", rule="rule-2"),
    )
    Joiner(database).join(T)
    with database.session(PROVINCE) as session:
        held = session.scalars(
            select(SignalRow.event_id).where(SignalRow.suppressed_by.is_not(None))
        )
        assert list(held) == ["2"]


def test_a_signal_without_the_groups_field_is_told(database):
    """Nothing is held back for what is not known."""
    suppress(database, by=["user.name"])
    keep(database, signal("1"), signal("2"))
    Joiner(database).join(T)
    assert told(database) == [("host:SXD-FS01", 2)]


def test_the_period_begins_anew_and_ends_with_the_suppression(database):
    """After its end everything is told again, and what it held stays to be seen."""
    key = suppress(database)
    keep(
        database, signal("1"), signal("2", at=after(minutes=59)), signal("3", at=after(minutes=60))
    )
    Joiner(database).join(T)
    assert listed(database).counts == (("sxd", 2, 1),)
    SuppressionShelf(database).end(PROVINCE, key, after(minutes=61))
    keep(database, signal("4", at=after(minutes=62)))
    Joiner(database).join(T)
    one = listed(database)
    assert (one.state, one.counts) == ("ended", (("sxd", 2, 1),))
    assert told(database) == [("host:SXD-FS01", 3)]
    with pytest.raises(NotFound):
        SuppressionShelf(database).end(PROVINCE, key, after(minutes=63))


def test_what_was_told_and_withdrawn_holds_nothing_back(database):
    """Else a correlation that does not hold after all would hide the next that does."""
    suppress(database)
    keep(database, signal("1"))
    Joiner(database).join(T)
    with database.write(PROVINCE) as session:
        for row in session.scalars(select(SignalRow)):
            row.withdrawn_at = T
    keep(database, signal("2", at=after(minutes=1)), signal("3", at=after(minutes=2)))
    Joiner(database).join(T)
    assert listed(database).counts == (("sxd", 2, 1),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": " "},
        {"period": timedelta(0)},
        {"period": timedelta(days=32)},
        {"expires_at": BEFORE},
        {"expires_at": T + timedelta(days=400)},
    ],
)
def test_a_suppression_has_a_reason_a_period_and_an_end(database, wrong):
    """It cannot be forgotten."""
    with pytest.raises(Conflict):
        suppress(database, **wrong)


def test_each_is_in_the_audit_log_and_within_the_scope(database):
    """An officer of one agency holds back nothing of another."""
    suppress(database)
    with pytest.raises(NotAllowed):
        SuppressionShelf(database).add(
            Scope.of("stc", actor="officer"), "rule-1", by=[], period=timedelta(hours=1), reason="x",
            expires_at=after(hours=1), now=T, agency_id="sxd",
        )  # fmt: skip
    with database.session(PROVINCE) as session:
        assert broken_link(session) is None
