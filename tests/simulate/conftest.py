"""The shipped rules, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc.detect.packs import Pack, compile_pack
from soc.shipped import folder


@pytest.fixture(scope="session")
def pack_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiled rules are kept, for the commands under test too."""
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="session")
def pack(pack_cache: Path) -> Pack:
    return compile_pack([folder("rules")], mapping="ecs", cache=pack_cache)
