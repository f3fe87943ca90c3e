"""One system and one browser for all tests of this folder; a page of its own for each, which must keep quiet and stay at home."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from playwright.sync_api import expect

from tests.browser.system import System, running_system
from tests.support import chromium, servers

PATIENCE = 40_000  # milliseconds until a test gives up; no test is decided by how fast something is

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def system(postgres_server, template_database, redis_server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The running system; its console is the one of the sources."""
    subprocess.run([servers.ROOT / "scripts" / "build-console", sys.prefix], check=True)
    server, numbers = redis_server
    redis_url = server.url_of(next(numbers))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    env = {**os.environ, "PYTHONPATH": str(servers.ROOT)}
    folder = tmp_path_factory.mktemp("system")
    with servers.new_database(postgres_server, template_database) as database, running_system(database, redis_url, env, folder) as started:
        started.sql("update user_brief_preferences set is_active = false")  # at nine in New York too, briefs are those that tests ask for
        yield started


@pytest.fixture(scope="package")
def chrome() -> Iterator[Any]:
    """The browser."""
    with chromium.running() as browser:
        yield browser


@contextmanager
def late(page: Any, address: str, method: str = "GET") -> Iterator[None]:
    """While this lasts the page waits for what the API has answered to `address` (a regular expression); it hears it all in the end."""
    pattern, answers, holding = re.compile(address), [], True

    def hold(route: Any) -> None:
        if route.request.method == method and holding:
            answers.append((route, route.fetch()))
        else:
            route.fallback()

    page.route(pattern, hold)
    yield
    while not answers:
        page.wait_for_timeout(20)
    holding = False
    for route, answer in answers:
        route.fulfill(response=answer)
    page.unroute(pattern, hold)


@dataclass
class Tab:
    """A page, and what it did that it should not."""

    page: Any
    system: System
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    excused: bool = False  # the server is away on purpose, which a browser reports as an error

    def open(self, path: str) -> Any:
        """Go to a page of the console, as the sample user where one is needed."""
        self.page.goto(self.system.url + path)
        self.page.locator("h1").wait_for()
        return self.page

    def stop_the_clock(self) -> None:
        """For the page that is opened next it is always the moment at which the system began: no midnight comes, and no key too late.
        A page that is open already would see the year 1970 first."""
        self.page.clock.set_fixed_time(self.system.began)

    def heard(self, message: Any) -> None:
        if message.type == "error" and not self.excused:
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def asked(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.netloc != urlsplit(self.system.url).netloc:
            self.strangers.append(request.url)


@pytest.fixture
def new_tab(chrome: Any, system: System) -> Iterator[Callable[..., Tab]]:
    """Opens tabs: `new_tab(user=None)` has nobody chosen; other values go to Playwright's `new_context`."""
    tabs: list[Tab] = []

    def make(user: bool = True, **options: Any) -> Tab:
        context = chrome.new_context(**{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE)
        if user:
            chosen = {"id": str(system.user), "name": "Sam Sample", "email": "sample@buildos.example", "timezone": "America/New_York"}
            value = json.dumps(json.dumps(chosen))
            context.add_init_script(f"if (location.protocol === 'http:') sessionStorage['buildos.user'] ??= {value}")
        tab = Tab(context.new_page(), system)
        tab.page.on("console", tab.heard)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("request", tab.asked)
        tab.page.on("websocket", tab.asked)
        tabs.append(tab)
        return tab

    yield make
    for tab in tabs:
        tab.page.context.close()
    for tab in tabs:
        assert tab.errors == []
        assert tab.strangers == []


@pytest.fixture
def tab(new_tab: Callable[..., Tab]) -> Tab:
    """A tab of the sample user."""
    return new_tab()
