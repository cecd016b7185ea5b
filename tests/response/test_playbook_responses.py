"""A playbook that isolates machines through their agents and lifts it again: with a real door and agents."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from soc.errors import Conflict, NotFound
from soc.model.case import StepState
from soc.model.scope import Scope
from soc.respond.playbook_effects import PlaybookEffects
from soc.respond.playbook_place import StepMoved
from tests.respond.builders import PROVINCE
from tests.respond.playbook_builders import Table, asks, playbook, step
from tests.response.lab import BINH, Lab
from tests.response.test_response_commands import Counted

ISOLATE = {"do": "isolate_host", "on": "hosts", "parameters": {"seconds": 600}}
BOOK = playbook(
    step(
        "cut",
        "action",
        action="respond",
        respond=ISOLATE,
        inputs=[asks("hosts")],
        on_failure="call",
    ),
    step("call"),
    step("free", "action", action="undo", undoes="cut"),
)


@pytest.fixture
def counted(lab: Lab, tmp_path):
    action = Counted()
    made = lab.agent(tmp_path / "ws-01", actions={"isolate_host": action})
    yield made, action
    made.link.close()


def now() -> datetime:
    return datetime.now(UTC)


def work_until(table: Table, agent, name: str, state: str) -> None:
    until = time.monotonic() + 20
    while table.row(name).state != state:
        assert time.monotonic() < until, table.states()
        agent.turn()
        table.engine.work(now())
        time.sleep(0.02)


def test_machines_are_cut_off_and_freed_by_their_playbook(lab: Lab, counted):
    """A second person approves where responses are approved; the step follows the agent's answers."""
    agent, action = counted
    table = Table(lab.database, BOOK, responses=lab.desk)
    table.do("cut", {"hosts": "ws-01"}, now=now())
    [command_id] = table.row("cut").result["command_ids"]
    assert (table.row("cut").state, lab.state(command_id)) == ("pending", "waiting")
    lab.desk.approve(BINH, command_id, now())
    work_until(table, agent, "cut", "done")
    assert table.row("cut").result["hosts_by_state"] == {"ws-01": "done"}
    assert (action.acts, table.row("call").state) == ([command_id], "skipped")
    table.do("free", now=now())
    work_until(table, agent, "free", "done")
    assert action.acts == [command_id, "undo"]
    assert lab.desk.measures(PROVINCE, now()) == []
    assert table.run().row.finished_at is not None


def test_a_machine_that_nobody_lets_act_opens_what_is_for_a_failure(lab: Lab, counted):
    """The command is taken back; the step says which machine did not do it."""
    table = Table(lab.database, BOOK, responses=lab.desk)
    table.do("cut", {"hosts": "ws-01"}, now=now())
    [command_id] = table.row("cut").result["command_ids"]
    lab.desk.cancel(BINH, command_id, "nhầm máy", now())
    table.engine.work(now())
    assert (table.row("cut").state, table.row("cut").note) == (
        "failed",
        "0/1 máy đã làm; chưa: ws-01 (cancelled)",
    )
    table.do("call", now=now())
    assert table.states() == {"cut": "failed", "call": "done", "free": "waiting"}


def test_a_machine_outside_the_scope_is_none(lab: Lab, counted):
    """An officer of one agency cuts off nobody else's machine; the step stays with the person."""
    table = Table(lab.database, BOOK, responses=lab.desk)
    officer = Scope.of("sxd", actor="officer")
    with pytest.raises(NotFound, match="ws-01"):
        table.do("cut", {"hosts": "ws-01"}, now=now(), scope=officer)
    assert table.row("cut").state == "running"
    assert lab.desk.all(PROVINCE) == []


def test_who_comes_second_with_the_same_step_fails_nothing(lab: Lab, counted):
    """Two clicks at one moment: the second is refused, and the step goes on with the first one's asking."""
    table = Table(lab.database, BOOK, responses=lab.desk)
    table.do("cut", {"hosts": "ws-01"}, now=now())
    effects = PlaybookEffects(lab.database, table.reports, lab.desk)
    with pytest.raises(StepMoved):
        effects.perform(
            PROVINCE, table.run_id, "cut",
            state=StepState.RUNNING, clean={}, note="", now=now(),
        )  # fmt: skip
    assert table.row("cut").state == "pending"
    assert len(lab.desk.all(PROVINCE)) == 1


class Dies(Exception):
    """The process ends between two transactions."""


@pytest.mark.parametrize("at", ["before the asking", "after the asking"])
def test_agents_are_asked_once_whatever_dies_in_between(lab: Lab, counted, monkeypatch, at):
    """The step stands with the agents' ids before they are asked, and the key is the same on the second try."""
    table = Table(lab.database, BOOK, responses=lab.desk)
    table.runs.begin(PROVINCE, table.run_id, "cut", now=now())
    real = type(lab.desk).ask

    def dying(self, *args, **more):
        if at == "after the asking":
            real(self, *args, **more)
        raise Dies

    with monkeypatch.context() as patch:
        patch.setattr(type(lab.desk), "ask", dying)
        with pytest.raises(Dies):
            table.runs.finish(
                PROVINCE, table.run_id, "cut", result={"hosts": "ws-01"}, note="", now=now()
            )
    assert "command_ids" not in table.row("cut").result
    table.engine.work(now())
    assert len(lab.desk.all(PROVINCE)) == 1
    assert table.row("cut").result["command_ids"] == [lab.desk.all(PROVINCE)[0].id]


def test_without_a_response_desk_nothing_is_promised(database):
    """A process that cannot ask says so, and the step stays."""
    effects = PlaybookEffects(database, None, None)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="asks nothing of agents"):
        effects.whole(PROVINCE, BOOK.model_dump(mode="json")["steps"][0], {"hosts": "ws-01"})
