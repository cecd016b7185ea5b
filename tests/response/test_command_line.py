"""``soc response`` over a site of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.migrate import upgrade
from tests.response.lab import AN

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A migrated site with one agent."""
    upgrade(url := f"sqlite:///{tmp_path / 'soc.sqlite'}")
    database = Database(url)
    with database.write(AN) as session:
        session.add(
            AgentRow(
                id="ag-1", name="ws-01", public_key=bytes(32), agency_id="a-sxd",
                enrolled_at=datetime.now(UTC),
            )
        )  # fmt: skip
    database.close()
    return tmp_path


def soc(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "soc.cli.main", "response", *arguments]
    environment = os.environ | {"SOC_HOME": str(site), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_asked_listed_refused_and_taken_back(site: Path):
    """One person at the keyboard cannot be two; a wrong parameter is named; exit codes mean something."""
    isolate = ["ask", "isolate_host", "--agent", "ag-1", "--reason", "mã độc"]
    asked = soc(site, *isolate, "--parameters", '{"seconds": 600}', "--key", "k1", "--json")
    assert asked.returncode == 0, asked.stderr
    command = json.loads(asked.stdout)
    assert (command["state"], command["host"], command["in_force"]) == ("waiting", "ws-01", False)
    again = soc(site, *isolate, "--parameters", '{"seconds": 600}', "--key", "k1", "--json")
    assert json.loads(again.stdout)["id"] == command["id"]
    own = soc(site, "approve", command["id"])
    assert (own.returncode, "has not asked" in own.stderr) == (2, True)
    wrong = soc(site, *isolate, "--parameters", '{"seconds": 1}')
    assert (wrong.returncode, "seconds" in wrong.stderr) == (2, True)
    back = soc(site, "cancel", command["id"], "--reason", "nhầm máy")
    assert back.returncode == 0, back.stderr
    listed = [json.loads(line) for line in soc(site, "list", "--json").stdout.splitlines()]
    assert [(one["id"], one["state"]) for one in listed] == [(command["id"], "cancelled")]
    assert soc(site, "measures").stdout == ""
    assert "nhầm máy" in soc(site, "show", command["id"]).stdout
    assert (site / "keys" / "command.key").stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_is_said(site: Path):
    gone = soc(site, "show", "rc-gone")
    assert (gone.returncode, "no command 'rc-gone'" in gone.stderr) == (2, True)
