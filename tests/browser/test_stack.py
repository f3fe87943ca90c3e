"""The stack of notifications, as the reference describes it."""

from __future__ import annotations

from uuid import uuid4

import requests
from playwright.sync_api import expect

from tests.browser.conftest import Tab
from tests.browser.system import System
from tests.browser.test_brief import brief_of, card, online


def tell(system: System, *titles: str) -> None:
    """Notifications in the app, one after the other."""
    jobs = [
        {"jobType": "send_notification", "userId": str(system.user), "metadata": {
            "userId": str(system.user), "channel": "in-app", "eventType": "system.announcement", "payload": {"title": title}, "correlationId": str(uuid4()),
        }}
        for title in titles
    ]  # fmt: skip
    answer = requests.post(f"{system.url}/queue/bulk", json={"jobs": jobs}, timeout=30)
    assert all("jobId" in result for result in answer.json()["results"]), answer.text


def test_five_are_shown_at_most_and_a_reload_brings_no_other(tab: Tab, system: System) -> None:
    page = tab.open("/console/today")
    online(page)
    tell(system, *(f"News {number}" for number in range(7)))
    notices = page.get_by_role("region", name="Notifications").get_by_role("article")
    expect(page.get_by_role("link", name="2 earlier")).to_be_visible()
    expect(notices).to_have_count(5)
    before = notices.all_inner_texts()
    page.reload()
    online(page)
    expect(page.get_by_role("link", name="2 earlier")).to_be_visible()
    assert notices.all_inner_texts() == before
    notices.first.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("link", name="1 earlier")).to_be_visible()
    expect(notices).to_have_count(5)


def test_a_failure_stays_and_says_why(tab: Tab, system: System) -> None:
    tab.page.clock.install()
    page = tab.open("/console/today")
    online(page)
    system.add_job("generate_phases", {"projectId": str(uuid4())})
    failed = card(page, "The project could not be planned")
    expect(failed).to_contain_text("Project not found")
    page.clock.fast_forward(60_000)
    expect(failed.get_by_role("button", name="Try again")).to_be_visible()
    failed.get_by_role("button", name="Dismiss").click()
    expect(failed).to_have_count(0)


def test_good_news_close_by_themselves_but_not_while_they_are_read(tab: Tab, system: System) -> None:
    tab.page.clock.install()
    page = tab.open("/console/projects")
    page.get_by_role("link", name="Garden").click()
    page.get_by_role("button", name="Make a plan").click()
    expect(page.get_by_role("region", name="Plan").get_by_role("heading", name="Clear the way")).to_be_visible()
    ready = card(page, "Your plan is ready")
    ready.get_by_role("button", name="Your plan is ready").first.click()
    expect(page.get_by_role("dialog", name="Your plan is ready")).to_be_visible()
    page.clock.fast_forward(30_000)
    page.get_by_role("dialog").get_by_role("button", name="Minimise").click()
    expect(ready).to_have_count(1)
    page.clock.fast_forward(11_000)
    expect(ready).to_have_count(0)


def test_view_leads_to_what_was_made(tab: Tab, system: System) -> None:
    page = tab.open("/console/texts")
    requests.post(f"{system.url}/queue/brief", json={"userId": str(system.user), "briefDate": str(system.day(36))}, timeout=30)
    card(page, "Your brief is ready").get_by_role("link", name="View").click()
    expect(page).to_have_url(system.url + brief_of(system, 36))
    expect(page.get_by_role("heading", name="Priorities")).to_be_visible()
    expect(card(page, "Your brief is ready")).to_have_count(0)
