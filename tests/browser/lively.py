"""A day in the life of a system, for the screenshots: people, work that went well and work that did not, figures of the hours before."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import requests
from sqlalchemy import text

from app.embedded import sample
from tests.browser.system import System
from tests.support.processes import wait_for

PEOPLE = (
    ("Ines Moreau", "ines@buildos.example", "Europe/Paris"), ("Jonas Weber", "jonas@buildos.example", "Europe/Berlin"),
    ("Priya Raman", "priya@buildos.example", "Asia/Kolkata"), ("Tom Baker", "tom@buildos.example", "America/Chicago"),
    ("Mei Tanaka", "mei@buildos.example", "Asia/Tokyo"), ("Lucia Rossi", "lucia@buildos.example", "Europe/Rome"),
)  # fmt: skip
# Jobs a minute at noon, and how long they run: the bucket of `metric_bounds()` in which most lie.
RATES = {"generate_daily_brief": (9, 8), "send_email": (5, 5), "send_notification": (14, 3), "send_sms": (4, 4), "generate_phases": (1, 9)}
MAILS = (
    ("The quote for the print shop", "ines@buildos.example", 2), ("Minutes of Tuesday's call", "jonas@buildos.example", 1),
    ("Tickets for the garden market", "lucia@buildos.example", 0), ("Invoice 2026-117", "accounts@example.com", 0),
)  # fmt: skip

READER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Thunderbird/140.0"}
SCHEDULES = ("check_and_schedule_briefs", "schedule_recurring_tasks", "schedule_cleanup")
LIVE = "select 1 from queue_jobs where status in ('pending', 'processing', 'retrying') and scheduled_for <= now()"


def fill(system: System) -> None:
    """Put everything in, and wait until what is to end has ended."""
    people = [_person(system, *each) for each in PEOPLE]
    today = datetime.now(ZoneInfo(sample.TIMEZONE)).date()
    _events(system, today)
    _reminders(system, today)
    for user in people:
        system.add_job("generate_daily_brief", {"briefDate": str(today)}, user=user)
        system.add_job("send_notification", _told("Your workspace is ready", "Everything from the trial has come along."), user=user)
    for number in range(4):  # nobody has configured a provider of text messages here
        system.add_job("send_sms", {"phone_number": f"+1415555267{number}", "message": "Reminder: stand-up at 09:30"}, user=people[number])
    system.add_job("generate_phases", {"projectId": str(UUID(int=7))}, user=people[0])
    for subject, to, opened in MAILS:
        _mail(system, subject, to, opened)
    for project in system.sql("select id from projects where user_id = :user and name <> 'Photo book'", user=system.user):
        requests.post(
            f"{system.url}/queue/phases", timeout=30,
            json={"userId": str(system.user), "projectId": str(project.id), "options": {"scheduling_method": "schedule_in_phases"}},
        ).raise_for_status()  # fmt: skip
    requests.post(f"{system.url}/queue/brief", json={"userId": str(system.user), "briefDate": str(today)}, timeout=30).raise_for_status()
    for title, body in (("Ines has invited you to “Spring catalogue”", "She asks you to join."), ("Maintenance on Sunday at 03:00", "A few minutes, and nothing is lost.")):
        system.add_job("send_notification", _told(title, body))
    for name in SCHEDULES:
        requests.post(f"{system.url}/schedules/{name}/run", timeout=30).raise_for_status()
    wait_for(lambda: not system.sql(LIVE), "all of it has ended", 90)
    wait_for(lambda: system.sql("select 1 from queue_processes where kind = 'beat'"), "beat reports itself")
    _spread(system)


@contextmanager
def busy(system: System) -> Iterator[None]:
    """While this lasts some briefs are being written and others wait for a free worker, after a day as others were."""
    _figures(system)
    with system.held():
        day = str(datetime.now(ZoneInfo(sample.TIMEZONE)).date() + timedelta(days=1))
        for row in system.sql("select id from users where id <> :user order by email", user=system.user):
            system.add_job("generate_daily_brief", {"briefDate": day}, user=row.id)
        written = "select 1 from queue_jobs where status = 'processing' and metadata -> 'generation_progress' ->> 'step' = 'analysing'"
        wait_for(lambda: len(system.sql(written)) == 2, "two briefs wait for the model")
        yield
    wait_for(lambda: not system.sql(LIVE), "all of it has ended", 90)


_MOVED = """create temporary table moved on commit drop as
    select id, interval '1 minute' * (power(row_number() over (order by created_at desc), 1.4) - 1) as back
    from queue_jobs where processed_at is not null"""
_MOVE_JOBS = """update queue_jobs j set created_at = created_at - back, scheduled_for = scheduled_for - back, started_at = started_at - back,
    processed_at = processed_at - back, completed_at = completed_at - back from moved m where m.id = j.id"""
_MOVE_EVENTS = "update job_events e set at = at - back from moved m where m.id = e.job_id"


def _spread(system: System) -> None:
    """As if it had taken hours: each job moves back in time by its own distance. No rule is at stake here, so the triggers rest."""
    with system.database.engine.begin() as conn:
        for statement in ("set local session_replication_role = replica", _MOVED, _MOVE_JOBS, _MOVE_EVENTS):
            conn.execute(text(statement))


def _told(title: str, body: str) -> dict[str, Any]:
    return {"channel": "in-app", "eventType": "system.announcement", "payload": {"title": title, "body": body}, "correlationId": title}


def _person(system: System, name: str, email: str, timezone: str) -> UUID:
    user = system.sql(
        "insert into users (name, email, timezone, last_visit) values (:name, :email, :timezone, now()) returning id",
        name=name, email=email, timezone=timezone,
    )[0].id  # fmt: skip
    system.sql("insert into user_brief_preferences (user_id) values (:user)", user=user)
    project = system.sql("insert into projects (user_id, name) values (:user, 'Spring catalogue') returning id", user=user)[0].id
    system.sql(
        "insert into tasks (user_id, project_id, title, due_date) values (:user, :project, 'Check the proofs', now() + interval '4 hours')",
        user=user, project=project,
    )  # fmt: skip
    return user


def _events(system: System, today: Any) -> None:
    zone = ZoneInfo(sample.TIMEZONE)
    for hour, minutes, title, place in ((10.5, 60, "Catalogue review", "Room 4"), (11, 45, "Call with the printer", None), (15.5, 90, "Plan the spring season", "Studio")):
        start = datetime(today.year, today.month, today.day, tzinfo=zone) + timedelta(hours=hour)
        system.sql(
            "insert into calendar_events (user_id, title, location, start_time, end_time, timezone) values (:user, :title, :place, :start, :end, :zone)",
            user=system.user, title=title, place=place, start=start, end=start + timedelta(minutes=minutes), zone=sample.TIMEZONE,
        )  # fmt: skip


def _reminders(system: System, today: Any) -> None:
    """Reminders of today: some have gone, one was skipped, others wait."""
    system.sql(
        """insert into user_sms_preferences (user_id, phone_number, phone_verified, event_reminders_enabled, quiet_hours_start, quiet_hours_end)
           values (:user, '+14155552671', true, true, '22:00', '07:00')""",
        user=system.user,
    )
    zone = ZoneInfo(sample.TIMEZONE)
    for hour, words, status, reason in (
        (6.75, "Swim in 15 minutes (07:00)", "skipped", "quiet hours"), (9.25, "Stand-up in 15 minutes (09:30), video call", "delivered", None), (10.25, "Catalogue review in 15 minutes (10:30), Room 4", "delivered", None),
        (10.75, "Call with the printer in 15 minutes (11:00)", "delivered", None), (12.75, "Lunch with Ines in 15 minutes (13:00), Café Central", "sent", None),
        (15.25, "Plan the spring season in 15 minutes (15:30), Studio", "pending", None),
    ):  # fmt: skip
        at = datetime(today.year, today.month, today.day, tzinfo=zone) + timedelta(hours=hour)
        system.sql(
            "insert into sms_messages (user_id, phone_number, message_content, status, reason, scheduled_for) values (:user, '+14155552671', :words, :status, :reason, :at)",
            user=system.user, words=words, status=status, reason=reason, at=at,
        )  # fmt: skip


def _mail(system: System, subject: str, to: str, opened: int) -> None:
    body = {"userId": str(system.user), "to": to, "subject": subject, "text": f"Hello,\n\nhere is what we talked about: {subject.lower()}.\n\nSam"}
    requests.post(f"{system.url}/queue/email", json={**body, "html": f'<p>{body["text"]} <a href="https://example.com/">More</a></p>'}, timeout=30).raise_for_status()
    find = "select tracking_id from emails where subject = :subject and status = 'sent'"
    wait_for(lambda: system.sql(find, subject=subject), "the mail is sent")
    tracking = system.sql(find, subject=subject)[0].tracking_id
    for _ in range(opened):
        requests.get(f"{system.url}/email/track/open/{tracking}", headers=READER, timeout=30)


def _figures(system: System) -> None:
    """The hours before, as the fold would have summed them up: quiet nights, busy mornings, a few failures. What it has summed goes."""
    summed = "select sum(count) from queue_figures where span = 60 and measure = 'wait'"
    before = None
    while before != (before := system.sql(summed)[0].sum):
        time.sleep(2)  # the fold has had its turn
    system.sql("delete from queue_figures")
    chance = random.Random(7)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    rows: dict[tuple[int, datetime, str, str, int], int] = {}

    def note(at: datetime, span: int, job_type: str, measure: str, bucket: int, count: int) -> None:
        start = datetime(2000, 1, 1, tzinfo=UTC)
        key = (span, start + (at - start) // timedelta(seconds=span) * timedelta(seconds=span), job_type, measure, bucket)
        rows[key] = rows.get(key, 0) + count

    for minute in range(24 * 60, 0, -1):
        at = now - timedelta(minutes=minute)
        busy = 0.35 + 0.65 * max(0.0, math.sin((at.hour + at.minute / 60 - 5) / 14 * math.pi)) + 0.25 * math.sin(minute / 9)
        for job_type, (rate, bucket) in RATES.items():
            done = max(0, round(chance.gauss(rate * busy, rate / 5)))
            failed = sum(chance.random() < 0.012 for _ in range(done))
            for span in (60, 600, 3600):
                for measure, count in (("added", done), ("completed", done - failed), ("failed", failed)):
                    if count:
                        note(at, span, job_type, measure, 0, count)
                if done:
                    note(at, span, job_type, "wait", 2 + (minute % 7 == 0), done)
                    note(at, span, job_type, "run", bucket + (minute % 11 == 0), max(1, done // 2))
                    note(at, span, job_type, "run", bucket - 1, done)
    values = [dict(zip(("span", "at", "type", "measure", "bucket", "count"), (*key, count), strict=True)) for key, count in rows.items()]
    with system.database.engine.begin() as conn:
        conn.execute(
            text(
                "insert into queue_figures (span, at, job_type, measure, bucket, count) "
                "values (:span, :at, cast(:type as queue_type), :measure, :bucket, :count) on conflict do nothing"
            ),
            values,
        )
