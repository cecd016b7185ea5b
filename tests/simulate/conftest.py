"""The shipped rules, compiled once."""

from __future__ import annotations

import pytest

from soc.detect.packs import Pack, compile_pack
from soc.shipped import folder


@pytest.fixture(scope="session")
def pack() -> Pack:
    return compile_pack([folder("rules")], mapping="ecs")
