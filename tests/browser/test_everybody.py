"""Every page for everybody: axe finds nothing, light and dark; nothing is cut off on a phone; the keyboard is enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import TimeoutError, expect

from tests.browser.conftest import PATIENCE, Tab
from tests.browser.pages import PAGES, settled
from tests.support.servers import ROOT

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Any, *rules: str) -> list[str]:
    """What axe finds: each with its rule, where, and why."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(f"axe.run(document, {json.dumps(options)}).then(found => found.violations)")
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def test_every_page_in_light_and_dark_and_on_a_phone(tab: Tab) -> None:
    page = tab.open("/")
    wrong: dict[str, list[str]] = {}
    for path, heading in PAGES.items():
        page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path)
        settled(page, heading)
        found = violations(page)
        page.emulate_media(color_scheme="dark")
        found += violations(page, "color-contrast")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 375, "height": 740})
        try:
            page.wait_for_function("document.documentElement.scrollWidth <= document.documentElement.clientWidth", timeout=PATIENCE / 4)
        except TimeoutError:  # longer than any chart takes to its new width
            found.append("wider than a phone")
        page.set_viewport_size({"width": 1280, "height": 800})
        if found:
            wrong[path] = found
    assert wrong == {}


def test_a_page_whose_code_did_not_come_is_there_when_the_server_is(tab: Tab) -> None:
    page = tab.open("/console/schedules")
    tab.excused = True
    page.route("**/assets/mail-*.js", lambda route: route.abort(), times=1)
    page.get_by_role("link", name="Mail").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mail")


def test_the_menu_of_a_phone(new_tab: Callable[..., Tab]) -> None:
    page = new_tab(viewport={"width": 375, "height": 740}, has_touch=True, is_mobile=True).open("/console/today")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Calendar", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Calendar")


def test_the_keyboard_is_enough(tab: Tab) -> None:
    tab.stop_the_clock()  # a slow machine may take its time from one key to the next
    page = tab.open("/console/today")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Calendar")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
