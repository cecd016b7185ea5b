"""What stands before every route: who is asking, and whether another site made them ask."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Form, Request
from fastapi.responses import JSONResponse, Response
from fastapi.testclient import TestClient
from sqlalchemy import select

from soc.access.desk import AccessDesk
from soc.console.api import session as session_api
from soc.console.deps import SignedIn, current, guard, require
from soc.errors import NotAllowed
from soc.records.accounts import AuditRow
from tests.access.conftest import EVERYBODY, HERE, NOW, PASSWORD, settled_account

SITE = "http://127.0.0.1:8600"


def small_app(access: AccessDesk) -> FastAPI:
    """A page, an act and an API route behind the guard."""
    app = FastAPI()
    guard(app, access, clock=lambda: NOW)
    app.include_router(session_api.router, prefix="/api/v1")

    @app.get("/page")
    def page(who: Annotated[SignedIn, Depends(current)]) -> dict[str, str]:
        return {"account": who.account, "csrf": who.csrf}

    @app.post("/act")
    def act(
        who: Annotated[SignedIn, Depends(require("alerts.act"))],
        word: Annotated[str, Form()] = "",
    ) -> dict[str, str]:
        return {"done": word, "by": who.account}

    @app.post("/api/v1/act")
    def api_act(who: Annotated[SignedIn, Depends(require("alerts.act"))]) -> dict[str, str]:
        return {"by": who.account}

    @app.exception_handler(NotAllowed)
    def refused(request: Request, error: Exception) -> Response:
        return JSONResponse({"reason": str(error)}, 403)

    return app


@pytest.fixture
def browser(access: AccessDesk) -> TestClient:
    return TestClient(small_app(access), base_url=SITE, follow_redirects=False)


def signed_in(browser: TestClient, access: AccessDesk, role: str = "analyst") -> str:
    """Give the browser a session; returns its form token."""
    settled_account(access, role=role)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    browser.cookies.set("soc_session", made.token)
    return made.csrf


def test_a_page_sends_a_stranger_to_the_sign_in_page(browser: TestClient):
    """And remembers where they wanted to go."""
    reply = browser.get("/page?x=1&y=2")
    assert reply.status_code == 303
    assert reply.headers["location"] == "/sign-in?next=/page%3Fx%3D1%26y%3D2"


def test_a_part_of_a_page_sends_the_whole_page_there(browser: TestClient):
    """A 303 would put the sign-in form into the middle of a page."""
    headers = {"HX-Request": "true", "HX-Current-URL": f"{SITE}/alerts?open=CB-1"}
    reply = browser.get("/page", headers=headers)
    assert reply.status_code == 401
    assert reply.headers["hx-redirect"] == "/sign-in?next=/alerts%3Fopen%3DCB-1"


def test_the_api_tells_a_stranger_401(browser: TestClient):
    """As JSON, with the scheme to use."""
    reply = browser.post("/api/v1/act")
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")


def test_a_form_with_its_token_is_taken(browser: TestClient, access: AccessDesk):
    """And the route still reads the form that the guard has read before it."""
    csrf = signed_in(browser, access)
    reply = browser.post("/act", data={"csrf": csrf, "word": "nhận"})
    assert reply.json() == {"done": "nhận", "by": "thuha"}


def test_a_multipart_form_with_its_token_is_taken(browser: TestClient, access: AccessDesk):
    """Forms with files are sent this way."""
    csrf = signed_in(browser, access)
    reply = browser.post("/act", data={"csrf": csrf, "word": "x"}, files={"f": b"bytes"})
    assert reply.json()["done"] == "x"


def test_the_header_serves_as_well_as_the_field(browser: TestClient, access: AccessDesk):
    """Scripts send no form."""
    csrf = signed_in(browser, access)
    assert browser.post("/api/v1/act", headers={"X-CSRF-Token": csrf}).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_a_form_without_the_right_token_is_refused(
    browser: TestClient, access: AccessDesk, token: str
):
    """Another site cannot know it."""
    signed_in(browser, access)
    assert browser.post("/act", data={"csrf": token, "word": "x"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_request_from_another_site_is_refused_even_with_the_token(
    browser: TestClient, access: AccessDesk, headers: dict[str, str]
):
    """The browser itself says where it comes from."""
    csrf = signed_in(browser, access)
    assert browser.post("/act", data={"csrf": csrf}, headers=headers).status_code == 403


def test_our_own_pages_are_no_other_site(browser: TestClient, access: AccessDesk):
    """What a browser sends with a form of ours."""
    csrf = signed_in(browser, access)
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": SITE}
    assert browser.post("/act", data={"csrf": csrf}, headers=headers).status_code == 200


def test_an_endless_form_is_refused(browser: TestClient, access: AccessDesk):
    """Before it fills the memory."""
    signed_in(browser, access)
    parts = (b"x" * 2**20 for _ in range(9))
    assert browser.post("/act", content=parts).status_code == 413


def test_a_role_without_the_permission_gets_403_and_a_row_in_the_audit_log(
    browser: TestClient, access: AccessDesk
):
    """Who wanted what, and where."""
    csrf = signed_in(browser, access, role="auditor")
    assert browser.post("/act", data={"csrf": csrf}).status_code == 403
    with access.database.session(EVERYBODY) as session:
        row = session.scalars(select(AuditRow).where(AuditRow.action == "denied")).one()
    assert (row.actor, row.key, row.text) == ("thuha", "alerts.act", "POST /act")


def test_a_program_signs_in_and_needs_no_form_token(browser: TestClient, access: AccessDesk):
    """A bearer token is no cookie: no other site can make a browser send it."""
    settled_account(access)
    reply = browser.post("/api/v1/session", json={"name": "thuha", "password": PASSWORD})
    assert (reply.status_code, reply.json()["must_change"]) == (201, False)
    headers = {"Authorization": f"Bearer {reply.json()['token']}"}
    assert browser.post("/api/v1/act", headers=headers).json() == {"by": "thuha"}
    assert browser.get("/api/v1/session", headers=headers).json()["role"] == "analyst"
    assert browser.delete("/api/v1/session", headers=headers).status_code == 204
    assert browser.get("/api/v1/session", headers=headers).status_code == 401


def test_a_one_time_password_opens_nothing_but_its_own_change(
    browser: TestClient, access: AccessDesk
):
    """Pages lead to the change; the API says what is owed."""
    one_time = access.accounts.add(EVERYBODY, "lan", role="analyst", agency_ids=None, now=NOW)
    made = access.sign_in("lan", one_time, visitor=HERE, now=NOW)
    browser.cookies.set("soc_session", made.token)
    assert browser.get("/page").headers["location"] == "/account/password"
    reply = browser.get("/api/v1/session")
    assert (reply.status_code, reply.json()["owes"]) == (403, "password")


def test_a_program_changes_a_one_time_password_in_the_same_step(
    browser: TestClient, access: AccessDesk
):
    """For scripts that set a site up."""
    one_time = access.accounts.add(EVERYBODY, "lan", role="analyst", agency_ids=None, now=NOW)
    asked = {"name": "lan", "password": one_time, "new_password": PASSWORD}
    token = browser.post("/api/v1/session", json=asked).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert browser.get("/api/v1/session", headers=headers).json()["account"] == "lan"


def test_a_wrong_password_is_401_and_too_many_are_429(browser: TestClient, access: AccessDesk):
    """With the time to wait."""
    settled_account(access)
    wrong = {"name": "thuha", "password": "wrong"}
    assert [browser.post("/api/v1/session", json=wrong).status_code for _ in range(6)] == [
        *[401] * 5,
        429,
    ]
    assert int(browser.post("/api/v1/session", json=wrong).headers["retry-after"]) > 0


def test_a_bearer_token_outranks_the_cookie(browser: TestClient, access: AccessDesk):
    """A wrong token is not saved by the cookie beside it: the cookie was not checked for forgery."""
    signed_in(browser, access)
    reply = browser.post("/api/v1/act", headers={"Authorization": "Bearer x"})
    assert reply.status_code == 401
