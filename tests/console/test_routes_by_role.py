"""Every route × every role × one's own, another agency's and nobody's things, against the table ``routes.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy import select

from soc.access.roles import shipped_roles
from soc.normalise.yaml_text import load_yaml
from soc.records.alerts import AlertRow
from soc.records.cases import CaseLogRow, CaseRow, PlaybookStepRow
from soc.records.outbox import OutboxRow
from soc.records.responses import ResponseCommandRow
from tests.console.two_agencies import EVERYBODY, MINE, OTHER, SECRET, Person, Site

ROLES = tuple(shipped_roles().names())
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Row(BaseModel):
    """A line of the table."""

    model_config = ConfigDict(extra="forbid")

    needs: str
    others: str
    form: dict[str, Any] | None = None
    json_: dict[str, Any] | None = None
    query: str = ""


def read_table() -> dict[str, Row]:
    table = load_yaml((Path(__file__).parent / "routes.yaml").read_bytes())
    renamed = {
        route: {("json_" if name == "json" else name): value for name, value in row.items()}
        for route, row in table.items()
    }
    return TypeAdapter(dict[str, Row]).validate_python(renamed)


TABLE = read_table()
BEHIND_PERMISSION = {
    route: row for route, row in TABLE.items() if row.needs in shipped_roles().permissions
}
HIDDEN = [route for route, row in TABLE.items() if row.others == "hidden"]
LEFT_OUT = [route for route, row in TABLE.items() if row.others == "left_out"]


@dataclass(frozen=True)
class World:
    site: Site
    people: Mapping[str, Person]
    of: Mapping[str | None, Mapping[str, str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A person of each role, and one with every permission but a single agency."""
    yield from small_world(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def busy_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Another one, for acts that succeed: the lists of the first stay short."""
    yield from small_world(tmp_path_factory.mktemp("busy"))


def small_world(home: Path) -> Iterator[World]:
    site = Site(home)
    people = {
        role: site.person(
            role.replace("_", "-"), role, [MINE] if shipped_roles().get(role).of_agencies else None
        )
        for role in ROLES
    }
    people["narrow"] = site.person("narrow", "administrator", [MINE])
    yield World(site, people, {key: site.things(key) for key in SECRET})
    site.close()


def filled(value: Any, things: Mapping[str, str]) -> Any:
    """The body with its keys put in."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: things[found[1]], value)
    if isinstance(value, list):
        return [filled(each, things) for each in value]
    if isinstance(value, dict):
        return {name: filled(each, things) for name, each in value.items()}
    return value


def ask(browser: TestClient, route: str, things: Mapping[str, str], *, csrf: str = "") -> Response:
    """Send a request that is in order but for who sends it."""
    row, (method, path) = TABLE[route], route.split(" ")
    headers = {"X-CSRF-Token": csrf} if method in UNSAFE and csrf else {}
    return browser.request(
        method,
        filled(path + row.query, things),
        data=filled(row.form, things),
        json=filled(row.json_, things),
        headers=headers,
    )


def ask_as(world: World, who: str, route: str, things: Mapping[str, str]) -> Response:
    person = world.people[who]
    return ask(person.browser, route, things, csrf=person.csrf)


def routes_of(site: Site) -> set[str]:
    """Method and path of all that the application answers to."""
    found = set()
    for context in iter_route_contexts(site.app.routes):
        methods = getattr(context, "methods", None) or {"GET"}  # a mount has none
        found |= {f"{method} {context.path}" for method in methods if method != "HEAD"}
    return found


def test_every_route_has_a_row_and_every_row_a_route(world: World):
    """A new route without a row fails here, and so does a row whose route is gone."""
    routes = routes_of(world.site)
    assert sorted(routes - set(TABLE)) == [], "routes without a row in routes.yaml"
    assert sorted(set(TABLE) - routes) == [], "rows without a route"


def test_the_table_uses_known_words():
    """A slip of the pen would make a test of nothing."""
    needs = {*shipped_roles().permissions, "public", "account", "signed_in"}
    assert {row.needs for row in TABLE.values()} <= needs
    assert {row.others for row in TABLE.values()} == {"hidden", "left_out", "none"}


def test_every_path_with_a_key_in_it_hides_what_is_others(world: World):
    """A key in the address is always somebody's."""
    keyed = {route for route in TABLE if "{" in route}
    assert keyed <= set(HIDDEN)


@pytest.mark.parametrize("route", [route for route, row in TABLE.items() if row.needs != "public"])
def test_a_stranger_is_asked_who_they_are(world: World, route: str):
    """Pages lead to the sign-in page, the API answers 401."""
    reply = ask(world.site.stranger(), route, world.of[MINE])
    if "/api/" in route:
        assert reply.status_code == 401
    else:
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/sign-in?next=")


@pytest.mark.parametrize("route", [route for route, row in TABLE.items() if row.needs == "public"])
def test_a_public_route_asks_nobody(world: World, route: str):
    """And shows nothing of any agency. A form without its token is refused all the same."""
    reply = ask(world.site.stranger(), route, {})
    form = route in ("POST /sign-in", "POST /preferences")
    assert (reply.status_code == 403) == form
    assert not any(word in reply.text for word in SECRET.values())


@pytest.mark.parametrize("route", BEHIND_PERMISSION)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_what_its_permissions_say_and_no_more(world: World, role: str, route: str):
    """403 without the permission; with it, the route itself answers."""
    permitted = TABLE[route].needs in shipped_roles().get(role).permissions
    reply = ask_as(world, role, route, world.of[MINE])
    assert reply.status_code < 500
    assert reply.status_code != 401
    assert not reply.headers.get("location", "").startswith("/sign-in")
    assert (reply.status_code == 403) != permitted


@pytest.mark.parametrize(
    "route",
    [r for r, row in TABLE.items() if row.needs in ("signed_in", "account") and r[:3] == "GET"],
)
@pytest.mark.parametrize("role", ROLES)
def test_ones_own_account_is_open_to_every_role(world: World, role: str, route: str):
    """Whatever the role."""
    reply = ask_as(world, role, route, {})
    # the one API route of these is for bearer tokens too, but a browser's session opens it as well
    assert reply.status_code == 200


@pytest.mark.parametrize("route", [r for r in TABLE if r.split(" ")[0] in UNSAFE])
def test_no_form_without_its_token(world: World, route: str):
    """With a session, every unsafe request must repeat the token that only our pages know."""
    if route == "POST /api/v1/session":  # uses no cookie: the password is in the body
        return
    person = world.people["administrator"]
    assert ask(person.browser, route, world.of[MINE]).status_code == 403


@pytest.mark.parametrize("route", HIDDEN)
@pytest.mark.parametrize("whose", [OTHER, None], ids=["another agency's", "nobody's"])
def test_what_is_others_is_not_there(world: World, route: str, whose: str | None):
    """404 as if it did not exist, with every permission but another scope; nothing of it is told."""
    reply = ask_as(world, "narrow", route, world.of[whose])
    assert reply.status_code == 404
    assert SECRET[whose] not in reply.text


@pytest.mark.parametrize("route", HIDDEN)
def test_what_is_ones_own_is_there(busy_world: World, route: str):
    """The same request for one's own things is answered: the table's bodies are in order."""
    reply = ask_as(busy_world, "narrow", route, busy_world.site.things(MINE))
    assert reply.status_code in (200, 201, 202, 303, 400, 409)


@pytest.mark.parametrize("route", LEFT_OUT)
def test_lists_leave_out_what_is_others(world: World, route: str):
    """Neither the words of another agency nor those of nobody's things."""
    reply = ask_as(world, "narrow", route, {})
    assert reply.status_code == 200
    assert SECRET[OTHER] not in reply.text
    assert SECRET[None] not in reply.text


@pytest.mark.parametrize("route", LEFT_OUT)
def test_lists_show_the_whole_province_to_whoever_may_see_it(world: World, route: str):
    """The words are there to be left out."""
    assert SECRET[OTHER] in ask_as(world, "administrator", route, {}).text


def state_of(site: Site, agency_id: str | None) -> list[Any]:
    """All that acts could change of an agency's things."""
    with site.database.session(EVERYBODY) as session:
        return [
            *session.execute(
                select(AlertRow.id, AlertRow.status, AlertRow.assignee, AlertRow.case_id).where(
                    AlertRow.agency_id == agency_id
                )
            ),
            *session.execute(
                select(CaseRow.id, CaseRow.status, CaseRow.serious, CaseRow.facts).where(
                    CaseRow.agency_id == agency_id
                )
            ),
            *session.execute(
                select(PlaybookStepRow.id, PlaybookStepRow.state).where(
                    PlaybookStepRow.agency_id == agency_id
                )
            ),
            *session.execute(
                select(CaseLogRow.id, CaseLogRow.text).where(CaseLogRow.agency_id == agency_id)
            ),
            *session.execute(
                select(ResponseCommandRow.id, ResponseCommandRow.state).where(
                    ResponseCommandRow.agency_id == agency_id
                )
            ),
            *session.execute(
                select(OutboxRow.id, OutboxRow.state).where(OutboxRow.agency_id == agency_id)
            ),
        ]


@pytest.mark.parametrize("whose", [OTHER, None], ids=["another agency's", "nobody's"])
def test_no_act_changes_what_is_others(world: World, whose: str | None):
    """Every unsafe route is tried on things of others; afterwards they are as they were."""
    things = world.site.things(whose)
    before = state_of(world.site, whose)
    assert len(before) > 5
    for route in HIDDEN:
        ask_as(world, "narrow", route, things)
    assert state_of(world.site, whose) == before


@pytest.mark.parametrize("agency_id", [OTHER, "unknown"])
def test_nobody_opens_a_case_for_another_agency(world: World, agency_id: str):
    """A report by telephone names its agency; it must be one's own."""
    person = world.people["narrow"]
    body = {"title": "x", "detected_at": "2026-11-22T07:00:00Z", "agency_id": agency_id}
    reply = person.browser.post("/api/v1/cases", json=body, headers={"X-CSRF-Token": person.csrf})
    assert reply.status_code in (400, 403, 404)
