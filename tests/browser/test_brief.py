"""A brief is asked for, watched and read; neither a reload nor a server that goes away loses sight of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Tab, late
from tests.browser.system import System
from tests.support.processes import wait_for

BARS_WHEN_TODAY = "() => document.querySelector('h1').textContent === 'Today' && [document.querySelectorAll('.making progress').length]"


def card(page: Any, title: str) -> Any:
    """A notice of the stack, by its title."""
    return page.get_by_role("region", name="Notifications").get_by_role("article").filter(has_text=title)


def online(page: Any) -> None:
    """Wait until the page hears of every change."""
    expect(page.get_by_role("region", name="Where you are online")).to_be_visible()


def brief_of(system: System, later: int) -> str:
    """The page of a brief, so many days after the system began."""
    return f"/console/today?date={system.day(later)}"


def begin(page: Any) -> None:
    """Ask for the brief, and wait until it waits for the model."""
    page.get_by_role("button", name="Write it").click()
    expect(page.get_by_role("region", name="Daily brief").get_by_role("progressbar")).to_have_attribute("value", "75")


def test_another_window_of_the_user_is_seen(tab: Tab, new_tab: Callable[..., Tab]) -> None:
    page = tab.open("/console/today")
    other = new_tab().open("/console/today")
    expect(page.get_by_text("2 windows")).to_be_visible()
    other.close()
    expect(page.get_by_text("1 window", exact=True)).to_be_visible()


def test_a_job_that_comes_while_the_first_list_is_awaited_is_not_lost(tab: Tab, system: System) -> None:
    page, day = tab.page, system.day(35)
    # Yesterday in Greenwich, today in New York: the heading says when the page knows where its user is, which comes with the list.
    page.clock.set_fixed_time(datetime(day.year, day.month, day.day, 2, tzinfo=UTC) + timedelta(days=1))
    with system.held():
        with late(page, r"/users/[^/]+/jobs\?limit"):
            tab.open(brief_of(system, 35))
            begin(page)
            expect(page.get_by_role("heading", level=1)).to_have_text("Yesterday")
        # As it is then: the next word of the worker, a second later, would bring a lost one back.
        assert page.wait_for_function(BARS_WHEN_TODAY).json_value() == [1]
    expect(card(page, "Your brief is ready")).to_have_count(1)


def test_a_brief_is_written_while_one_watches(tab: Tab, system: System) -> None:
    page = tab.open(brief_of(system, 31))
    panel = page.get_by_role("region", name="Daily brief")
    expect(panel).to_contain_text(f"There is no brief for {system.day(31):%a} {system.day(31).day} {system.day(31):%b} yet")
    with system.held():
        begin(page)
        expect(panel.locator("[aria-current=step]")).to_contain_text("Asking for an AI analysis")
        expect(panel.get_by_role("listitem").first).to_contain_text("done")
        expect(card(page, "Writing your brief").get_by_role("progressbar")).to_have_attribute("value", "75")
    expect(card(page, "Your brief is ready")).to_have_count(1)  # first, as good news close by themselves
    expect(panel.get_by_role("heading", name="Priorities")).to_be_visible()
    expect(panel).to_contain_text("Send the revised quote to the print shop")
    expect(panel).to_contain_text("with an analysis by openai/gpt-4o")
    expect(panel.get_by_role("progressbar")).to_have_count(0)


def test_a_reload_in_the_middle_keeps_the_stack_and_shows_nothing_twice(tab: Tab, system: System) -> None:
    page = tab.open(brief_of(system, 32))
    with system.held():
        begin(page)
        page.reload()
        online(page)
        expect(card(page, "Writing your brief").get_by_role("progressbar")).to_have_attribute("value", "75")
        expect(page.get_by_role("region", name="Daily brief").get_by_role("progressbar")).to_have_attribute("value", "75")
        # The end comes while nobody looks.
        page.goto("about:blank")
    wait_for(lambda: system.statuses("generate_daily_brief")[-1:] == ["completed"], "the brief is written")
    page.go_back()
    card(page, "Your brief is ready").hover()  # good news stay while they are read
    expect(page.get_by_role("article")).to_have_count(2)  # the brief itself, and that notice
    page.get_by_role("button", name="Dismiss: Your brief is ready").click()
    page.reload()
    online(page)
    expect(page.get_by_role("article")).to_have_count(1)


def test_a_server_that_goes_away_comes_back_with_what_was_missed(tab: Tab, system: System) -> None:
    tab.page.clock.install()
    page = tab.open(brief_of(system, 33))
    online(page)
    tab.excused = True
    with system.held():
        begin(page)
        system.stop_api()
        expect(page.get_by_text("The connection is lost")).to_be_visible()
    lost = page.get_by_role("alert").filter(has_text="The server does not answer")

    def given_up() -> bool:  # after tries at 1, 2, 4, 8 and 10 seconds it is for the person to say
        page.clock.fast_forward(10_000)
        return lost.count() > 0

    wait_for(given_up, "it is no longer tried")
    expect(lost.get_by_role("button", name="Refresh the page")).to_be_visible()
    system.start_api()
    lost.get_by_role("button", name="Try again").click()
    expect(card(page, "Your brief is ready")).to_have_count(1)
    expect(page.get_by_role("region", name="Daily brief").get_by_role("heading", name="Priorities")).to_be_visible()
    expect(lost).to_have_count(0)


def test_a_brief_is_cancelled_and_tried_again_from_the_stack(tab: Tab, system: System) -> None:
    page = tab.open(brief_of(system, 34))
    with system.held():
        begin(page)
        card(page, "Writing your brief").get_by_role("button", name="Writing your brief").first.click()
        dialog = page.get_by_role("dialog", name="Writing your brief")
        expect(dialog.get_by_role("listitem")).to_have_count(5)
        dialog.get_by_role("button", name="Cancel it").click()
        expect(page.get_by_role("dialog", name="Cancelled")).to_be_visible()
        page.get_by_role("dialog").get_by_role("button", name="Try again").click()
        expect(card(page, "Writing your brief")).to_have_count(1)
        expect(card(page, "Cancelled")).to_have_count(0)
    expect(page.get_by_role("heading", name="Priorities")).to_be_visible()
    # The brief is saved before its job has ended.
    wait_for(lambda: system.statuses("generate_daily_brief")[-2:] == ["cancelled", "completed"], "one is cancelled, the other written")
