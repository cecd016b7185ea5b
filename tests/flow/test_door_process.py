"""The door as a real process: it drains on SIGTERM, takes new rules without a pause, and replays when asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from soc.detect.current import publish
from soc.detect.packs import compile_pack
from soc.receive.enrolment import REVOKED_WITHIN_SECONDS, revoke
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import BatchRow, SetAsideRow, SignalRow
from soc.records.jobs import HeartbeatRow
from tests.flow.real_processes import PROVINCE, ROOT, RULE, Site, wait_for
from tests.flow.test_kill import record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One door for all tests; each has an agent of its own."""
    made = Site.prepare(tmp_path_factory.mktemp("door") / "site")
    made.start_door()
    try:
        made.wait_for_door()
        yield made
    finally:
        made.stop()


@dataclass
class Source:
    """A file that a running agent tails, and what the door has of it."""

    site: Site
    path: Path
    agent: str  # its id

    def write(self, *numbers: int) -> None:
        with self.path.open("ab") as file:
            file.writelines(record(number) + b"\n" for number in numbers)

    def acknowledged(self) -> int:
        mine = (row for row in rows(self.site, StreamRow) if row.agent_id == self.agent)
        return sum(row.records for row in mine if row.name.startswith("file:"))

    def batches(self) -> list[BatchRow]:
        return [row for row in rows(self.site, BatchRow) if row.agent_id == self.agent]


@pytest.fixture
def source(site: Site, tmp_path: Path) -> Source:
    path = tmp_path / "app.log"
    inputs = [{"kind": "file", "paths": [str(path)], "source": "json_lines"}]
    home = site.enrol(tmp_path.name, inputs)
    site.start_agent(home)
    (agent,) = [row.id for row in rows(site, AgentRow) if row.name == tmp_path.name]
    return Source(site, path, agent)


def rows(site: Site, kind: type) -> list:
    database = site.database()
    with database.session(PROVINCE) as session:
        found = list(session.scalars(select(kind)))
    database.close()
    return found


def soc(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SOC_HOME": str(site.home), "SOC_DOOR_PORT": str(site.port)}
    command = [sys.executable, "-m", "soc.cli.main", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_new_rules_judge_the_next_events(site, source):
    """The door takes them within seconds, without a restart."""
    source.write(100)
    wait_for("the first", lambda: source.acknowledged() == 1)
    rule = site.home / "rules" / "more.yml"
    rule.write_text(
        RULE.replace("0b5f9a0e", "0b5f9a0f").replace("A process says", "A process also says")
    )
    publish(compile_pack([site.home / "rules"]), site.home / "packs")
    numbers = iter(range(200, 20_000, 100))

    def judged_by_both() -> bool:
        seen = source.acknowledged()
        source.write(next(numbers))
        wait_for("one more", lambda: source.acknowledged() > seen)
        return len({row.rules_digest for row in source.batches()}) > 1

    wait_for("the new rules", judged_by_both)
    assert {row.rule_title for row in rows(site, SignalRow)} == {
        "A process says the marker of the test",
        "A process also says the marker of the test",
    }


def test_a_set_aside_record_is_replayed_by_the_door(site, source):
    """What still cannot be read stays, and the command says so by its exit code."""
    source.write(2)
    wait_for("it is set aside", lambda: rows(site, SetAsideRow))
    done = soc(site, "events", "set-aside", "replay", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"stored": 0, "stay": 1}
    listed = soc(site, "events", "set-aside", "list", "--json")
    assert json.loads(listed.stdout)["source"] == "json_lines"


def test_a_revoked_agent_is_shut_out_while_the_door_runs(site, source):
    """Nothing more is stored."""
    source.write(3)
    wait_for("the first", lambda: source.acknowledged() == 1)
    database = site.database()
    revoke(database, PROVINCE, source.agent, datetime.now(UTC))
    database.close()
    time.sleep(2 * REVOKED_WITHIN_SECONDS)
    source.write(4)
    status = site.home / f"agent-{source.path.parent.name}" / "status.json"
    wait_for("the refusal", lambda: status.exists() and b'"401' in status.read_bytes())
    assert source.acknowledged() == 1


def test_the_door_says_that_it_lives(site):
    """Its heartbeat is there for the health page."""
    wait_for("a heartbeat", lambda: rows(site, HeartbeatRow))
    (row,) = [one for one in rows(site, HeartbeatRow) if one.process == "door"]
    assert row.detail["last_error"] == ""
    assert row.detail["refusing"] == ""


def test_a_door_without_rules_takes_nothing(tmp_path):
    """An event that no rule has judged would be a silent miss."""
    site = Site.prepare(tmp_path / "site")
    current = (site.home / "packs" / "current").read_bytes()
    (site.home / "packs" / "current").unlink()
    site.start_door()
    try:
        wait_for("an answer", lambda: (site.home / "keys" / "ca.pem").exists())
        wait_for("its health", lambda: "not compiled" in site.health())
        (site.home / "packs" / "current").write_bytes(current)
        site.wait_for_door()
    finally:
        site.stop()


def test_tokens_and_agents_by_command(site, source):
    """A token is shown, an unknown system is refused, a list names the agents."""
    made = soc(site, "agents", "token", "--uses", "2", "--json")
    assert set(json.loads(made.stdout)) == {"id", "token", "expires_at"}
    refused = soc(site, "agents", "token", "--system", "no-such")
    assert (refused.returncode, refused.stderr) == (2, "soc: no system 'no-such'\n")
    listed = soc(site, "agents", "list", "--json").stdout.splitlines()
    assert source.agent in {json.loads(line)["id"] for line in listed}
    assert soc(site, "agents", "revoke", source.agent).returncode == 0
    assert "revoked" in soc(site, "agents", "show", source.agent).stdout


def test_a_door_that_is_told_to_stop_finishes_what_it_has(site, source):
    """It ends with 0, and no batch is left open."""
    source.write(*range(1, 2001))
    wait_for("a batch", source.batches)
    site.door.send_signal(signal.SIGTERM)
    assert site.door.wait(60) == 0
    still_open = [row for row in source.batches() if not row.done]
    site.start_door()
    site.wait_for_door()
    assert still_open == []
