"""Fixtures for the tests of detection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.detect.builders import Judged


@pytest.fixture
def judged(tmp_path: Path) -> Callable[..., Judged]:
    """Make a rule from a selection (or a whole detection) and ask it about events."""

    def make(
        detection: Mapping[str, Any], placeholders: Mapping[str, Sequence[str]] = {}
    ) -> Judged:
        return Judged(tmp_path / "rules", detection, placeholders)

    return make


@pytest.fixture(scope="session")
def corpus_packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the corpus tests keep compiled rules, so that SigmaHQ's are compiled once."""
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="session")
def sigmahq(corpus: Path) -> list[str | Path]:
    """The options that load all of SigmaHQ's rules."""
    folders = ("rules", "rules-emerging-threats", "rules-threat-hunting")
    return [option for name in folders for option in ("--rules", corpus / "sigma" / name)]
