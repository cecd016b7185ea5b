"""The pages of the network as a browser gets them, and their twin on the command line."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import orjson
import pytest
from click.testing import Result
from fastapi import FastAPI
from starlette.testclient import TestClient
from typer.testing import CliRunner

from soc.cli.network import app as app_of_the_shell
from soc.console.app import create_app
from soc.console.translation import LANGUAGES
from soc.errors import NotFound, QueryError
from soc.store.embedded import EmbeddedStore
from tests.console.conftest import signed_in
from tests.console.network_seed import FIREWALL, FLOW, RELAY, SENSOR, fill_network
from tests.console.seed import HOSTILE, Site, close_site, open_site
from tests.console.test_pages import dangers

PAGES = (
    "/network",
    "/network?span=15m",
    "/network?kind=firewall&span=7d",
    f"/network/device?name={FIREWALL}",
    f"/network/device?name={SENSOR}&span=30d",
    "/network/device?name=nobody",
    "/network/flow",
    f"/network/flow?id={quote(FLOW)}",
    "/network/flow?id=nonsense",
)


@pytest.fixture(scope="module")
def home(written: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("network") / "site"
    shutil.copytree(written[0], made)
    return made


@pytest.fixture(scope="module")
def site(home: Path, written: tuple[Path, str]) -> Iterator[Site]:
    made = open_site(home, written[1], writable=True)
    store = made.parts.store
    assert isinstance(store, EmbeddedStore)
    fill_network(made.parts.database, store, made.parts.clock())
    yield made
    close_site(made)


@pytest.fixture(scope="module")
def app(site: Site) -> FastAPI:
    return create_app(site.parts)


@pytest.fixture(scope="module", params=LANGUAGES)
def analyst(app: FastAPI, request: pytest.FixtureRequest) -> TestClient:
    return signed_in(app, "thuha", str(request.param))


@pytest.mark.parametrize("address", PAGES)
def test_every_page_answers_in_both_languages_under_a_strict_csp(analyst: TestClient, address: str):
    answer = analyst.get(address)
    assert answer.status_code in (200, 400, 404)
    assert (answer.status_code == 200) != ("nobody" in address or "nonsense" in address)
    assert answer.headers["content-language"] == analyst.cookies["soc_language"]
    assert dangers(answer.text) == []
    assert "</main>" in answer.text


@pytest.fixture(scope="module")
def english(app: FastAPI) -> TestClient:
    return signed_in(app, "thuha", "en")


def test_the_overview_shows_talkers_verdicts_and_inputs(english: TestClient):
    page = english.get("/network").text
    for word in (
        "Sở Xây dựng",
        "63.5 KB",
        "10.14.8.44",
        RELAY,
        SENSOR,
        "3.5&nbsp;%",
        "blocked: 3",
        "allowed: 2",
    ):
        assert word in page, word


def test_the_choice_of_a_witness_is_kept_in_the_form(english: TestClient):
    page = english.get("/network?kind=firewall").text
    assert '<option value="firewall" selected>' in page


def test_a_flow_says_the_drop_rate_and_leads_to_its_alert(english: TestClient):
    page = english.get(f"/network/flow?id={quote(FLOW)}").text
    assert "3.5&nbsp;%" in page
    assert 'href="/alerts/CB-900001"' in page
    for dataset in ("fortigate.traffic", "sensor.flow", "netflow.flow", "suricata.alert"):
        assert dataset in page


def test_an_event_and_an_alert_lead_to_their_flow(english: TestClient, site: Site):
    wanted = "/network/flow?" + urlencode({"id": FLOW})
    for address in (
        "/alerts/CB-900001",
        "/alerts/CB-900001/flyout",
        f"/events/{_of_the_flow(site)}",
    ):
        page = english.get(address).text
        assert wanted in page, address
    link = page.split('href="/network/flow?')[1].split('"')[0].replace("&amp;", "&")
    assert "fortigate.traffic" in english.get(f"/network/flow?{link}").text


def _of_the_flow(site: Site) -> str:
    from soc.model.scope import Scope

    found = site.parts.store.search(Scope.province(), f'network.community_id:"{FLOW}"', size=1)
    return found.events[0].id


def test_an_officer_sees_the_own_agency_alone(app: FastAPI):
    officer = signed_in(app, "daumoi", "en")
    page = officer.get("/network").text
    assert "Sở Xây dựng" in page
    assert "10.60.0.9" not in page
    assert RELAY not in page
    assert officer.get(f"/network/device?name={RELAY}").status_code == 404


@pytest.mark.parametrize(
    "hostile", [HOSTILE, "\x00", "a\nb", "*", '") OR (*', "%", "1:" + "/" * 27 + "="]
)
def test_hostile_words_in_the_address_are_words(analyst: TestClient, hostile: str):
    for address in (
        f"/network/device?name={quote(hostile)}",
        f"/network/flow?id={quote(hostile)}",
        f"/network?kind={quote(hostile[:20])}&span={quote(hostile[:10])}",
    ):
        answer = analyst.get(address)
        assert answer.status_code in (200, 400, 404), address
        assert dangers(answer.text) == []
        assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "2026-11-24T00:00:00-12:00"]
)
def test_any_time_in_a_link_to_a_flow_is_answered(english: TestClient, at: str):
    assert english.get(f"/network/flow?id={quote(FLOW)}&at={quote(at)}").status_code == 200


def run(home: Path, *words: str) -> Result:
    return CliRunner(env={"SOC_HOME": str(home)}).invoke(app_of_the_shell, list(words))


def test_the_command_line_gives_the_same_figures(site: Site, home: Path):
    done = run(home, "overview", "--json")
    lines = [orjson.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    agencies = [(line["key"], line["bytes"]) for line in lines if line["of"] == "agency"]
    assert agencies == [("sxd", 65_000), ("skhcn", 6_000), ("", 300)]
    assert {"of": "firewalls", "allowed": 2, "blocked": 3} in lines
    assert [line["kernel_lost"] for line in lines if line["of"] == "input"][:1] == [42]
    assert orjson.loads(run(home, "device", FIREWALL, "--json").stdout)["unparsed"] == 2


def test_the_command_line_tells_a_flow_and_what_was_missed(site: Site, home: Path):
    done = run(home, "flow", FLOW)
    assert len(done.stdout.splitlines()) == 4
    assert "CB-900001" in done.stdout
    assert "3.50%" in done.stderr


def test_the_command_line_writes_for_people_too(site: Site, home: Path):
    assert "2 allowed  3 blocked" in run(home, "overview").stdout
    assert "fortigate.traffic  5" in run(home, "device", FIREWALL).stdout


def test_the_command_line_refuses_what_it_does_not_know(site: Site, home: Path):
    """Plain errors of ours; ``soc`` prints them and ends with 2."""
    assert run(home, "overview", "--kind", "rumour").exit_code == 2
    assert isinstance(run(home, "flow", "nonsense").exception, QueryError)
    assert isinstance(run(home, "device", "nobody").exception, NotFound)
