"""The operators' pages: see what is wrong, and do the next thing."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import requests
from playwright.sync_api import expect

from tests.browser.conftest import Tab, late
from tests.browser.system import System
from tests.support.processes import wait_for

THREE_INKED = """() => {
  const all = [...document.querySelectorAll('figure.chart canvas')];
  const inked = canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value, place) => place % 4 === 3 && value > 0);
  return all.length === 3 && all.every(inked);
}"""


def ended(system: System, job: Any) -> None:
    wait_for(lambda: system.sql("select 1 from queue_jobs where id = :id and processed_at is not null", id=job), "the job ends")


def test_from_the_overview_to_all_that_failed_and_all_of_them_again(tab: Tab, system: System) -> None:
    for number in range(3):
        ended(system, system.add_job("other", {"refuse": f"tray {number} is out of paper"}))
    page = tab.open("/")
    expect(page.get_by_role("img", name="Jobs in a minute")).to_be_visible()
    page.get_by_role("link", name="3 failed jobs").click()
    expect(page).to_have_url(re.compile(r"/console/jobs\?.*status=failed"))
    rows = page.get_by_role("region", name="Table of jobs").get_by_role("row")
    expect(rows).to_have_count(4)  # with the heading
    page.get_by_role("button", name="Retry all that match").click()
    dialog = page.get_by_role("dialog", name="Retry all that match?")
    expect(dialog).to_contain_text("3 jobs that failed or were cancelled, of 3 jobs that match")
    dialog.get_by_role("button", name="Retry 3 jobs").click()
    expect(page.get_by_text("3 jobs queued again.")).to_be_visible()
    wait_for(lambda: len(system.sql("select 1 from queue_jobs where metadata ? 'retriedFrom' and status = 'failed'")) >= 3, "they ran again")
    expect(rows).to_have_count(7)


def test_jobs_are_filtered_and_the_address_keeps_the_filter(tab: Tab, system: System) -> None:
    mark = uuid4().hex
    for order in ({"result": {"ok": 1}}, {"refuse": "no"}):
        ended(system, system.add_job("other", {**order, "mark": mark}))
    page = tab.open("/console/jobs")
    search = page.get_by_role("searchbox")
    search.fill(f"{mark} ")
    page.get_by_label("State").select_option("completed")  # before the search has begun
    expect(page).to_have_url(re.compile(rf"\?(?=.*status=completed)(?=.*text={mark})"))
    expect(search).to_have_value(f"{mark} ")  # who types on does so where the blank was
    rows = page.get_by_role("region", name="Table of jobs").get_by_role("row")
    expect(rows).to_have_count(2)
    page.get_by_label("State").select_option("")
    expect(rows).to_have_count(3)
    page.get_by_label("State").select_option("failed")
    expect(rows).to_have_count(2)
    page.reload()
    expect(rows).to_have_count(2)
    expect(search).to_have_value(mark)
    with late(page, "/jobs/bulk$", "POST"):
        page.get_by_role("button", name="Cancel all that match").click()
        page.get_by_label("State").select_option("completed")
    expect(page.get_by_role("dialog")).to_contain_text("1 job matches (failed jobs with")  # what was counted, not what is chosen since
    page.keyboard.press("Escape")
    page.get_by_label("State").select_option("pending")
    expect(page.get_by_text("No job matches")).to_be_visible()


def test_a_job_is_cancelled_on_its_page_and_run_again(tab: Tab, system: System) -> None:
    job = system.add_job("other", {"sleep": 60, "checkpoints": True, "progress": True})
    page = tab.open(f"/console/jobs/{job}")
    expect(page.get_by_role("progressbar", name="Progress of the job")).to_have_attribute("value", "42")
    page.locator("h1").evaluate("heading => (heading.dataset.same = 'yes')")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_role("region", name="History")).to_contain_text("cancelled")
    expect(page.locator("h1[data-same=yes]")).to_have_count(1)  # the end of a job takes no page away
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("link", name="an earlier job")).to_be_visible()
    again = page.url.rpartition("/")[2]
    requests.post(f"{system.url}/jobs/{again}/cancel", timeout=30)
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_charts_are_drawn(tab: Tab, system: System) -> None:
    ended(system, system.add_job("other", {}))
    page = tab.open("/")
    expect(page.get_by_role("img", name="Time a job runs")).to_have_attribute("aria-label", re.compile("half within lately"))
    page.wait_for_function(THREE_INKED)


def test_a_type_is_held_back_and_let_go(tab: Tab, system: System) -> None:
    ended(system, system.add_job("other", {}))
    page = tab.open("/")
    page.get_by_role("button", name="Pause Other").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume Other")).to_be_visible()
    job = system.add_job("other", {})
    page.get_by_role("button", name="Resume Other").click()
    expect(page.get_by_role("button", name="Pause Other")).to_be_visible()
    ended(system, job)


def test_a_worker_is_drained_and_takes_jobs_again(tab: Tab, system: System) -> None:
    page = tab.open("/")
    workers = page.get_by_role("region", name="Table of workers and schedules")
    workers.get_by_role("button", name="Drain").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(workers).to_contain_text("drained: may be stopped")
    workers.get_by_role("button", name="Take jobs again").click()
    expect(workers.get_by_role("button", name="Drain")).to_be_visible()
    ended(system, system.add_job("other", {}))


def test_a_schedule_is_run_now(tab: Tab) -> None:
    page = tab.open("/console/schedules")
    page.get_by_role("button", name="Run now: check and schedule briefs").click()
    expect(page.get_by_text("It ran")).to_be_visible()
    expect(page.get_by_role("region", name="Check and schedule briefs")).to_contain_text("succeeded")


def test_mail_shows_that_it_was_opened(tab: Tab, system: System) -> None:
    body = {"userId": str(system.user), "to": "ines@example.com", "subject": "The quote", "html": '<p>Here: <a href="https://example.com/quote">quote</a></p>'}
    requests.post(f"{system.url}/queue/email", json=body, timeout=30).raise_for_status()
    page = tab.open("/console/mail")
    page.get_by_role("link", name="The quote").click()
    expect(page.get_by_role("region", name="Tries to send it")).to_contain_text("sent")
    tracking = system.sql("select tracking_id from emails where subject = 'The quote'")[0].tracking_id
    assert requests.get(f"{system.url}/email/track/open/{tracking}", timeout=30).status_code == 200
    expect(page.get_by_role("region", name="Opened and followed")).to_contain_text("Opened")
