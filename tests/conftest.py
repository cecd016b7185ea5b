"""Fixtures that every test may use, and the one place that decides about missing components."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.records.database import Database
from tests import elastic_node


def missing(component: str) -> None:
    """Skip because a component is not here; with ``SOC_TEST_REQUIRE=all`` that is a failure."""
    if os.environ.get("SOC_TEST_REQUIRE") == "all":
        pytest.fail(f"{component} is missing, and SOC_TEST_REQUIRE=all wants it")
    pytest.skip(f"{component} is missing")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of public test data, named by ``SOC_CORPUS``."""
    folder = Path(os.environ.get("SOC_CORPUS", ""))
    if not os.environ.get("SOC_CORPUS") or not folder.is_dir():
        missing("the public test data (set SOC_CORPUS to its folder)")
    return folder


@pytest.fixture(scope="session")
def empty_database_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table, made once and copied for each test."""
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    made = Database(f"sqlite:///{path}")
    made.create_all()
    with made.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.close()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database_file: Path) -> Iterator[Database]:
    """An empty database with every table."""
    path = tmp_path / "soc.sqlite"
    shutil.copyfile(empty_database_file, path)
    made = Database(f"sqlite:///{path}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def elastic_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Elasticsearch node: ``SOC_TEST_ELASTIC``, or one started for this session."""
    given = os.environ.get("SOC_TEST_ELASTIC")
    if given:
        yield given
        return
    try:
        node = elastic_node.start(tmp_path_factory.mktemp("elastic"))
    except elastic_node.NodeMissing as error:
        missing(str(error))
        return
    yield node.url
    node.stop()
