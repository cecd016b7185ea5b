"""``soc users`` and ``soc audit``, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli import audit, users
from soc.errors import FormError, SettingsError


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a verb on a site of its own; gives exit code and lines."""
    monkeypatch.setenv("SOC_HOME", str(tmp_path))

    def run(app, *words: str) -> tuple[int, list[str]]:
        done = CliRunner().invoke(app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout.splitlines()

    return run


def test_an_account_is_made_and_listed(typed):
    """The one-time password is shown once."""
    code, said = typed(users.app, "add", "ha", "--role", "analyst", "--full-name", "Trực ca 1")
    assert (code, len(said)) == (0, 1)
    _, listed = typed(users.app, "list", "--json")
    facts = json.loads(listed[0])
    assert (facts["name"], facts["role"], facts["agencies"]) == ("ha", "analyst", None)
    assert facts["must_change"] is True


def test_a_wrong_role_is_told_with_the_roles_there_are(typed):
    """The remedy is in the sentence."""
    with pytest.raises(FormError, match="the roles are analyst, "):
        typed(users.app, "add", "ha", "--role", "boss")


def test_a_disabled_account_is_marked(typed):
    """And may be let in again."""
    typed(users.app, "add", "ha", "--role", "analyst")
    typed(users.app, "disable", "ha")
    assert typed(users.app, "list")[1][0].endswith("disabled")
    typed(users.app, "enable", "ha")
    assert not typed(users.app, "list")[1][0].endswith("disabled")


def test_the_acts_are_in_the_audit_log_and_the_chain_holds(typed):
    """In the name of whoever sits at the keyboard."""
    typed(users.app, "add", "ha", "--role", "analyst")
    typed(users.app, "reset", "ha")
    _, rows = typed(audit.app, "list", "--json")
    assert [json.loads(row)["action"] for row in rows] == ["account.reset", "account.add"]
    assert json.loads(rows[0])["actor"].startswith("cli:")
    code, said = typed(audit.app, "verify")
    assert (code, said[0].split(";")[0]) == (0, "The chain of 2 rows holds")


def test_a_seal_that_is_gone_is_a_finding(typed):
    """Exit code 1: a problem it was asked to look for."""
    typed(users.app, "add", "ha", "--role", "analyst")
    code, said = typed(audit.app, "verify", "--seal", "0" * 64)
    assert code == 1
    assert "no longer there" in said[0]


def test_without_a_site_there_is_a_plain_sentence(typed, monkeypatch: pytest.MonkeyPatch):
    """With what to do."""
    monkeypatch.setenv("SOC_HOME", "/nonexistent/site")
    with pytest.raises(SettingsError, match="start one with `soc up`"):
        typed(users.app, "list")
