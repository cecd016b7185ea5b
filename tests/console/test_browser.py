"""The console in Chromium: by keyboard, with its scripts, over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.console.seed import PASSWORD, PROVINCE, Site, tell
from tests.console.server import CHROMIUM, FLAGS, serving
from tests.console.stories import STORIES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Site]]:
    with serving(tmp_path_factory.mktemp("browser")) as served:
        yield served


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, driven by Playwright."""
    if not CHROMIUM.exists():
        missing("Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser, console):
    """A signed-in page; what the browser complains of (CSP above all) fails the test at its end."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=console[0])
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/sign-in")
    page.fill("[name=name]", "thuha")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    ready(page)
    yield page
    context.close()
    assert complaints == []


def ready(page, address: str = "") -> None:
    """Go to a page (or stay) and wait until its scripts listen: a key before that is the plain page's."""
    if address:
        page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")


def test_the_alert_is_opened_and_acknowledged_by_keyboard_and_the_language_switched(
    page, console
) -> None:
    """g a, j to the third row, Enter, a; then English."""
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/alerts")
    ready(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    wanted = page.locator("tr.cursor").get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_selector(f'#flyout [data-detail="{wanted}"]')
    page.keyboard.press("a")
    page.wait_for_selector(".toast")
    row = console[1].parts.triage.get(PROVINCE, wanted).alert.row
    assert (row.status, row.assignee) == ("acknowledged", "thuha")
    page.click("button[lang=en]")
    page.wait_for_selector("html[lang=en]")
    assert page.locator("h1").inner_text() == "Alerts"
    assert wanted in page.url


def test_escape_closes_the_detail_and_focus_goes_back_to_its_row(page) -> None:
    """The reader is where they were."""
    ready(page, "/alerts")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#flyout [data-detail]")
    page.keyboard.press("Escape")
    assert not page.locator("#flyout").is_visible()
    focused = page.evaluate("document.activeElement.closest('tr').id")
    assert focused == page.locator("tr.cursor").get_attribute("id")


def test_x_selects_rows_for_the_bar_of_acts(page) -> None:
    """It appears with the first and counts."""
    ready(page, "/alerts")
    assert not page.locator("[data-bulk]").is_visible()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert page.locator("[data-bulk] [data-count]").first.inner_text() == "2"


def test_f_moves_to_the_reason_box_and_submits_nothing(page, console) -> None:
    """False positive is chosen; the alert stays open."""
    ready(page, "/alerts/CB-000009")
    page.keyboard.press("f")
    assert page.evaluate("document.activeElement.name") == "reason"
    assert page.locator("[name=disposition]").input_value() == "false_positive"
    assert console[1].parts.triage.get(PROVINCE, "CB-000009").alert.row.status == "new"


def test_the_theme_changes_at_once_and_stays(page) -> None:
    """Also on the next page, drawn so by the server."""
    ready(page, "/alerts")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    with page.expect_response("**/preferences"):
        page.click("form[data-theme-form] button")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.goto("/cases")
    assert page.evaluate("document.documentElement.dataset.theme") in ("dark", "light")


def test_a_bar_of_the_histogram_narrows_the_search(page) -> None:
    """One click, and the range stands in the address."""
    ready(page, "/search")
    page.locator(".histogram a").last.click()
    page.wait_for_url("**start=**")
    assert page.locator(".hits tbody tr").count() > 0


def test_new_alerts_wait_behind_a_chip(page, console) -> None:
    """Nothing moves in the list; the chip counts."""
    ready(page, "/alerts")
    rows = page.locator("tr[id]").count()
    parts = console[1].parts
    story = replace(STORIES[5], rule="r-new", host="may-moi", minutes=0.0)
    tell(parts.database, parts.store, [story], now=parts.clock())
    page.wait_for_selector("[data-new-alerts]:not([hidden])", timeout=15_000)
    assert "1" in page.locator("[data-new-alerts]").inner_text()
    assert page.locator("tr[id]").count() == rows


def test_no_request_leaves_the_host(browser, console) -> None:
    """Fonts, scripts and styles come from our own server."""
    context = browser.new_context(base_url=console[0])
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/sign-in")
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith(console[0])] == []


def test_the_files_of_the_assets_hold_no_address_of_another_host() -> None:
    """Except names of XML namespaces and licences."""
    static = Path(__file__).parents[2] / "soc" / "console" / "static"
    sources = [path for path in static.iterdir() if path.suffix in (".js", ".css")]
    assert sources
    for path in sources:
        text = path.read_text("utf-8").replace("http://www.w3.org/", "")
        assert 'fetch("http' not in text
        assert "url(http" not in text
        assert "@import" not in text
