"""A lab whose door listens on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.agent.commands import Commands
from soc.records.database import Database
from tests.receive.builders import use_plain_reader
from tests.response.lab import Lab


@pytest.fixture
def lab(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    use_plain_reader(monkeypatch.setattr)
    made = Lab(tmp_path, database)
    made.start()
    yield made
    made.close()


@pytest.fixture
def agent(lab: Lab, tmp_path: Path) -> Iterator[Commands]:
    """One enrolled agent of agency a-sxd, whose turns the test calls."""
    made = lab.agent(tmp_path / "ws-01")
    yield made
    made.link.close()
