"""A seeded site is written once; tests that only look share it, those that act get a copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from soc.console.app import create_app
from tests.console.seed import PASSWORD, Site, close_site, make_site, open_site


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a whole site that nobody has open, and its incident."""
    home = tmp_path_factory.mktemp("written")
    return home, make_site(home)


@pytest.fixture(scope="module")
def site(written: tuple[Path, str]) -> Iterator[Site]:
    """To look at."""
    made = open_site(*written)
    yield made
    close_site(made)


@pytest.fixture(scope="module")
def app(site: Site) -> FastAPI:
    return create_app(site.parts)


@pytest.fixture
def own_site(written: tuple[Path, str], tmp_path: Path) -> Iterator[Site]:
    """To act on."""
    home = tmp_path / "site"
    shutil.copytree(written[0], home)
    made = open_site(home, written[1], writable=True)
    yield made
    close_site(made)


def signed_in(app: FastAPI, name: str = "thuha", language: str = "vi") -> TestClient:
    """A browser whose session is open; each call is a browser of its own."""
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.cookies.set("soc_language", language)
    client.get("/sign-in")
    answer = client.post(
        "/sign-in",
        data={"name": name, "password": PASSWORD, "csrf": client.cookies["soc_form"], "next": "/"},
    )
    assert answer.status_code == 303, answer.text
    return client
