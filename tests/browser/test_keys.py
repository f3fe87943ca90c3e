"""Where AUTH_MODE=jwt a key is asked for once: the service key opens everything, a user's token that user's pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, late
from tests.browser.system import System

SECRET, KEY = "a secret of thirty-two characters!", "the service key of the tests"


@pytest.fixture(scope="module")
def locked(system: System) -> Iterator[System]:
    """Another API on the same database, which asks for keys."""
    folder = system.folder / "locked"
    folder.mkdir()
    other = replace(system, url="", folder=folder)
    other.start_api(AUTH_MODE="jwt", JWT_SECRET=SECRET, SERVICE_KEY=KEY)
    yield other
    other.end()


def enter(page: Any, key: str) -> None:
    page.get_by_label("Key or token").fill(key)
    page.get_by_role("button", name="Continue").click()


def test_an_operator_enters_the_service_key(new_tab: Callable[..., Tab], locked: System) -> None:
    tab = new_tab(user=False)
    tab.system, tab.excused = locked, True  # a wrong key is answered with 401, which a browser reports
    page = tab.page
    page.goto(locked.url)
    expect(page.get_by_role("dialog", name="Who is looking?")).to_be_visible()
    with late(page, "/access$"):
        enter(page, "not the key")
        page.get_by_label("Key or token").fill(KEY)
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Key or token")).to_have_value(KEY)  # what is typed while an answer is awaited stays
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_user_sees_no_page_of_operators(new_tab: Callable[..., Tab], locked: System) -> None:
    tab = new_tab(user=False)
    tab.system, page = locked, tab.page
    tab.stop_the_clock()
    claims = {"sub": str(locked.user), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1)}
    page.goto(locked.url)
    enter(page, jwt.encode(claims, SECRET, algorithm="HS256"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Today")
    expect(page.get_by_role("region", name="Calendar")).to_contain_text("Lunch with Ines")
    expect(page.get_by_role("link", name="Jobs")).to_have_count(0)
    page.goto(f"{locked.url}/console/schedules")
    expect(page.get_by_role("heading", level=1)).to_have_text("For operators")
