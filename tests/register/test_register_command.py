"""``soc register``, as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.cli import register
from tests.register.conftest import SMALL

Write = Callable[..., Path]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the verb on a site of its own; gives exit code and text."""
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("SOC_HOME", str(tmp_path / "site"))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(register.app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return run


def test_a_good_file_is_checked_with_its_size(typed, written: Write):
    """Exit code 0."""
    code, said = typed("check", str(written(SMALL)))
    assert code == 0
    assert "no problem in 2 agencies, 1 contacts, 1 systems, 1 assets, 2 ranges" in said


def test_two_overlapping_ranges_are_refused_and_both_named(typed, written: Write):
    """Exit code 1, file and line of both."""
    code, said = typed("check", str(written(SMALL + "- cidr: 10.14.9.0/24\n  agency: syt\n")))
    assert code == 1
    assert "10.14.9.0/24 of syt overlaps the range 10.14.0.0/16 of sxd" in said


def test_an_export_imports_as_nothing_to_change(typed, written: Write, tmp_path: Path):
    """There and back."""
    assert "The register is now at version 1." in typed("import", str(written(SMALL)))[1]
    typed("export", str(tmp_path / "out.yaml"))
    assert "Nothing to change" in typed("import", str(tmp_path / "out.yaml"))[1]
    assert typed("export")[1] == (tmp_path / "out.yaml").read_text("utf-8")


def test_the_report_counts_what_is_not_known(typed, written: Write):
    """Of a file, and of the site's records."""
    path = written(SMALL)
    of_file = json.loads(typed("report", str(path), "--json")[1])
    typed("import", str(path))
    assert json.loads(typed("report", "--json")[1]) == of_file
    assert of_file["systems_without"]["decision"] == ["HT-011"]
    assert "without decision: 1  HT-011" in typed("report")[1]
