"""``soc response`` over a site of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import update
from typer.testing import CliRunner

from soc.cli.response import app
from soc.errors import Conflict, FormError, NotAllowed, NotFound
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.migrate import upgrade
from soc.records.responses import ResponseCommandRow, ResponseResultRow
from tests.response.lab import AN

ISOLATE = ["ask", "isolate_host", "--agent", "ag-1", "--reason", "mã độc", "--parameters"]
RAW = b'{"state":"done"}'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A migrated site with one agent."""
    monkeypatch.setenv("SOC_HOME", str(tmp_path))
    upgrade(url := f"sqlite:///{tmp_path / 'soc.sqlite'}")
    made = Database(url)
    with made.write(AN) as session:
        session.add(
            AgentRow(
                id="ag-1", name="ws-01", public_key=bytes(32), agency_id="a-sxd",
                enrolled_at=datetime.now(UTC),
            )
        )  # fmt: skip
    yield made
    made.close()


def soc(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(*arguments: str) -> list[dict[str, object]]:
    done = soc(*arguments, "--json")
    assert done.exception is None, done.exception
    return [json.loads(line) for line in done.output.splitlines()]


def test_asked_once_and_never_approved_by_the_same_person(site: Database, tmp_path: Path):
    """One person at the keyboard is not two; the same key asks once; the key file is the owner's alone."""
    [command] = said(*ISOLATE, '{"seconds": 600}', "--key", "k1")
    assert (command["state"], command["host"], command["in_force"]) == ("waiting", "ws-01", False)
    assert said(*ISOLATE, '{"seconds": 600}', "--key", "k1") == [command]
    assert isinstance(soc(*ISOLATE, '{"seconds": 700}', "--key", "k1").exception, Conflict)
    assert isinstance(soc("approve", str(command["id"])).exception, NotAllowed)
    assert (tmp_path / "keys" / "command.key").stat().st_mode & 0o777 == 0o600


def test_taken_back_before_anybody_fetched_it(site: Database):
    [command] = said(*ISOLATE, '{"seconds": 600}')
    assert soc("cancel", str(command["id"]), "--reason", "nhầm máy").exit_code == 0
    assert [one["state"] for one in said("list")] == ["cancelled"]
    assert "nhầm máy" in soc("show", str(command["id"])).output
    again = soc("cancel", str(command["id"]), "--reason", "nhầm máy")
    assert isinstance(again.exception, Conflict)


def test_a_measure_is_listed_shown_with_its_evidence_and_undone(site: Database, tmp_path: Path):
    """The answers come out byte for byte."""
    [command] = said(*ISOLATE, '{"seconds": 600}')
    digest = hashlib.sha256(RAW).hexdigest()
    with site.write(AN) as session:
        session.execute(update(ResponseCommandRow).values(state="done", document=b"x"))
        session.add(
            ResponseResultRow(
                id="r1", command_id=str(command["id"]), agent_id="ag-1", agency_id="a-sxd",
                received_at=datetime.now(UTC), state="done", sha256=digest, raw=RAW,
            )
        )  # fmt: skip
    assert [(one["id"], one["in_force"]) for one in said("measures")] == [(command["id"], True)]
    out = tmp_path / "out"
    assert soc("show", str(command["id"]), "--out", str(out)).exit_code == 0
    assert [one.read_bytes() for one in out.iterdir()] == [RAW]
    [undo] = said("undo", str(command["id"]), "--reason", "sạch")
    assert (undo["verb"], undo["measure_id"], undo["state"]) == ("undo", command["id"], "queued")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"seconds": 1}', '{"seconds": "600"}', '{"a": 1}', "7"]
)
def test_wrong_parameters_are_named(site: Database, text: str):
    assert isinstance(soc(*ISOLATE, text).exception, FormError)
    assert said("list") == []


def test_what_is_not_there_is_said(site: Database):
    for verb in (["show", "rc-gone"], ["approve", "rc-gone"], ["undo", "rc-gone", "--reason", "x"]):
        assert isinstance(soc(*verb).exception, NotFound)
