"""The pages of a user, from the first choice of one to a plan, a calendar, text messages and the inbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from tests.browser.conftest import Tab, late
from tests.browser.system import System

ICS = """BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
DTSTART;TZID=America/New_York:{day:%Y%m%d}T101500\r\nDTEND;TZID=America/New_York:{day:%Y%m%d}T114500\r\nSUMMARY:Budget review\r\nLOCATION:Room 4\r\n\
END:VEVENT\r\nEND:VCALENDAR\r\n"""


def test_nobody_is_chosen_at_first_and_then_somebody_is(new_tab: Callable[..., Tab]) -> None:
    tab = new_tab(user=False)
    tab.stop_the_clock()
    page = tab.open("/console/today")
    expect(page.get_by_text("Whose page is this to be?")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Choose a user").click()
    page.get_by_role("searchbox").fill("sample@")
    page.get_by_role("dialog").get_by_role("button", name="Sam Sample").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Today")
    expect(page.get_by_role("region", name="Calendar")).to_contain_text("Lunch with Ines")
    expect(page.get_by_role("region", name="Due")).to_contain_text("Choose the cover photo")


def test_a_project_becomes_a_plan(tab: Tab, system: System) -> None:
    page = tab.open("/console/projects")
    page.get_by_role("link", name="Photo book").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Photo book")
    with system.held():
        page.get_by_label("What kind of plan").select_option("calendar_optimized")
        page.get_by_role("button", name="Make a plan").click()
        expect(page.get_by_role("region", name="A plan is being made").get_by_role("listitem")).to_have_count(4)
    plan = page.get_by_role("region", name="Plan", exact=True)
    expect(plan.get_by_role("heading", level=3)).to_contain_text(["Finish the content", "Go live"])
    expect(plan).to_contain_text("Upload the files to the printer")
    expect(page.get_by_role("button", name="Plan anew")).to_be_visible()


def test_a_calendar_is_imported_and_a_day_of_it_read(tab: Tab, system: System) -> None:
    day = system.day(44)
    page = tab.open(f"/console/calendar?date={day}")
    expect(page.get_by_text("Nothing is in the calendar that day")).to_be_visible()
    page.locator("input[type=file]").set_input_files({"name": "work.ics", "mimeType": "text/calendar", "buffer": ICS.format(uid=uuid4(), day=day).encode()})
    expect(page.get_by_role("region", name="Events").get_by_role("listitem")).to_contain_text(["10:15–11:45 Budget review · Room 4"])
    page.get_by_role("button", name="The day after").click()
    expect(page.get_by_text("Nothing is in the calendar that day")).to_be_visible()
    expect(page).to_have_url(re.compile(f"date={system.day(45)}$"))


def test_reminders_are_switched_on_and_planned(tab: Tab, system: System) -> None:
    day = system.day(2)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo("America/New_York"))
    system.sql(
        "insert into calendar_events (user_id, title, start_time, end_time) values (:user, 'Call with the bank', :at, :until)",
        user=system.user, at=noon.astimezone(UTC), until=(noon + timedelta(hours=1)).astimezone(UTC),
    )  # fmt: skip
    page = tab.open(f"/console/texts?date={day}")
    page.get_by_label("Remind me of events").check()
    page.get_by_label("Phone number").fill("+14155552671")
    page.get_by_label("Minutes before").fill("30")
    with late(page, "/sms/scheduled$", "POST"):
        page.get_by_role("button", name="Save").click()
        page.get_by_label("At most a day").fill("3")
    expect(page.get_by_text("Not verified yet")).to_be_visible()
    expect(page.get_by_label("At most a day")).to_have_value("3")  # entered while it was being saved
    system.sql("update user_sms_preferences set phone_verified = true where user_id = :user", user=system.user)
    page.reload()
    page.get_by_role("button", name="Plan this day now").click()
    messages = page.get_by_role("main").locator("ol").get_by_role("listitem")
    expect(messages.filter(has_text="Call with the bank")).to_contain_text("11:30")
    expect(messages.filter(has_text="Call with the bank")).to_contain_text("pending")


def test_what_was_told_is_kept_until_it_is_read(tab: Tab) -> None:
    page = tab.open("/console/notifications")
    page.get_by_role("button", name="Send a test").click()
    inbox = page.get_by_role("region", name="Inbox")
    told = inbox.get_by_role("listitem").filter(has_text="This is how it looks")
    told.get_by_role("button", name="Mark as read").click()
    expect(told.get_by_role("button", name="Mark as read")).to_have_count(0)
    page.get_by_label("Only those not read").check()
    expect(told).to_have_count(0)
