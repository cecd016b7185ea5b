from __future__ import annotations

import pytest

from soc.alert.join import Joiner
from soc.errors import Conflict, NotFound
from soc.model.alert import Disposition
from soc.respond.triage import AlertFilter, TriageDesk
from tests.respond.builders import (
    CONSTRUCTION,
    FINANCE,
    PROVINCE,
    T,
    after,
    keep,
    signal,
    with_alerts,
)


@pytest.fixture
def desk(database):
    """A queue of three: two of construction, one of finance."""
    with_alerts(
        database,
        signal("e1", at=after(minutes=1)),
        signal("e2", rule="rule-2", level="low"),
        signal("e3", agency="stc", level="critical"),
    )
    return TriageDesk(database)


def ids(page):
    return [view.row.id for view in page.alerts]


def test_the_queue_shows_the_weightiest_first_with_names(desk):
    """The analyst reads names, not keys."""
    page = desk.page(PROVINCE, AlertFilter())
    first = page.alerts[0]
    assert [view.row.severity for view in page.alerts] == ["high", "critical", "low"]
    assert (first.agency_name, first.system_name) == ("Sở Xây dựng", "CSDL hồ sơ cấp phép xây dựng")


def test_an_officer_sees_only_the_own_agency_in_rows_counts_and_facets(desk):
    """Not even a number of another agency leaks."""
    page = desk.page(FINANCE, AlertFilter())
    assert (ids(page), page.total, page.newest) == (["CB-000003"], 1, 3)
    assert page.facets["severity"] == {"critical": 1}
    assert page.facets["agency_id"] == {"stc": 1}


@pytest.mark.parametrize(
    "act",
    [
        lambda desk, alert: desk.get(FINANCE, alert),
        lambda desk, alert: desk.acknowledge(FINANCE, [alert], now=T),
        lambda desk, alert: desk.assign(FINANCE, [alert], "me", now=T),
        lambda desk, alert: desk.close(FINANCE, [alert], Disposition.BENIGN, "x", now=T),
        lambda desk, alert: desk.reopen(FINANCE, [alert], now=T),
    ],
)
def test_an_officer_cannot_see_or_act_on_another_agencys_alert(desk, act):
    """It does not exist for them."""
    with pytest.raises(NotFound):
        act(desk, "CB-000001")


def test_a_facet_counts_under_the_other_restrictions_only(desk):
    """Choosing one severity still shows how many the others have."""
    page = desk.page(PROVINCE, AlertFilter(severity=frozenset({"low"})))
    assert page.total == 1
    assert page.facets["severity"] == {"high": 1, "low": 1, "critical": 1}
    assert page.facets["status"] == {"new": 1}


def test_text_is_searched_literally(desk):
    """A percent sign is no wildcard."""
    assert desk.page(PROVINCE, AlertFilter(text="VSSADMIN")).total == 3
    assert desk.page(PROVINCE, AlertFilter(text="%")).total == 0


def test_acknowledging_names_the_actor_and_is_logged(desk):
    """Who took it stands on the alert and in the audit log."""
    desk.acknowledge(CONSTRUCTION, ["CB-000001"], now=T)
    detail = desk.get(PROVINCE, "CB-000001")
    assert (detail.alert.row.status, detail.alert.row.assignee) == ("acknowledged", "officer-sxd")
    assert [line["action"] for line in detail.log] == ["alert.acknowledge"]


def test_acknowledging_ones_own_alert_again_is_no_error(desk):
    """A double click harms nobody."""
    desk.acknowledge(CONSTRUCTION, ["CB-000001"], now=T)
    desk.acknowledge(CONSTRUCTION, ["CB-000001"], now=T)
    assert len(desk.get(PROVINCE, "CB-000001").log) == 1


def test_an_alert_that_somebody_took_cannot_be_taken_again(desk):
    """The second one learns who has it."""
    desk.acknowledge(CONSTRUCTION, ["CB-000001"], now=T)
    with pytest.raises(Conflict, match="officer-sxd"):
        desk.acknowledge(PROVINCE, ["CB-000001"], now=T)


def test_one_refused_alert_leaves_all_of_the_act_undone(desk):
    """A bulk act is one act."""
    desk.close(PROVINCE, ["CB-000002"], Disposition.BENIGN, "x", now=T)
    with pytest.raises(Conflict):
        desk.acknowledge(PROVINCE, ["CB-000001", "CB-000002"], now=T)
    assert desk.get(PROVINCE, "CB-000001").alert.row.status == "new"


def test_closing_needs_a_reason(desk):
    """Blank is none."""
    with pytest.raises(Conflict, match="reason"):
        desk.close(PROVINCE, ["CB-000001"], Disposition.FALSE_POSITIVE, "  ", now=T)


def test_closing_twice_is_refused(desk):
    """The first reason stands."""
    desk.close(PROVINCE, ["CB-000001"], Disposition.FALSE_POSITIVE, "drill", now=T)
    with pytest.raises(Conflict):
        desk.close(PROVINCE, ["CB-000001"], Disposition.BENIGN, "again", now=T)


def test_reopening_is_the_way_back_and_keeps_the_old_reason_in_the_log(desk):
    """Nothing that was said is lost."""
    desk.close(PROVINCE, ["CB-000001"], Disposition.FALSE_POSITIVE, "drill", now=T)
    desk.reopen(PROVINCE, ["CB-000001"], now=T)
    detail = desk.get(PROVINCE, "CB-000001")
    assert (detail.alert.row.status, detail.alert.row.disposition) == ("new", "")
    assert detail.log[0]["detail"] == {"disposition": "false_positive", "reason": "drill"}


def test_the_page_of_an_alert_shows_signals_relatives_and_whom_to_call(desk):
    """All that the analyst needs before the telephone."""
    detail = desk.get(PROVINCE, "CB-000001")
    assert [row.event_id for row in detail.signals] == ["e1"]
    assert {view.row.id for view in detail.similar} == {"CB-000002", "CB-000003"}
    assert detail.contact["name"] == "Nguyễn Thị Hà Phương"


def test_similar_alerts_of_another_agency_stay_hidden_from_an_officer(desk):
    """The same rule matched elsewhere is not theirs to know."""
    detail = desk.get(CONSTRUCTION, "CB-000001")
    assert {view.row.id for view in detail.similar} == {"CB-000002"}


def test_a_desk_with_a_pack_shows_the_rule_as_loaded(database):
    """Without one the rule's row must do."""
    with_alerts(database)
    rich = TriageDesk(database, rule_facts=lambda rule_id: {"id": rule_id, "condition": "a and b"})
    assert rich.get(PROVINCE, "CB-000001").rule["condition"] == "a and b"
    assert TriageDesk(database).get(PROVINCE, "CB-000001").rule == {"id": "rule-1"}


def test_since_also_shows_alerts_made_lately_from_old_events(database):
    """A replayed log of last year is news today."""
    with_alerts(database, signal("e1", at=after(days=-400)), now=T)
    desk = TriageDesk(database)
    assert desk.page(PROVINCE, AlertFilter(since=after(minutes=-15))).total == 1
    assert desk.page(PROVINCE, AlertFilter(since=after(minutes=1))).total == 0


def test_a_signal_joined_after_reopening_extends_the_reopened_alert(desk, database):
    """It is open again, so nothing new is made."""
    desk.close(PROVINCE, ["CB-000001"], Disposition.BENIGN, "x", now=T)
    desk.reopen(PROVINCE, ["CB-000001"], now=T)
    keep(database, signal("e9"))
    Joiner(database).join(T)
    assert desk.get(PROVINCE, "CB-000001").alert.row.signals == 2
