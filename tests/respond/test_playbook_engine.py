"""What runs of playbooks do by themselves: timers, sub-playbooks, loops, decisions by rule, failures, approvals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotAllowed, PlaybookError
from soc.model.scope import Scope
from soc.respond.playbook_desk import release_expired_steps
from tests.respond.builders import PROVINCE, T, after
from tests.respond.playbook_builders import Table, asks, playbook, step

OTHER, THIRD = Scope.province("lan"), Scope.province("minh")


def test_a_wait_begins_by_itself_and_ends_when_its_time_is_over(database):
    """A person does not begin it."""
    table = Table(database, playbook(step("first"), step("rest", "wait", minutes=90), step("last")))
    with pytest.raises(Conflict, match="the platform begins"):
        table.runs.begin(PROVINCE, table.run_id, "rest", now=T)
    assert table.engine.work(T) == 0
    table.do("first")
    assert table.engine.work(T) == 1
    assert table.states() == {"first": "done", "rest": "pending", "last": "waiting"}
    assert table.engine.work(after(minutes=89)) == 0
    assert table.engine.work(after(minutes=90)) == 1
    assert table.states()["rest"] == "done"


def test_a_platform_that_was_away_does_on_return_what_is_due(database):
    """Thirty hours later both timers, one after the other, and the run goes on."""
    table = Table(
        database,
        playbook(step("rest", "wait", minutes=60), step("again", "wait", minutes=60), step("last")),
    )
    table.engine.work(T)
    late = after(hours=30)
    table.engine.work(late)
    assert table.states() == {"rest": "done", "again": "pending", "last": "waiting"}
    assert table.row("again").due_at == late + timedelta(minutes=60)


def test_a_decision_with_conditions_answers_by_itself(database):
    """Where none holds a person decides."""
    rule = [{"answer": "bad", "when": {"step": "count", "input": "files", "more_than": 100}}]
    book = playbook(
        step("count", inputs=[asks("files", "number")]),
        step("judge", "decision", answers=rule),
        step("clean", when={"step": "judge", "answer": "bad"}),
        step("note", when={"step": "judge", "answer": "good"}),
    )
    table = Table(database, book)
    table.do("count", {"files": "101"})
    table.engine.work(T)
    assert table.states() == {
        "count": "done",
        "judge": "done",
        "clean": "waiting",
        "note": "skipped",
    }
    assert table.row("judge").result == {"answer": "bad"}


def test_a_decision_whose_conditions_do_not_hold_waits_for_a_person(database):
    rule = [{"answer": "bad", "when": {"step": "count", "input": "files", "more_than": 100}}]
    table = Table(
        database,
        playbook(
            step("count", inputs=[asks("files", "number")]), step("judge", "decision", answers=rule)
        ),
    )
    table.do("count", {"files": "100"})
    assert table.engine.work(T) == 0
    table.do("judge", {"answer": "good"})
    assert table.run().row.finished_at == T


def test_a_loop_does_its_steps_again_until_its_condition_holds(database):
    """What earlier rounds left behind is kept."""
    book = playbook(
        step("scan", "decision"),
        step("clean", when={"step": "scan", "answer": "bad"}),
        step("round", "loop", back_to="scan", until={"step": "scan", "answer": "good"}, at_most=3),
        step("last"),
    )
    table = Table(database, book)
    for _ in range(2):
        table.do("scan", {"answer": "bad"})
        table.do("clean")
        assert table.engine.work(T) >= 1
        assert table.states()["scan"] == "waiting"
    table.do("scan", {"answer": "good"})
    table.engine.work(T)
    assert table.states() == {
        "scan": "done",
        "clean": "skipped",
        "round": "done",
        "last": "waiting",
    }
    assert [one["result"] for one in table.row("scan").earlier] == [{"answer": "bad"}] * 2
    assert table.row("round").result == {"rounds": 3}


def test_a_loop_has_a_bound(database):
    """After the last round it has failed, and says how many there were."""
    book = playbook(
        step("scan", "decision"),
        step("round", "loop", back_to="scan", until={"step": "scan", "answer": "good"}, at_most=2),
    )
    table = Table(database, book)
    for _ in range(2):
        table.do("scan", {"answer": "bad"})
        table.engine.work(T)
    assert (table.row("round").state, table.row("round").note) == (
        "failed",
        "sau 2 vòng vẫn chưa đạt",
    )


def test_a_step_for_a_failure_opens_when_the_other_failed(database):
    """And those after both go on when it is done."""
    book = playbook(step("cut", on_failure="call"), step("call"), step("last"))
    table = Table(database, book)
    with pytest.raises(PlaybookError, match="Bước cut"):
        table.runs.begin(PROVINCE, table.run_id, "call", now=T)
    table.runs.begin(PROVINCE, table.run_id, "cut", now=T)
    table.runs.give_up(PROVINCE, table.run_id, "cut", reason="không có quyền", now=T)
    with pytest.raises(PlaybookError):
        table.runs.begin(PROVINCE, table.run_id, "last", now=T)
    table.do("call")
    table.do("last")
    assert table.states() == {"cut": "failed", "call": "done", "last": "done"}
    assert table.run().row.finished_at == T


def test_a_step_for_a_failure_is_skipped_when_there_was_none(database):
    table = Table(database, playbook(step("cut", on_failure="call"), step("call")))
    table.do("cut")
    assert table.states() == {"cut": "done", "call": "skipped"}
    assert table.run().row.finished_at == T


def test_a_step_with_approvals_waits_for_other_persons(database):
    """Two of them, neither of whom did it, and nobody twice."""
    table = Table(database, playbook(step("shut", approvals=2), step("last")))
    table.do("shut")
    assert table.states()["shut"] == "pending"
    for who in (PROVINCE, OTHER, OTHER):
        if who is PROVINCE or table.row("shut").approved_by:
            with pytest.raises(NotAllowed):
                table.runs.approve(who, table.run_id, "shut", now=T)
        else:
            table.runs.approve(who, table.run_id, "shut", now=T)
    assert table.states()["shut"] == "pending"
    table.runs.approve(THIRD, table.run_id, "shut", now=T)
    row = table.row("shut")
    assert (row.state, row.actor, row.approved_by) == ("done", "ha", ["lan", "minh"])


def test_what_nobody_approves_comes_back(database):
    """After a day, and so does what somebody refuses, with the reason."""
    table = Table(database, playbook(step("shut", approvals=1)))
    table.do("shut")
    assert table.engine.work(after(hours=23)) == 0
    assert table.engine.work(after(hours=24)) == 1
    assert table.states()["shut"] == "waiting"
    table.do("shut", now=after(hours=25))
    table.runs.reject(OTHER, table.run_id, "shut", reason="chưa báo lãnh đạo", now=after(hours=25))
    assert (table.row("shut").state, table.row("shut").note) == ("waiting", "chưa báo lãnh đạo")


def test_a_playbook_runs_another_one_and_waits_for_it(database):
    """As it was when the outer run began, whatever the shelf has by then."""
    inner = playbook(step("look"), name="inner-one")
    table = Table(
        database, playbook(step("call", "playbook", playbook="inner-one"), step("last")), inner
    )
    del table.desk.playbooks["inner-one"]
    table.engine.work(T)
    [child] = [one for one in table.views() if one.row.id != table.run_id]
    assert (child.row.playbook_id, table.states()["call"]) == ("inner-one", "pending")
    table.runs.begin(PROVINCE, child.row.id, "look", now=T)
    table.runs.finish(PROVINCE, child.row.id, "look", result={}, note="", now=T)
    table.engine.work(T)
    assert table.states() == {"call": "done", "last": "waiting"}


def test_a_paused_run_stands_still(database):
    """For people and for the platform; what fell due meanwhile is done on resuming."""
    table = Table(database, playbook(step("rest", "wait", minutes=5), step("other", after=[])))
    table.engine.work(T)
    table.runs.pause(PROVINCE, table.run_id, reason="chờ ý kiến", now=T)
    assert table.engine.work(after(minutes=10)) == 0
    with pytest.raises(Conflict, match="paused"):
        table.runs.begin(PROVINCE, table.run_id, "other", now=T)
    table.runs.resume(PROVINCE, table.run_id, now=after(minutes=10))
    assert table.engine.work(after(minutes=10)) == 1


def test_a_run_begins_anew_from_a_step(database):
    """It and what came because of it wait again; a step beside them stays done."""
    book = playbook(
        step("judge", "decision"),
        step("clean", when={"step": "judge", "answer": "bad"}),
        step("aside", after=[]),
    )
    table = Table(database, book)
    table.do("judge", {"answer": "good"})
    table.do("aside")
    assert table.run().row.finished_at == T
    table.runs.again(PROVINCE, table.run_id, "judge", reason="xem lại", now=after(minutes=5))
    assert table.states() == {"judge": "waiting", "clean": "waiting", "aside": "done"}
    assert table.run().row.finished_at is None
    table.do("judge", {"answer": "bad"})
    assert table.states()["clean"] == "waiting"


def test_an_action_that_the_platform_does_by_itself(database):
    """The case moves without a person; a report that cannot be made has failed, and says why."""
    book = playbook(
        step("move_on", "action", action="move", to="verify", auto=True),
        step("write", "action", action="make_report", form="mau-03", auto=True),
    )
    table = Table(database, book)
    table.engine.work(T)
    assert table.desk.find(PROVINCE, table.case_id).summary.row.status == "verify"
    assert table.states() == {"move_on": "done", "write": "failed"}
    assert "thiếu: Mô tả sơ bộ về sự cố" in table.row("write").note
    assert table.engine.work(T) == 0  # it waits for a person and is not tried for ever


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(commit: int) -> Iterator[None]:
    """The ``commit``-th commit from now on does not happen any more, and the process ends there."""
    left = [commit]

    def dying(_: Session) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    event.listen(Session, "before_commit", dying)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        event.remove(Session, "before_commit", dying)


def look_for(table: Table, first: int, last: int) -> None:
    for minutes in range(first, last):
        release_expired_steps(table.database, after(minutes=minutes))
        table.engine.work(after(minutes=minutes))


@pytest.mark.parametrize("commit", range(1, 18))
def test_an_end_between_any_two_steps_leaves_each_effect_once(database, commit):
    """One document, one child run, one move; whichever transaction dies, the next look goes on."""
    inner = playbook(step("look", "wait", minutes=1), name="inner-one")
    book = playbook(
        step("move_on", "action", action="move", to="verify", auto=True),
        step("call", "playbook", playbook="inner-one"),
        step("write", "action", action="make_report", form="mau-03", auto=True),
        step("rest", "wait", minutes=1),
    )
    table = Table(database, book, inner)
    facts = {"outline": "Tệp bị mã hóa.", "notified_to": ["coordinator"]}
    table.desk.fill(PROVINCE, table.case_id, facts, now=T)
    with killed_at(commit):
        look_for(table, 0, 5)
    look_for(table, 10, 60)
    view = table.desk.find(PROVINCE, table.case_id)
    assert set(table.states().values()) == {"done"}
    assert len(view.documents) == 1
    assert [one.row.playbook_id for one in view.runs] == ["small-one", "inner-one"]
    assert len([line for line in view.log if line.kind == "status"]) == 1
