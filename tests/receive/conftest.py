"""Fixtures of the door's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.flow import Flow
from soc.records.database import Database
from tests.receive.builders import LogStore, Sender, a_flow, a_sender, use_plain_reader
from tests.receive.doors import Door, open_door


@pytest.fixture
def plain_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    use_plain_reader(monkeypatch.setattr)


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    return LogStore(tmp_path / "events.jsonl")


@pytest.fixture
def sender(database: Database) -> Sender:
    return a_sender(database)


@pytest.fixture
def flow(database: Database, store: LogStore, plain_reader: None) -> Flow:
    return a_flow(database, store)


@pytest.fixture
def door(database: Database, store: LogStore, flow: Flow, tmp_path: Path) -> Iterator[Door]:
    with open_door(database, store, flow, tmp_path) as made:
        yield made
