"""The table of protected machines: merged from events in any order, any number of times, to one and the same state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from soc.collect.protection import take_in
from soc.model.event import Event, event_id
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow

T = datetime(2026, 11, 20, tzinfo=UTC)
ARRIVED = T + timedelta(days=2)
PROVINCE = Scope.province("tests")


def said(number: int, at: datetime, **fields: Any) -> Event:
    base = {
        "event.module": "edr",
        "event.dataset": "eset.edr",
        "host.name": "PC-1",
        "event.kind": "state",
    }
    return Event(
        source="edr",
        observed_at=at,
        fields=base | fields,
        raw=b"",
        id=event_id("a", "0", "s", number, 0),
        received_at=ARRIVED,
        agency_id="sxd",
    )


def found(number: int, at: datetime, action: str, **fields: Any) -> Event:
    return said(
        number,
        at,
        **{"event.kind": "alert", "rule.name": "Trojan.X", "edr.action": action, **fields},
    )


def state(number: int, hours: int, protection: str, signature: int, contact: int) -> Event:
    return said(
        number,
        T + timedelta(hours=hours),
        **{
            "edr.protection": protection,
            "edr.signature.date": (T - timedelta(days=signature)).isoformat(),
            "edr.last_contact": (T + timedelta(hours=contact)).isoformat(),
            "edr.product.version": f"1.{number}",
        },
    )


def rows(database: Database) -> list[tuple[Any, ...]]:
    with database.session(PROVINCE) as session:
        held = [*session.scalars(select(EdrMachineRow)), *session.scalars(select(EdrDetectionRow))]
    return sorted(
        tuple(str(getattr(row, one.key)) for one in row.__table__.columns) for row in held
    )


def taken(database: Database, batches: list[list[Event]]) -> list[tuple[Any, ...]]:
    with database.write(PROVINCE) as session:
        session.execute(delete(EdrMachineRow))
        session.execute(delete(EdrDetectionRow))
    for events in batches:
        with database.write(PROVINCE) as session:
            take_in(session, events)
    return rows(database)


EVENTS = st.lists(
    st.builds(
        state,
        st.integers(0, 5),
        st.integers(0, 4),
        st.sampled_from(["on", "off"]),
        st.integers(0, 30),
        st.integers(0, 9),
    )
    | st.builds(
        found,
        st.integers(6, 9),
        st.integers(0, 2).map(lambda n: T + timedelta(hours=n)),
        st.sampled_from(["none", "cleaned", "failed", "unknown"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(EVENTS, st.randoms())
def test_neither_order_nor_repeats_nor_cuts_change_what_is_known(database, events, dice):
    whole = taken(database, [events])
    shuffled = [*events, *events[: len(events) // 2]]
    dice.shuffle(shuffled)
    assert taken(database, [[one] for one in shuffled]) == whole


def test_a_late_row_does_not_move_a_state_backwards(database):
    taken(database, [[state(1, 5, "on", 1, 5)], [state(2, 1, "off", 20, 1)]])
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(EdrMachineRow)).all()
    assert (row.protection, row.version, row.last_contact) == ("on", "1.1", T + timedelta(hours=5))
    assert row.signature_date == T - timedelta(days=1)


def test_what_a_newer_row_does_not_say_stays(database):
    taken(
        database,
        [[state(1, 1, "on", 3, 1)], [said(2, T + timedelta(hours=5), **{"edr.protection": "off"})]],
    )
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(EdrMachineRow)).all()
    assert (row.protection, row.signature_date) == ("off", T - timedelta(days=3))


def test_a_clock_that_runs_ahead_is_believed_up_to_the_arrival_only(database):
    taken(database, [[state(1, 24 * 400, "on", 0, 24 * 400)]])
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(EdrMachineRow)).all()
    assert row.last_contact == row.protection_at == ARRIVED


def test_one_detection_told_twice_is_one_and_knows_what_became_of_it(database):
    taken(database, [[found(1, T, "cleaned", **{"user.name": "lan"})], [found(2, T, "none")]])
    with database.session(PROVINCE) as session:
        (row,) = session.scalars(select(EdrDetectionRow)).all()
    assert (row.action, row.user) == ("cleaned", "lan")


@pytest.mark.parametrize("value", ["", "x" * 5_000, "\ud800", "a\x00b"])
def test_events_that_others_wrote_as_ecs_are_taken_without_an_error(database, value):
    """Everybody may send JSON with these names."""
    strange = said(
        1, T, **{"edr.last_contact": value, "edr.signature.date": value, "edr.protection": value}
    )
    taken(database, [[strange, found(2, T, value[:9], **{"rule.name": value[:3_000]})]])
    assert len(rows(database)) == 2
