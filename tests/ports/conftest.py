"""The stores that the contract of ``EventStore`` is run against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.ports import EventStore
from soc.store.embedded import EmbeddedStore
from tests.elastic_node.stores import make_elastic_store
from tests.store.events import MONTHS


@pytest.fixture(params=["embedded", pytest.param("elastic", marks=pytest.mark.elastic)])
def event_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    """An empty store that may be written to."""
    if request.param == "elastic":
        yield from make_elastic_store(request.getfixturevalue("elastic_url"))
        return
    store = EmbeddedStore(tmp_path / "events", months=MONTHS, writable=True)
    yield store
    store.close()
