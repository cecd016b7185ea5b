"""A dry run on a recorded alert: of every shipped playbook along each answer, and nothing of it in the records."""

from __future__ import annotations

from copy import deepcopy

import pytest
from sqlalchemy import func, select

from soc.errors import NotFound
from soc.records.agents import AgentRow
from soc.records.cases import CaseRow
from soc.records.responses import ResponseCommandRow
from soc.report.case_reports import CaseReports
from soc.respond.playbook_files import plain
from soc.respond.rehearsal import rehearse
from tests.respond.builders import PROVINCE, T, forms, keep, shipped_playbooks, with_alerts
from tests.respond.playbook_builders import asks, playbook, step


def played(database, playbooks, playbook_id, *, option=0, alert_id="CB-000001"):
    return rehearse(
        database,
        playbooks,
        CaseReports(forms()),
        playbook_id=playbook_id,
        alert_id=alert_id,
        answer=lambda one: one["options"][option]["id"],
        now=T,
    )


@pytest.mark.parametrize("option", [0, 1])
@pytest.mark.parametrize("name", sorted(shipped_playbooks()))
def test_a_shipped_playbook_passes_its_dry_run(database, name, option):
    steps = played(with_alerts(database), deepcopy(shipped_playbooks()), name, option=option)
    assert {one.state for one in steps} <= {"done", "skipped"}, [one for one in steps if one.note]
    assert len(steps) == len(shipped_playbooks()[name]["steps"])
    with database.session(PROVINCE) as session:
        assert session.scalar(select(func.count(CaseRow.id))) == 0


def test_waits_loops_machines_and_sub_playbooks_have_their_part(database):
    """The clock goes on by what a wait lasts; the machine of the alert is the one that is cut off."""
    with_alerts(database)
    keep(
        database,
        AgentRow(id="g1", agency_id="sxd", name="SXD-FS01", public_key=b"x" * 32, enrolled_at=T),
    )
    isolate = {"do": "isolate_host", "on": "hosts", "parameters": {"seconds": 600}}
    book = playbook(
        step("cut", "action", action="respond", respond=isolate, inputs=[asks("hosts")]),
        step("rest", "wait", minutes=600),
        step("look", "decision", approvals=2),
        step("round", "loop", back_to="look", until={"step": "look", "answer": "good"}, at_most=2),
        step("inner", "playbook", playbook="other-one"),
        step("free", "action", action="undo", undoes="cut"),
    )
    shelf = plain({"small-one": book, "other-one": playbook(step("inside"), name="other-one")})
    steps = played(database, shelf, "small-one")
    assert [(one.run, one.step_id, one.state) for one in steps] == [
        ("small-one", "cut", "done"),
        ("small-one", "rest", "done"),
        ("small-one", "look", "done"),
        ("small-one", "round", "done"),
        ("other-one", "inside", "done"),
        ("small-one", "inner", "done"),
        ("small-one", "free", "done"),
    ]
    assert steps[1].at == 610
    with database.session(PROVINCE) as session:
        assert session.scalar(select(func.count(ResponseCommandRow.id))) == 0


def test_a_run_that_comes_to_a_stand_names_where(database):
    """A loop that never comes out fails, and nothing is for that."""
    book = playbook(
        step("look", "decision"),
        step("round", "loop", back_to="look", until={"step": "look", "answer": "good"}, at_most=2),
        step("last"),
    )
    steps = played(with_alerts(database), plain({"small-one": book}), "small-one", option=1)
    assert [(one.step_id, one.state, one.note) for one in steps[-2:]] == [
        ("round", "failed", "sau 2 vòng vẫn chưa đạt"),
        ("last", "waiting", ""),
    ]


def test_a_report_that_lacks_something_says_what(database):
    """The reason stands at the step that failed, and what it holds up stands behind."""
    form = step("write", "action", action="make_report", form="mau-03")
    steps = played(
        with_alerts(database), plain({"small-one": playbook(form, step("last"))}), "small-one"
    )
    assert [one.state for one in steps] == ["failed", "waiting"]
    assert "thiếu: Mô tả sơ bộ về sự cố" in steps[0].note


def test_an_alert_that_is_not_there(database):
    with pytest.raises(NotFound, match="CB-9"):
        played(with_alerts(database), deepcopy(shipped_playbooks()), "web-shell", alert_id="CB-9")
