"""The pages as a browser gets them: there, safe against what records hold, in both languages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from soc.console.app import create_app
from soc.console.locales.__main__ import load, untranslated, updated, used
from soc.console.translation import LANGUAGES
from tests.console.conftest import signed_in
from tests.console.seed import HOSTILE, Site, close_site, open_site, tell
from tests.console.stories import Story

PAGES = (
    "/",
    "/alerts",
    "/alerts?open=CB-000014",
    "/alerts?status=closed&severity=high&level=3&text=khong-co",
    "/alerts/CB-000014",
    "/alerts/CB-000014/flyout",
    "/search",
    "/search?q=process.name:vssadmin.exe&field=user.name",
    "/search?q=process.name:(",
    "/cases",
    "/cases?new=1",
    "/cases?closed=1",
    "/cases/SC-2026-0001",
    "/responses",
    "/endpoints",
    "/endpoints?problem=missing",
    "/endpoints?value=Trojan.X",
    "/endpoints?value=" + "ab" * 32,
    "/bulletins",
    "/bulletins/new",
    "/bulletins/BT-2026-0001",
    "/collection",
    "/collection/set-aside/sa-1",
    "/account/password",
    "/alerts/CB-999999",
)


class Dangers(HTMLParser):
    """Collects what the CSP would block, or what a record could abuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "style" or (
            tag == "script" and not (given.get("src") or "").startswith("/static/")
        ):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.found.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action") and re.match(
                r"(?i)\s*(javascript|data|//|https?:)", value or ""
            ):
                self.found.append(f"{tag} {name}={value}")


def dangers(html: str) -> list[str]:
    parser = Dangers()
    parser.feed(html)
    return parser.found


@pytest.fixture(scope="module", params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def manager(app: FastAPI, language: str) -> TestClient:
    return signed_in(app, "quanly", language)


@pytest.mark.parametrize("address", PAGES)
def test_every_page_answers_in_the_readers_language_under_a_strict_csp(
    manager: TestClient, language: str, address: str
) -> None:
    """No inline script, no inline style, nothing from another host."""
    answer = manager.get(address)
    assert answer.status_code in (200, 400, 404)
    assert answer.headers["content-language"] == language
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert dangers(answer.text) == []


def test_the_sign_in_page_keeps_the_same_rules(app: FastAPI) -> None:
    """Before anybody is known."""
    answer = TestClient(app).get("/sign-in")
    assert answer.status_code == 200
    assert dangers(answer.text) == []


def test_times_and_numbers_are_written_as_each_language_writes_them(app: FastAPI) -> None:
    """dd/mm/yyyy in Vietnamese, d Mon yyyy in English."""
    vietnamese = signed_in(app, "quanly", "vi").get("/alerts/CB-000014").text
    english = signed_in(app, "quanly", "en").get("/alerts/CB-000014").text
    assert re.search(r"\d{2}/\d{2}/20\d{2} \d{2}:\d{2}", vietnamese)
    assert re.search(r"\d{1,2} [A-Z][a-z]{2} 20\d{2} \d{2}:\d{2}", english)


def test_the_language_switch_keeps_the_page_and_the_choice(app: FastAPI) -> None:
    """Its filters too."""
    client = signed_in(app, "thuha", "vi")
    page = client.get("/alerts?severity=high")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf is not None
    answer = client.post(
        "/preferences",
        data={"csrf": csrf[1], "language": "en", "next": "/alerts?severity=high"},
    )
    assert answer.headers["location"] == "/alerts?severity=high"
    assert client.get("/alerts").headers["content-language"] == "en"


@pytest.mark.parametrize("name", LANGUAGES)
def test_both_catalogues_are_full(name: str) -> None:
    """Every word of the templates, and no leftover: ``python -m soc.console.locales`` would change nothing."""
    kept = load(name)
    fresh = updated(name, used())
    assert untranslated(kept) == []
    assert {message.id for message in kept} == {message.id for message in fresh}


def test_an_alert_says_why_with_the_matched_value_and_the_rules_condition(app: FastAPI) -> None:
    """Matched field, its value, the condition, the rule's own text."""
    page = signed_in(app).get("/alerts/CB-000013").text
    assert "vssadmin.exe delete shadows /all /quiet" in page
    assert "process.command_line" in page
    assert "condition: selection" in page


def test_the_queue_opens_an_alert_beside_the_list_without_scripts(app: FastAPI) -> None:
    """The address alone is enough."""
    page = signed_in(app).get("/alerts?open=CB-000013").text
    assert 'data-detail="CB-000013"' in page
    assert 'id="CB-000014"' in page


def test_a_case_shows_its_clocks_and_what_the_form_lacks(app: FastAPI, site: Site) -> None:
    """Overdue, running, and the names of the missing fields."""
    page = signed_in(app).get(f"/cases/{site.case_id}").text
    assert page.count('class="clock ') == 3
    assert "thiếu: Đã gửi thông báo sự cố cho" in page


def test_a_gap_of_a_stream_is_named_with_its_ends(app: FastAPI) -> None:
    """Computed from the numbers received, a named loss is not counted again."""
    page = signed_in(app, "thuha", "en").get("/collection").text
    assert "12 records missing between 4000 and 4013" in page
    assert "spool full" in page
    assert "records missing between 700" not in page


def test_an_officer_sees_only_the_own_agency(app: FastAPI) -> None:
    """Alerts, agents and incidents of others are not there, and their addresses answer 404."""
    client = signed_in(app, "daumoi")
    page = client.get("/alerts").text
    assert "SXD-FS01" in page
    assert "SYT-DC02" not in page
    foreign = re.search(
        r'id="(CB-\d+)"[^>]*>(?:(?!</tr>).)*SYT-DC02', signed_in(app).get("/alerts").text, re.DOTALL
    )
    assert foreign is not None
    assert client.get(f"/alerts/{foreign[1]}").status_code == 404


def test_a_role_without_the_right_gets_a_plain_page_and_a_code(app: FastAPI) -> None:
    """An auditor may not search events."""
    answer = signed_in(app, "kiemtra").get("/search")
    assert answer.status_code == 403
    assert "Vai trò của bạn không được làm việc này" in answer.text
    assert re.search(r'<b class="mono">[0-9a-f]{8}</b>', answer.text)


def test_a_bug_of_ours_tells_nothing_of_itself(app: FastAPI, site: Site, monkeypatch) -> None:
    """A 500 with a code; the error's text stays in the log."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    client = signed_in(app)
    monkeypatch.setattr(type(site.parts.health), "health", broken)
    quiet = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    quiet.cookies.update(client.cookies)
    answer = quiet.get("/collection")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Hệ thống gặp lỗi" in answer.text


def test_assets_are_kept_for_ever_and_pages_never(app: FastAPI) -> None:
    """Their names change with their content."""
    client = signed_in(app)
    page = client.get("/alerts")
    style = re.search(r'href="(/static/style-[^"]+\.css)"', page.text)
    assert style is not None
    assert "immutable" in client.get(style[1]).headers["cache-control"]
    assert page.headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def hostile(
    written: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    """A site whose newest alert carries hostile text in every place that a sender can fill."""
    home = tmp_path_factory.mktemp("hostile") / "site"
    shutil.copytree(written[0], home)
    site = open_site(home, written[1], writable=True)
    story = Story(
        "r-hostile", HOSTILE, HOSTILE, "critical", HOSTILE, None, None, 0, 1, HOSTILE + "A" * 20_000
    )
    tell(site.parts.database, site.parts.store, [story], now=site.parts.clock())
    yield create_app(site.parts)
    close_site(site)


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/alerts",
        "/alerts/CB-000015",
        "/alerts/CB-000015/flyout",
        "/search",
        "/search?q=" + quote(HOSTILE),
        "/responses",
    ],
)
def test_hostile_values_stay_text(hostile: FastAPI, address: str) -> None:
    """Script, attribute breaks and 20,000 characters are only shown; a right-to-left override is seen as one."""
    answer = signed_in(hostile).get(address)
    assert answer.status_code in (200, 400)
    assert dangers(answer.text) == []
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    assert "\\u202egnp.exe" in answer.text
