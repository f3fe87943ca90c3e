"""The pages of the console, for the tests that look at all of them and for the screenshots."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

# By their path, with the heading by which each is known.
PAGES = {
    "/": "Overview",
    "/console/jobs": "Jobs",
    "/console/schedules": "Schedules",
    "/console/mail": "Mail",
    "/console/today": "Today",
    "/console/calendar": "Calendar",
    "/console/projects": "Projects",
    "/console/texts": "Text messages",
    "/console/notifications": "Notifications",
    "/console/nowhere": "There is no such page",
}


def settled(page: Any, heading: str = "") -> Any:
    """The page once it is there (the one before stays until then), and nothing on it says that it is loading."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("h1")).to_contain_text(heading)
    expect(page.locator(".loading")).to_have_count(0)
    return page
