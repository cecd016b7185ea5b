"""Pictures of the pages to look at: ``python -m tests.console.screens FOLDER [vi|en] [light|dark] [PAGE...]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page, sync_playwright

from soc.store.embedded import EmbeddedStore
from tests.console.network_seed import FIREWALL, FLOW, fill_network
from tests.console.seed import PASSWORD
from tests.console.server import CHROMIUM, FLAGS, serving

SIZE = {"width": 1440, "height": 900}


def addresses(case_id: str) -> dict[str, str]:
    """Name of the picture to the page."""
    return {
        "01-overview": "/",
        "02-alerts": "/alerts",
        "02-alerts-open": "/alerts?open=CB-000014",
        "03-alert": "/alerts/CB-000014",
        "04-search": "/search",
        "04-search-error": "/search?q=process.name:(",
        "05-event": "/search",
        "06-case": f"/cases/{case_id}",
        "07-case-run": f"/cases/{case_id}#run",
        "08-case-form": f"/cases/{case_id}#form",
        "09-cases": "/cases",
        "09-responses": "/responses",
        "09-bulletins": "/bulletins",
        "09-bulletin": "/bulletins/BT-2026-0001",
        "09-bulletin-new": "/bulletins/new",
        "09-cases-new": "/cases?new=1",
        "12-network": "/network",
        "12-network-device": f"/network/device?name={FIREWALL}",
        "12-network-flow": f"/network/flow?id={quote(FLOW)}",
        "12-network-flow-bad": "/network/flow?id=x",
        "12-network-empty": "/network?span=15m",
        "15-collection": "/collection",
        "17-missing": "/alerts/none",
    }


def take(page: Page, base: str, folder: Path, case_id: str, only: list[str]) -> None:
    """Sign in, then one picture a page."""
    page.goto(base + "/sign-in")
    if not only or "16-sign-in" in only:
        page.screenshot(path=folder / "16-sign-in.png")
    page.fill("[name=name]", "quanly")
    page.fill("[name=password]", PASSWORD)
    page.click("main .btn.pri")
    for name, address in addresses(case_id).items():
        if only and name not in only:
            continue
        page.goto(base + address)
        if name == "05-event":
            page.keyboard.press("j")
            page.keyboard.press("Enter")
            page.wait_for_selector("#flyout [data-detail]")
        page.wait_for_timeout(200)
        page.screenshot(path=folder / f"{name}.png")


def main() -> None:
    folder = Path(sys.argv[1])
    language = sys.argv[2] if len(sys.argv) > 2 else "vi"
    theme = sys.argv[3] if len(sys.argv) > 3 else "light"
    folder.mkdir(parents=True, exist_ok=True)
    choices = {"soc_language": language, "soc_theme": theme}
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home)) as (base, site),
        sync_playwright() as playwright,
    ):
        store = site.parts.store
        assert isinstance(store, EmbeddedStore)
        fill_network(site.parts.database, store, site.parts.clock())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport=SIZE)
        context.add_cookies(
            [{"name": name, "value": value, "url": base} for name, value in choices.items()]
        )
        page = context.new_page()
        page.on("console", lambda message: print("console:", message.text, file=sys.stderr))
        take(page, base, folder, site.case_id, sys.argv[4:])
        browser.close()


if __name__ == "__main__":
    main()
