"""Pictures of every page of the console, light and dark, into docs/screenshots/: `make screenshots`."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

from tests.browser.lively import busy, fill
from tests.browser.pages import settled
from tests.browser.standing import standing_system
from tests.browser.system import System
from tests.support import chromium
from tests.support.servers import ROOT

FOLDER = ROOT / "docs" / "screenshots"
QUALITY = 82
LARGEST = 150_000  # bytes
TALLEST = 1500  # pixels of a page that are shown
SIZES = {"": {"width": 1280, "height": 800}, "-phone": {"width": 390, "height": 844}}


def main() -> int:
    """Take them all. Returns how many are larger than they should be."""
    if missing := chromium.what_is_missing(chromium.program()):
        print(f"No pictures: {missing}", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    with standing_system() as system, chromium.running() as browser:
        fill(system)
        large = [path.name for scheme in ("light", "dark") for path in _tour(browser, system, scheme)]
    print(f"{len(list(FOLDER.glob('*.webp')))} pictures in {FOLDER.relative_to(ROOT)}" + (f", too large: {', '.join(large)}" if large else ""))
    return len(large)


def _tour(browser: Any, system: System, scheme: str) -> list[Path]:
    """Every page in one of the two schemes; the pictures that are too large."""
    page = _tab(browser, system, scheme, "")
    pages = _pages(system)
    with busy(system):
        taken = [_shot(page, system, pages.pop(name), f"{name}-{scheme}") for name in ("overview", "jobs")]
        if scheme == "light":
            phone = _tab(browser, system, scheme, "-phone")
            taken += [_shot(phone, system, path, f"{name}-phone") for name, path in (("overview", "/"), ("jobs", "/console/jobs"), ("today", "/console/today"))]
            phone.context.close()
    system.sql("delete from sms_messages where message_content like 'Reminder:%'")  # planned by beat, beside those of the sample
    taken += [_shot(page, system, path, f"{name}-{scheme}") for name, path in pages.items()]
    taken.append(_while_it_is_written(page, system, scheme))
    page.context.close()
    return [path for path in taken if path.stat().st_size > LARGEST]


def _pages(system: System) -> dict[str, str]:
    one = {name: system.sql(query, user=system.user)[0].id for name, query in {
        "job": "select queue_job_id as id from queue_jobs where user_id = :user and job_type = 'generate_daily_brief' and status = 'completed' limit 1",
        "mail": "select id from emails where user_id = :user and subject like 'The quote%'",
        "project": "select id from projects where user_id = :user and name = 'Website launch'",
    }.items()}  # fmt: skip
    return {
        "overview": "/", "jobs": "/console/jobs", "job": f"/console/jobs/{one['job']}", "schedules": "/console/schedules", "mail": "/console/mail",
        "one-mail": f"/console/mail/{one['mail']}", "today": "/console/today", "calendar": "/console/calendar", "projects": "/console/projects",
        "project": f"/console/projects/{one['project']}", "texts": "/console/texts", "notifications": "/console/notifications",
    }  # fmt: skip


def _tab(browser: Any, system: System, scheme: str, size: str) -> Any:
    phone = {"is_mobile": True, "has_touch": True} if size else {}
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, reduced_motion="reduce", **phone)
    context.set_default_timeout(60_000)
    user = {"id": str(system.user), "name": "Sam Sample", "email": "sample@buildos.example", "timezone": "America/New_York"}
    context.add_init_script(f"sessionStorage['buildos.user'] ??= {json.dumps(json.dumps(user))}")
    return context.new_page()


def _shot(page: Any, system: System, path: str, name: str) -> Path:
    page.goto(system.url + path)
    settled(page)
    page.wait_for_load_state("networkidle")
    return _take(page, name)


def _while_it_is_written(page: Any, system: System, scheme: str) -> Path:
    """A brief half way, with the stack of notifications."""
    page.goto(f"{system.url}/console/today?date=2026-12-2{4 if scheme == 'light' else 3}")
    with system.held():
        page.get_by_role("button", name="Write it").click()
        page.locator(".notice").filter(has_text="AI analysis").wait_for()
        page.locator(".presence").wait_for()
        system.add_job("generate_phases", {"projectId": "00000000-0000-0000-0000-000000000007"})
        system.add_job("send_notification", {
            "channel": "in-app", "eventType": "task.due_soon", "correlationId": scheme,
            "payload": {"taskId": "1", "taskTitle": "Review the landing page copy", "projectName": "Website launch"},
        })  # fmt: skip
        page.locator(".notice").nth(2).wait_for()
        return _take(page, f"writing-{scheme}")


def _take(page: Any, name: str) -> Path:
    height = page.evaluate("document.documentElement.scrollHeight")
    size = page.viewport_size
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(max(height, size["height"]), TALLEST), "scale": 1}
    page.set_viewport_size({"width": size["width"], "height": clip["height"]})  # what sticks to the window's edges stands at the picture's
    page.wait_for_timeout(400)  # charts take their new width
    tools = page.context.new_cdp_session(page)
    data = tools.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True})["data"]
    page.set_viewport_size(size)
    path = FOLDER / f"{name}.webp"
    path.write_bytes(base64.b64decode(data))
    return path


if __name__ == "__main__":
    raise SystemExit(main())
