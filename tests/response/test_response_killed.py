"""SIGKILL between any two steps: the effect at most once, and its state known afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from soc.model.response import ResponseAction
from tests.response.agent_alone import commands_in
from tests.response.lab import AN, Lab, now_utc, wait_until

pytestmark = pytest.mark.slow  # real processes that are killed

ROOT = Path(__file__).parents[2]
AROUND = ["before started", "after started", "before answered", "after answered"]
TAKING = ["before rename", "after rename", "before stored", "before unlink", "after unlink"]
RESTORING = ["before restore", "after build", "after link"]


def kill_agent(home: Path, step: str) -> None:
    """Let an agent obey until it is killed at a step."""
    command = [sys.executable, "-m", "tests.response.agent_alone", str(home), step]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


def start_again(lab: Lab, home: Path, command_id: str) -> None:
    """The agent after the kill: it says what it knows of the command, once."""
    agent = commands_in(home)
    agent.settle()
    lab.outcome(agent, command_id)
    agent.turn()
    agent.link.close()
    assert len(lab.desk.results(AN, command_id)) == 1


@pytest.mark.parametrize("step", [*AROUND, *TAKING])
def test_killed_while_a_file_is_taken(lab: Lab, agent, tmp_path, step):
    """The file is in its place or in the store, never in both nor in neither, and the platform knows which."""
    path = tmp_path / "x"
    path.write_bytes(b"the bytes")
    command_id = lab.ask(agent, ResponseAction.QUARANTINE_FILE, {"path": str(path)})
    kill_agent(agent.home, step)
    start_again(lab, agent.home, command_id)
    state, content = lab.state(command_id), agent.home / "measures" / command_id / "content"
    assert state in ("done", "unchanged")
    assert (path.exists(), content.exists()) == (
        (False, True) if state == "done" else (True, False)
    )
    assert (content if state == "done" else path).read_bytes() == b"the bytes"
    assert [one.name for one in tmp_path.glob(".soc-*")] == []
    assert bool(lab.desk.measures(AN, now_utc())) == (state == "done")


@pytest.mark.parametrize("step", ["after started", *RESTORING, "before answered", "after answered"])
def test_killed_while_a_file_is_restored(lab: Lab, agent, tmp_path, step):
    path = tmp_path / "x"
    path.write_bytes(b"the bytes")
    path.chmod(0o640)
    command_id = lab.ask(agent, ResponseAction.QUARANTINE_FILE, {"path": str(path)})
    lab.outcome(agent, command_id)
    undo = lab.desk.undo(AN, command_id, "nhầm", now_utc())
    kill_agent(agent.home, step)
    start_again(lab, agent.home, undo)
    state, content = lab.state(undo), agent.home / "measures" / command_id / "content"
    assert state in ("done", "unchanged")
    assert (path.exists(), content.exists()) == (
        (True, False) if state == "done" else (False, True)
    )
    assert [one.name for one in tmp_path.glob(".soc-*")] == []
    assert bool(lab.desk.measures(AN, now_utc())) == (state == "unchanged")
    if state == "done":
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"the bytes", 0o640)


@pytest.mark.parametrize("step", ["before freeze", "before kill", "after kill"])
def test_killed_while_processes_are_stopped(lab: Lab, agent, step):
    """Who lives is named; nobody is killed by the agent that comes after."""
    from collectors.agent.actions.stop_process import BOOT_ID, known

    with subprocess.Popen(["sleep", "60"]) as process:
        wanted = {
            "pid": process.pid,
            "start_ticks": known(process.pid).start_ticks,
            "boot_id": BOOT_ID.read_text().strip(),
        }
        command_id = lab.ask(agent, ResponseAction.STOP_PROCESS, wanted)
        kill_agent(agent.home, step)
        is_gone = step == "after kill"
        if is_gone:
            wait_until(lambda: process.poll() is not None)
        start_again(lab, agent.home, command_id)
        answer = lab.outcome(agent, command_id)
        assert (lab.state(command_id), process.poll() is not None) == (
            "done" if is_gone else "failed",
            is_gone,
        )
        assert answer["found"]["alive"] == ([] if is_gone else [process.pid])
        assert answer["found"]["frozen"] == ([process.pid] if step == "before kill" else [])
        process.kill()


@pytest.mark.parametrize("step", ["before bundle", "after bundle"])
def test_killed_while_it_collects(lab: Lab, agent, step):
    command_id = lab.ask(agent, ResponseAction.COLLECT_TRIAGE, {})
    kill_agent(agent.home, step)
    start_again(lab, agent.home, command_id)
    assert lab.state(command_id) == "unchanged"
    assert list((agent.home / "measures").glob("*/*.zst")) == []
