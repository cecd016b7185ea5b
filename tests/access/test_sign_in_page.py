"""The pages of sign-in, as a browser meets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from fastapi.testclient import TestClient

from soc.access.desk import AccessDesk
from soc.records.accounts import AccountRow
from tests.access.conftest import EVERYBODY, HERE, PASSWORD
from tests.console.two_agencies import NOW, Site

SECRET = re.compile(r'name="secret" value="([A-Z2-7]+)"')


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def new_account(access: AccessDesk, role: str = "analyst") -> str:
    """Make the account lan; returns the one-time password."""
    return access.accounts.add(EVERYBODY, "lan", role=role, agency_ids=None, now=NOW)


def token_of(page: str) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def sign_in(browser: TestClient, password: str, **fields: str):
    page = browser.get("/sign-in")
    fields = {"csrf": token_of(page.text), "name": "lan", "password": password, **fields}
    return browser.post("/sign-in", data=fields)


def test_a_new_person_signs_in_chooses_a_password_and_goes_on(site: Site):
    """The whole way: one-time password, own password, the first page, out again."""
    one_time = new_account(site.access)
    browser = site.stranger()
    assert sign_in(browser, one_time, next="/alerts").headers["location"] == "/account/password"
    assert browser.get("/alerts").headers["location"] == "/account/password"
    csrf = token_of(browser.get("/account/password").text)
    sent = {"csrf": csrf, "old": one_time, "new": PASSWORD, "again": PASSWORD}
    assert browser.post("/account/password", data=sent).headers["location"] == "/"
    assert browser.get("/alerts").status_code == 200
    assert browser.post("/sign-out", data={"csrf": csrf}).headers["location"] == "/sign-in"
    assert browser.get("/alerts").status_code == 303


def test_after_sign_in_the_person_is_where_they_wanted_to_be(site: Site):
    """The address waits in the form."""
    one_time = new_account(site.access)
    site.access.sign_in("lan", one_time, visitor=HERE, now=NOW)
    with site.database.write(EVERYBODY) as session:
        session.get(AccountRow, "lan").must_change = False
    reply = sign_in(site.stranger(), one_time, next="/search?q=a")
    assert reply.headers["location"] == "/search?q=a"


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_sign_in_leads_to_no_other_site(site: Site, place: str):
    """An address from outside becomes the first page."""
    page = site.stranger().get("/sign-in", params={"next": place})
    assert 'name="next" value="/"' in page.text


def test_a_wrong_password_is_told_with_the_tries_left(site: Site):
    """401, the name stays in the form, the password does not."""
    new_account(site.access)
    reply = sign_in(site.stranger(), "wrong-password")
    assert reply.status_code == 401
    assert 'value="lan"' in reply.text
    assert "wrong-password" not in reply.text
    assert "4" in reply.text


def test_too_many_tries_are_told_with_the_time_to_wait(site: Site):
    """429 with ``Retry-After``."""
    new_account(site.access)
    browser = site.stranger()
    replies = [sign_in(browser, "wrong") for _ in range(6)]
    assert [reply.status_code for reply in replies] == [*[401] * 5, 429]
    assert int(replies[-1].headers["retry-after"]) > 0


def test_the_sign_in_form_cannot_be_sent_from_another_site(site: Site):
    """Else somebody could sign a person in as somebody else."""
    one_time = new_account(site.access)
    reply = site.stranger().post("/sign-in", data={"name": "lan", "password": one_time})
    assert reply.status_code == 403


def test_the_cookie_is_out_of_reach(site: Site):
    """Of scripts, of other sites, of other hosts; and a session starts with a fresh one."""
    one_time = new_account(site.access)
    cookies = sign_in(site.stranger(), one_time).headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("soc_session="))
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Path=/" in session
    assert "Domain" not in session


def test_over_https_the_cookie_carries_the_host_prefix(site: Site):
    """Then browsers take it from this host alone, and only over https."""
    one_time = new_account(site.access)
    browser = TestClient(site.app, base_url="https://soc.example", follow_redirects=False)
    cookies = sign_in(browser, one_time).headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith("__Host-soc_session="))
    assert "Secure" in session
    assert browser.get("/account/password").status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"new": PASSWORD, "again": "something else 99"}, 400),
        ({"new": "short", "again": "short"}, 400),
        ({"old": "wrong", "new": PASSWORD, "again": PASSWORD}, 400),
    ],
    ids=["differ", "short", "wrong old"],
)
def test_a_new_password_that_cannot_be_is_told_on_the_form(
    site: Site, sent: dict[str, str], status: int
):
    """The person stays on the page."""
    one_time = new_account(site.access)
    browser = site.stranger()
    sign_in(browser, one_time)
    csrf = token_of(browser.get("/account/password").text)
    reply = browser.post("/account/password", data={"csrf": csrf, "old": one_time} | sent)
    assert reply.status_code == status
    assert 'role="alert"' in reply.text


def test_an_administrator_sets_up_an_authenticator(site: Site):
    """Where it is needed nothing else opens; the picture carries the key that the form sends."""
    site.access.second_factor = True
    one_time = new_account(site.access, "administrator")
    with site.database.write(EVERYBODY) as session:
        session.get(AccountRow, "lan").must_change = False
    browser = site.stranger()
    sign_in(browser, one_time)
    assert browser.get("/alerts").headers["location"] == "/account/second-factor"
    page = browser.get("/account/second-factor").text
    found = SECRET.search(page)
    assert found
    assert "<svg" in page
    sent = {"csrf": token_of(page), "secret": found[1], "code": "000000"}
    assert browser.post("/account/second-factor", data=sent).status_code == 400
    sent["code"] = pyotp.TOTP(found[1]).at(NOW)
    assert browser.post("/account/second-factor", data=sent).headers["location"] == "/"
    assert browser.get("/alerts").status_code == 200


def test_the_language_is_chosen_before_sign_in_and_kept_on_the_account(site: Site):
    """In a cookie for strangers, on the account for whoever has signed in."""
    browser = site.stranger()
    page = browser.get("/sign-in")
    assert page.headers["content-language"] == "vi"
    sent = {"csrf": token_of(page.text), "language": "en", "next": "/sign-in"}
    assert browser.post("/preferences", data=sent).headers["location"] == "/sign-in"
    assert browser.get("/sign-in").headers["content-language"] == "en"
    person = site.person("thu", "analyst", None)
    sent = {"csrf": person.csrf, "language": "en", "theme": "dark", "single_keys": "false"}
    person.browser.post("/preferences", data=sent)
    with site.database.session(EVERYBODY) as session:
        row = session.get(AccountRow, "thu")
        assert (row.language, row.theme, row.single_keys) == ("en", "dark", False)


def test_an_unknown_language_changes_nothing(site: Site):
    """Nor does it become a cookie."""
    person = site.person("thu", "analyst", None)
    sent = {"csrf": person.csrf, "language": "xx", "theme": "<script>"[:10]}
    reply = person.browser.post("/preferences", data=sent)
    assert "set-cookie" not in reply.headers
