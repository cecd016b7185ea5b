"""Exceptions hide what they name, for whom they say, until their minute; and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from soc.alert.join import Joiner
from soc.detect.exception_shelf import CurrentExceptions, ExceptionShelf
from soc.detect.exceptions import ENDED, Exceptions, read_where
from soc.detect.kept_matches import NEWEST
from soc.errors import Conflict, NotAllowed, NotFound, RuleError
from soc.model.event import Event, Signal, signal_id
from soc.model.exception import RuleException
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
AN, BINH = Scope.province("an"), Scope.province("binh")
RULE = "r1"


def event(number: int, **fields: object) -> Event:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return Event("t", NOW, named, b"", f"{number:032x}", NOW, "a1", "s1", 3, "may01")


def signal(one: Event, rule_id: str = RULE) -> Signal:
    return Signal(
        signal_id(rule_id, one.id), rule_id, "Rule", "high", one.id, one.observed_at, one.received_at,
        one.agency_id, one.system_id, one.level, one.host, f"host:{one.host}",
    )  # fmt: skip


def exception(*where: str, **more: object) -> RuleException:
    made = RuleException("NL-0001", RULE, tuple(map(read_where, where)), NOW, LATER)
    return replace(made, **more)  # type: ignore[arg-type]


def hides(one: RuleException, of: Event) -> bool:
    return Exceptions([one]).mark([signal(of)], [of])[0].excepted_by == one.id


@pytest.mark.parametrize(
    ("where", "fields", "hidden"),
    [
        (["user.name=svc-backup"], {"user__name": "SVC-Backup"}, True),
        (["user.name=svc-backup"], {"user__name": "svc-backup2"}, False),
        (["user.name=a,b"], {"user__name": "b"}, True),
        (["user.name=a\\,b"], {"user__name": "a,b"}, True),
        (["user.name=a*"], {"user__name": "ab"}, False),
        (["process.command_line|contains=veeam"], {"process__command_line": "x VEEAM y"}, True),
        (["process.name|endswith=.exe"], {"process__name": "a.EXE"}, True),
        (["process.name|startswith=Đ"], {"process__name": "đặng"}, True),
        (["source.ip|cidr=10.1.0.0/16"], {"source__ip": "10.1.2.3"}, True),
        (["source.ip|cidr=10.1.0.0/16,2001:db8::/32"], {"source__ip": "2001:db8::7"}, True),
        (["source.ip|cidr=10.1.0.0/16"], {"source__ip": "10.2.2.3"}, False),
        (["user.name=a", "host.name=m"], {"user__name": "a", "host__name": "m"}, True),
        (["user.name=a", "host.name=m"], {"user__name": "a", "host__name": "n"}, False),
        (["user.name=a"], {}, False),
        (["user.name=a"], {"user__name": ["x", "a"]}, True),
    ],
)
def test_it_hides_what_it_names(where: list[str], fields: dict[str, object], hidden: bool):
    assert hides(exception(*where), event(1, **fields)) is hidden


@pytest.mark.parametrize(
    ("more", "hidden"),
    [
        ({"agency_id": "a1"}, True),
        ({"agency_id": "a2"}, False),
        ({"system_id": "s1"}, True),
        ({"system_id": "s2"}, False),
        ({"rule_id": "other"}, False),
        ({"starts_at": NOW + timedelta(seconds=1)}, False),
        ({"expires_at": NOW + timedelta(microseconds=1)}, True),
        ({"expires_at": NOW}, False),
    ],
)
def test_it_holds_for_whom_and_when_it_says(more: dict[str, object], hidden: bool):
    assert hides(exception("user.name=a", **more), event(1, user__name="a")) is hidden


def test_what_an_ended_one_would_have_hidden_says_so():
    of = event(1, user__name="a")
    (marked,) = Exceptions([exception("user.name=a", expires_at=NOW)]).mark([signal(of)], [of])
    assert (marked.excepted_by, marked.fields[ENDED]) == (None, "NL-0001")


@pytest.mark.parametrize(
    "text", ["", "user.name", "=a", "no.such=a", "user.name|re=a", "user.name=", "source.ip|cidr=x"]
)
def test_a_condition_that_cannot_be_judged_is_refused(text: str):
    with pytest.raises(RuleError):
        read_where(text)


@given(st.text(max_size=80))
def test_any_text_is_a_condition_or_a_refusal(text: str):
    try:
        where = read_where(f"user.name={text}")
    except RuleError:
        return
    assert where.values


def stored(database: Database, shelf_of: Scope, *where: str, days: int = 30) -> str:
    row, _ = ExceptionShelf(database).add(
        shelf_of, RULE, [read_where(one) for one in where], reason="sao lưu đêm",
        expires_at=NOW + timedelta(days=days), now=NOW,
    )  # fmt: skip
    return row.id


def arrive(database: Database, current: CurrentExceptions, *events: Event) -> None:
    current.refresh(NOW)
    signals = current.held.mark([signal(one) for one in events], events)
    with database.write(AN) as session:
        insert_signals(session, signals)
    Joiner(database).join(NOW)


def alerts(database: Database) -> list[AlertRow]:
    with database.session(AN) as session:
        return list(session.scalars(select(AlertRow)))


def test_hidden_matches_are_kept_and_counted_and_others_alert(database: Database):
    current = CurrentExceptions(database)
    key = stored(database, AN, "user.name=svc")
    arrive(database, current, event(1, user__name="svc"), event(2, user__name="svc"))
    assert alerts(database) == []
    arrive(database, current, event(3, user__name="an"))
    assert len(alerts(database)) == 1
    (listed,) = ExceptionShelf(database).listed(AN, NOW)
    assert (listed.row.id, listed.hidden, listed.state) == (key, 2, "in force")
    with database.session(AN) as session:
        assert len(list(session.scalars(select(SignalRow)))) == 3
    ExceptionShelf(database).end(BINH, key, NOW)
    arrive(database, current, event(4, user__name="svc"))
    assert alerts(database)[0].signals == 2
    with pytest.raises(NotFound):
        ExceptionShelf(database).end(BINH, key, NOW)


def test_one_that_would_have_hidden_a_confirmed_alert_needs_a_second_person(database: Database):
    confirmed = event(1, user__name="svc")
    arrive(database, CurrentExceptions(database), confirmed)
    with database.write(AN) as session:
        alert = session.scalars(select(AlertRow)).one()
        alert.status, alert.disposition = "closed", "true_positive"
    shelf = ExceptionShelf(database, lambda key: confirmed if key == confirmed.id else None)
    row, preview = shelf.add(
        AN, RULE, [read_where("user.name=svc")], reason="x", expires_at=LATER, now=NOW
    )
    assert (preview.hidden, preview.looked_at, preview.confirmed) == (1, 1, ("CB-000001",))
    current = CurrentExceptions(database)
    arrive(database, current, event(2, user__name="svc"))
    assert len(alerts(database)) == 2  # not in force yet
    with pytest.raises(NotAllowed, match="another person"):
        shelf.approve(AN, row.id, NOW)
    shelf.approve(BINH, row.id, NOW)
    with pytest.raises(NotFound):
        shelf.approve(BINH, row.id, NOW)
    arrive(database, current, event(3, user__name="svc"))
    assert [one.signals for one in alerts(database)] == [1, 1]


def test_an_exception_says_why_and_ends_and_stays_within_the_scope(database: Database):
    shelf, where = ExceptionShelf(database), [read_where("user.name=a")]
    good = {"reason": "x", "expires_at": LATER, "now": NOW}
    for wrong in ({"reason": " "}, {"expires_at": NOW}, {"expires_at": NOW + timedelta(days=400)}):
        with pytest.raises(Conflict):
            shelf.add(AN, RULE, where, **(good | wrong))  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        shelf.add(AN, RULE, [], **good)  # type: ignore[arg-type]
    officer = Scope.of("a1", actor="officer")
    for foreign in (None, "a2"):
        with pytest.raises(NotAllowed):
            shelf.add(officer, RULE, where, agency_id=foreign, **good)  # type: ignore[arg-type]
    own, _ = shelf.add(officer, RULE, where, agency_id="a1", **good)  # type: ignore[arg-type]
    province, _ = shelf.add(AN, RULE, where, **good)  # type: ignore[arg-type]
    assert [one.row.id for one in shelf.listed(officer, NOW)] == [own.id]
    with pytest.raises(NotFound):
        shelf.end(officer, province.id, NOW)


def confirm(database: Database) -> None:
    """Close the only alert as true."""
    with database.write(AN) as session:
        alert = session.scalars(select(AlertRow)).one()
        alert.status, alert.disposition = "closed", "true_positive"


def test_a_confirmed_alert_is_found_behind_any_number_of_newer_matches(database: Database):
    """The preview counts the newest 5,000 matches; a confirmed one counts however old it is."""
    confirmed = event(1, user__name="svc")
    arrive(database, CurrentExceptions(database), confirmed)
    confirm(database)
    newer = [event(number, user__name="an") for number in range(2, NEWEST + 2)]
    with database.write(AN) as session:
        insert_signals(session, [signal(one) for one in newer])
    stored_events = {one.id: one for one in (confirmed, *newer)}
    preview = ExceptionShelf(database, stored_events.get).preview(
        AN, exception("user.name=svc"), NOW
    )
    assert (preview.hidden, preview.looked_at, preview.confirmed) == (0, NEWEST, ("CB-000001",))


@pytest.mark.parametrize(
    ("where", "more", "in_doubt"),
    [
        (["user.name=svc"], {}, True),
        (["user.name=svc", "host.name=may01"], {}, True),
        (["user.name=svc", "host.name=may02"], {}, False),
        (["user.name=svc"], {"agency_id": "a2"}, False),
        (["user.name=svc"], {"system_id": "s2"}, False),
        (["user.name=svc"], {"agency_id": "a1"}, True),
    ],
)
def test_what_can_no_longer_be_known_of_a_confirmed_alert_counts_as_hidden(
    database: Database, where: list[str], more: dict[str, object], in_doubt: bool
):
    """Its event has expired: what it had beside the fields that matched nobody can say."""
    arrive(database, CurrentExceptions(database), event(1, user__name="x"))
    confirm(database)
    preview = ExceptionShelf(database).preview(AN, exception(*where, **more), NOW)
    assert bool(preview.confirmed) is in_doubt


def test_an_ended_one_is_told_for_thirty_days_and_no_longer(database: Database):
    """Though nothing has changed since, and so nothing was taken up anew."""
    of = event(1, user__name="a")
    held = Exceptions([exception("user.name=a", expires_at=NOW)])
    for days, told in ((29, True), (31, False)):
        later = replace(of, received_at=NOW + timedelta(days=days))
        (marked,) = held.mark([signal(later)], [later])
        assert (ENDED in marked.fields) is told
