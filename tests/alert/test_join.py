from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from sqlalchemy import select

from soc.alert.join import Joiner
from soc.model.scope import Scope
from soc.records.alerts import AlertRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.records.jobs import RuleStateRow
from tests.respond.builders import PROVINCE, T, after, keep, signal, with_register


def alerts(database: Database) -> list[AlertRow]:
    with database.session(Scope.province()) as session:
        return list(session.scalars(select(AlertRow).order_by(AlertRow.number)))


def close(database: Database, alert_id: str) -> None:
    with database.write(PROVINCE) as session:
        row = session.scalar(select(AlertRow).where(AlertRow.id == alert_id))
        assert row is not None
        row.status, row.closed_at = "closed", T


def test_signals_of_one_rule_and_entity_become_one_alert(database):
    """Two matches on one host are one thing for the analyst."""
    keep(database, signal("e1"), signal("e2", at=after(minutes=5)))
    assert Joiner(database).join(T) == 2
    (alert,) = alerts(database)
    assert (alert.id, alert.signals, alert.last_seen_at) == ("CB-000001", 2, after(minutes=5))


def test_the_same_host_name_in_two_agencies_is_two_alerts(database):
    """An officer must never see another agency's signals through a shared alert."""
    keep(database, signal("e1", agency="sxd"), signal("e2", agency="stc"))
    Joiner(database).join(T)
    assert {alert.agency_id for alert in alerts(database)} == {"sxd", "stc"}


def test_unowned_signals_join_among_themselves(database):
    """No agency is a key like any other, although SQL's NULL equals nothing."""
    keep(database, signal("e1", agency=None))
    Joiner(database).join(T)
    keep(database, signal("e2", agency=None))
    Joiner(database).join(T)
    assert [alert.signals for alert in alerts(database)] == [2]


def test_joining_again_changes_nothing(database):
    """A worker that restarts counts no signal twice."""
    keep(database, signal("e1"))
    Joiner(database).join(T)
    assert Joiner(database).join(after(hours=1)) == 0
    assert [alert.signals for alert in alerts(database)] == [1]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_alert_depends_on_the_set_and_not_on_the_order_of_arrival(tmp_path, order):
    """Late, early, tied and heavier signals give the same alert whichever comes first, one join each."""
    database = Database(f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database.create_all()
    made = (
        lambda: signal("e1", at=T, command="first", level="critical"),
        lambda: signal("e2", at=after(minutes=9), command="tied a"),
        lambda: signal("e3", at=after(minutes=9), command="tied b"),
        lambda: signal("e4", at=after(minutes=4), command="middle"),
    )
    for place in order:
        keep(database, made[place]())
        Joiner(database).join(T)
    (alert,) = alerts(database)
    database.close()
    tied = max(made[1](), made[2](), key=lambda row: row.id).fields["process.command_line"]
    assert (alert.first_seen_at, alert.last_seen_at) == (T, after(minutes=9))
    assert (alert.signals, alert.summary, alert.severity) == (4, tied, "high")
    assert alert.priority == 88  # of the critical one: 80 x level 3


def test_a_signal_after_closing_opens_a_new_alert_that_follows_the_closed_one(database):
    """What a person closed stays closed; what comes then is news."""
    keep(database, signal("e1"))
    Joiner(database).join(T)
    close(database, "CB-000001")
    keep(database, signal("e2"))
    Joiner(database).join(T)
    first, second = alerts(database)
    assert (first.status, first.signals) == ("closed", 1)
    assert (second.status, second.follows_id) == ("new", "CB-000001")


def test_a_late_signal_moves_only_the_first_time_back(database):
    """The texts stay those of the latest signal."""
    keep(database, signal("e1", command="latest"))
    Joiner(database).join(T)
    keep(database, signal("e2", at=T - timedelta(days=2), command="late"))
    Joiner(database).join(T)
    (alert,) = alerts(database)
    assert (alert.first_seen_at, alert.summary) == (T - timedelta(days=2), "latest")


def test_more_signals_than_one_transaction_takes_are_all_joined(database):
    """The five hundred and first is no exception."""
    keep(database, *(signal(f"e{n}", entity=f"host:H{n % 7}") for n in range(1203)))
    assert Joiner(database).join(T) == 1203
    assert sum(alert.signals for alert in alerts(database)) == 1203
    assert len(alerts(database)) == 7


def test_every_joined_signal_names_its_alert(database):
    """From an alert one finds its signals."""
    keep(database, signal("e1"))
    Joiner(database).join(T)
    with database.session(PROVINCE) as session:
        assert session.scalar(select(SignalRow.alert_id)) == "CB-000001"


def test_a_decisive_asset_of_a_level_three_system_weighs_more(database):
    """high 60 x decisive 1.3 x level three 1.1; the register writes the host name otherwise."""
    with_register(database)
    keep(database, signal("e1"))
    Joiner(database).join(T)
    assert alerts(database)[0].priority == 86


def test_the_vietnamese_title_and_the_rule_health_come_from_the_rule(database):
    """The rule's row gives the title and takes the count."""
    keep(
        database,
        RuleStateRow(
            rule_id="rule-1", title="x", title_vi="Xóa bản sao bóng", level="high",
            path="rules/x.yml", state="active",
        ),
        signal("e1"),
        signal("e2", at=after(minutes=1)),
    )  # fmt: skip
    Joiner(database).join(T)
    with database.session(PROVINCE) as session:
        rule = session.scalar(select(RuleStateRow))
        assert (rule.matches, rule.last_match_at) == (2, after(minutes=1))
    assert alerts(database)[0].title_vi == "Xóa bản sao bóng"
