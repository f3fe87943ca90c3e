"""The pages of the console, for the tests that look at all of them and for the screenshots."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

PAGES = (
    "/",
    "/console/jobs",
    "/console/schedules",
    "/console/mail",
    "/console/today",
    "/console/calendar",
    "/console/projects",
    "/console/texts",
    "/console/notifications",
    "/console/nowhere",
)


def settled(page: Any) -> Any:
    """The page once nothing on it says that it is loading."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator(".loading")).to_have_count(0)
    return page
