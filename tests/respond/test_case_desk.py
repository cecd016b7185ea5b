from __future__ import annotations

from datetime import timedelta

import pytest

from soc.errors import Conflict, FormError, NotFound
from soc.model.alert import Disposition
from soc.model.case import CaseStatus
from soc.respond.moves import CASE_MOVES, check_case_move
from soc.respond.triage import TriageDesk
from tests.respond.builders import (
    CONSTRUCTION,
    FACTS,
    FINANCE,
    PROVINCE,
    T,
    after,
    case_desk,
    open_case,
    signal,
    with_alerts,
    with_register,
)


@pytest.fixture
def desk(database):
    with_alerts(database, signal("e1"), signal("e2", rule="rule-2"), signal("e3", agency="stc"))
    return case_desk(database)


def owed(desk, case_id):
    return {row.kind: row for row in desk.find(PROVINCE, case_id).obligations}


def test_a_case_starts_its_clocks_at_the_first_alert(desk):
    """T0 is when the platform showed it, not when somebody opened the case."""
    view = desk.find(PROVINCE, open_case(desk, now=after(hours=2)))
    assert view.summary.row.detected_at == T
    assert [(row.kind, row.due_at) for row in view.obligations] == [
        ("notice_at_once", T),
        ("notice_24h", after(hours=24)),
        ("report_72h", after(hours=72)),
    ]


def test_a_case_takes_its_place_from_its_weightiest_alert(desk):
    """Agency, system and level."""
    row = desk.find(PROVINCE, open_case(desk)).summary.row
    assert (row.agency_id, row.system_id, row.system_level) == ("sxd", "cpxd", 3)


def test_the_alerts_of_a_new_case_are_acknowledged_by_whoever_opened_it(desk):
    """They are being worked on."""
    (alert,) = desk.find(PROVINCE, open_case(desk)).alerts
    assert (alert.row.status, alert.row.assignee) == ("acknowledged", "ha")


def test_case_numbers_count_by_the_year_in_vietnam(desk):
    """18:00 UTC on New Year's Eve is already next year."""
    first = open_case(desk)
    second = desk.open(
        PROVINCE, title="", alert_ids=["CB-000002"], now=T.replace(month=12, day=31, hour=18)
    )
    assert (first, second) == ("SC-2026-0001", "SC-2027-0001")


def test_case_numbers_are_counted_over_all_agencies(desk):
    """An officer who sees one case does not reuse the number of another."""
    open_case(desk)
    made = desk.open(FINANCE, title="", alert_ids=["CB-000003"], now=T)
    assert made == "SC-2026-0002"


def test_a_report_by_telephone_needs_its_time_of_detection(database):
    """Without an alert nobody else knows T0."""
    desk = case_desk(with_register(database))
    with pytest.raises(Conflict, match="detection"):
        desk.open(PROVINCE, title="Gọi điện", alert_ids=[], now=T)
    case_id = desk.open(CONSTRUCTION, title="Gọi điện", alert_ids=[], detected_at=T, now=T)
    assert desk.find(PROVINCE, case_id).summary.row.agency_id == "sxd"


def test_a_detection_in_the_future_is_refused(desk):
    """A clock that runs from tomorrow is a mistake."""
    with pytest.raises(Conflict, match="future"):
        desk.open(PROVINCE, title="x", alert_ids=["CB-000001"], detected_at=after(hours=1), now=T)


def test_an_alert_belongs_to_one_case(desk):
    """The second is told which."""
    open_case(desk)
    with pytest.raises(Conflict, match="SC-2026-0001"):
        open_case(desk)


def test_a_closed_alert_is_not_put_into_a_case(desk, database):
    """Reopen it first."""
    TriageDesk(database).close(PROVINCE, ["CB-000001"], Disposition.BENIGN, "x", now=T)
    with pytest.raises(Conflict, match="closed"):
        open_case(desk)


def test_answering_no_three_times_leaves_the_72_hour_report(desk):
    """The other clocks are waived with the reason, not deleted."""
    case_id = open_case(desk)
    desk.decide(
        PROVINCE, case_id, serious=False, national_security=False, serious_disruption=False,
        reason="một máy thử", now=T,
    )  # fmt: skip
    rows = owed(desk, case_id)
    assert rows["report_72h"].waived_at is None
    assert "một máy thử" in rows["notice_24h"].waived_reason
    assert "một máy thử" in rows["notice_at_once"].waived_reason


def test_a_changed_answer_brings_the_clock_back_from_the_same_t0(desk):
    """Time lost by a wrong answer is not given back."""
    case_id = open_case(desk)
    no = {"serious": False, "national_security": False, "serious_disruption": False}
    desk.decide(PROVINCE, case_id, **no, reason="tưởng nhỏ", now=T)
    desk.decide(PROVINCE, case_id, **{**no, "serious": True}, reason="lan rộng", now=after(hours=9))
    row = owed(desk, case_id)["notice_24h"]
    assert (row.waived_at, row.due_at) == (None, after(hours=24))


def test_each_answer_keeps_who_gave_it_and_when(desk):
    """Only the answer that changed gets a new author."""
    case_id = open_case(desk)
    no = {"serious": False, "national_security": False, "serious_disruption": False}
    desk.decide(PROVINCE, case_id, **no, reason="a", now=T)
    desk.decide(CONSTRUCTION, case_id, **{**no, "serious": True}, reason="b", now=after(hours=1))
    decisions = desk.find(PROVINCE, case_id).summary.row.detail["decisions"]
    assert decisions["serious"]["by"] == "officer-sxd"
    assert decisions["national_security"]["by"] == "ha"


@pytest.mark.parametrize("start", CaseStatus)
@pytest.mark.parametrize("to", CaseStatus)
def test_a_case_moves_only_as_the_table_allows(start, to):
    """Every pair of states; the refusal names the ways that are open."""
    if to in CASE_MOVES[start]:
        check_case_move("SC-2026-0001", start, to)
    else:
        with pytest.raises(Conflict, match=CASE_MOVES[start][0]):
            check_case_move("SC-2026-0001", start, to)


def test_every_state_can_be_reached_from_intake():
    """No state of the table is dead."""
    reached, new = set(), {CaseStatus.INTAKE}
    while new:
        reached |= new
        new = {to for state in new for to in CASE_MOVES[state]} - reached
    assert reached == set(CaseStatus)


def test_a_case_whose_obligations_are_waived_with_reasons_can_be_closed_and_reopened(desk):
    """The whole line from intake over verification to closed and back."""
    case_id = open_case(desk)
    for row in desk.find(PROVINCE, case_id).obligations:
        desk.waive(PROVINCE, case_id, row.id, reason="báo bằng văn bản", now=T)
    desk.move(PROVINCE, case_id, CaseStatus.VERIFY, now=T)
    desk.move(PROVINCE, case_id, CaseStatus.CLOSED, reason="không phải sự cố", now=T)
    assert desk.find(PROVINCE, case_id).summary.row.closed_at == T
    desk.move(PROVINCE, case_id, CaseStatus.VERIFY, reason="có thêm chứng cứ", now=T)
    assert desk.find(PROVINCE, case_id).summary.row.closed_at is None


def test_a_case_that_owes_a_report_cannot_be_closed(desk):
    """The refusal names what is owed."""
    case_id = open_case(desk)
    desk.move(PROVINCE, case_id, CaseStatus.VERIFY, now=T)
    with pytest.raises(Conflict, match="report_72h"):
        desk.move(PROVINCE, case_id, CaseStatus.CLOSED, reason="xong", now=T)


def test_the_list_shows_the_next_report_that_is_due(desk):
    """Waived ones do not count."""
    case_id = open_case(desk)
    first = owed(desk, case_id)["notice_at_once"]
    desk.waive(PROVINCE, case_id, first.id, reason="đã gọi PA05", now=T)
    (summary,), total = desk.cases(PROVINCE)
    assert (total, summary.alerts, summary.next_due.kind) == (1, 1, "notice_24h")


@pytest.mark.parametrize(
    "act",
    [
        lambda desk, case: desk.note(FINANCE, case, "x", now=T),
        lambda desk, case: desk.move(FINANCE, case, CaseStatus.VERIFY, now=T),
        lambda desk, case: desk.fill(FINANCE, case, {"outline": "x"}, now=T),
        lambda desk, case: desk.add_alerts(FINANCE, case, [], now=T),
        lambda desk, case: desk.start_playbook(FINANCE, case, "ransomware-on-server", now=T),
        lambda desk, case: desk.make_report(FINANCE, case, "mau-03", now=T),
        lambda desk, case: desk.decide(
            FINANCE, case, serious=False, national_security=False, serious_disruption=False,
            reason="x", now=T,
        ),
    ],
)  # fmt: skip
def test_another_agencys_officer_cannot_act_on_the_case(desk, act):
    """For them it is not there."""
    with pytest.raises(NotFound):
        act(desk, open_case(desk))


def test_another_agencys_officer_sees_neither_case_nor_document(desk):
    """Not in the list, not by its number."""
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, FACTS, now=T)
    document_id = desk.make_report(PROVINCE, case_id, "mau-03", now=T)
    assert desk.cases(FINANCE) == ([], 0)
    assert desk.find(FINANCE, case_id) is None
    with pytest.raises(NotFound):
        desk.document(FINANCE, document_id)
    with pytest.raises(NotFound):
        desk.send_report(FINANCE, document_id, now=T)


def test_an_officer_cannot_open_a_case_for_another_agency(desk):
    """Naming its key does not help."""
    with pytest.raises(NotFound):
        desk.open(FINANCE, title="x", alert_ids=[], agency_id="sxd", detected_at=T, now=T)


def test_the_case_page_names_what_the_form_still_lacks(desk):
    """In Vietnamese, before anybody tries to make it."""
    case_id = open_case(desk)
    assert desk.find(PROVINCE, case_id).form_problems == (
        "thiếu: Mô tả sơ bộ về sự cố",
        "thiếu: Đã gửi thông báo sự cố cho",
    )


def test_facts_that_no_form_knows_are_refused(desk):
    """A typing error must not vanish."""
    with pytest.raises(FormError, match="outlin"):
        desk.fill(PROVINCE, open_case(desk), {"outlin": "x"}, now=T)


def test_sending_a_document_twice_is_one_message(desk):
    """The outbox row is the document's own."""
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, FACTS, now=T)
    document_id = desk.make_report(PROVINCE, case_id, "mau-03", now=T)
    first = desk.send_report(PROVINCE, document_id, now=T)
    assert desk.send_report(PROVINCE, document_id, now=after(hours=1)) == first
    assert len(desk.find(PROVINCE, case_id).outbox) == 1


def test_the_reports_of_a_case_are_numbered_in_a_chain(desk):
    """An update refers to the first by its number."""
    case_id = open_case(desk)
    desk.fill(PROVINCE, case_id, FACTS, now=T)
    for hour in range(2):
        desk.make_report(PROVINCE, case_id, "mau-03", now=T + timedelta(hours=hour))
    numbers = [row.number for row in desk.find(PROVINCE, case_id).documents]
    assert numbers == ["SC-2026-0001/BC-02", "SC-2026-0001/BC-01"]
