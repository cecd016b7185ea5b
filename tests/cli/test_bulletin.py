"""``soc bulletin``: from a file to the agencies, on the command line."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli import bulletin as commands
from soc.cli.opening import site_database
from soc.errors import NotAllowed
from soc.model.scope import Scope
from soc.records.register import AgencyRow
from tests.cli.test_rules_import import site  # noqa: F401 (a fixture for every test)
from tests.report.bulletins.test_written import VPN


def run(*arguments: str) -> list[str]:
    done = CliRunner().invoke(commands.app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_a_file_becomes_mails_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("SOC_HOME", str(home))
    database = site_database()
    with database.write(Scope.province("test")) as session:
        session.add(AgencyRow(id="sxd", code="H99.08", name="Sở Xây dựng", email="sxd@x.example"))
    database.close()
    file = tmp_path / "vpn.md"
    file.write_text(VPN, encoding="utf-8")
    assert run("write", str(file))[0].startswith("BT-")
    (listed,) = map(json.loads, run("list", "--json"))
    key = listed["id"]
    written = run("preview", key, "--out", str(tmp_path / "xem"))
    mail = message_from_bytes(Path(written[0]).read_bytes(), policy=default)
    assert key in mail["Subject"]
    assert [Path(path).suffix for path in written] == [".eml", ".pdf", ".json"]
    run("write", str(file), "--instead-of", key)
    run("submit", key)
    with pytest.raises(NotAllowed):
        run("approve", key)
    monkeypatch.setattr("soc.cli.opening.operator", lambda: Scope.province("cli:nguoi-khac"))
    assert run("approve", key) == [
        f"{key} goes to 1 agencies; no mail leaves before SOC_MAIL_HOST is set"
    ]
    run("answer", key, "sxd", "fixed", "--note", "đã lên bản 7.4.3")
    summary, agency = map(json.loads, run("show", key, "--json"))
    assert (summary["state"], summary["fixed"], summary["agencies"]) == ("sent", 1, 1)
    assert (agency["agency"], agency["answer"], agency["note"]) == (
        "Sở Xây dựng",
        "fixed",
        "đã lên bản 7.4.3",
    )
    run("close", key, "--reason", "xong")
    assert "closed" in run("list")[0]
    assert "1/1 acknowledged, 1 fixed" in run("list")[0]
