"""`schedule_daily_sms`: the events of a user's day become one reminder each (CONTRACT 8.3).

Planning a day again is harmless and is how new events and other words get in: what has gone or waits is found by its event and
start; what was skipped or cancelled comes back when it is wanted after all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.features.sms import plans, repository, rules, text
from app.features.sms.holding import while_holding
from app.features.sms.models import Event, Message, Wishes
from app.ports.clock import Clock
from app.queue.adding import add_job
from app.queue.models import DailySmsMetadata, DailySmsResult
from app.queue.reads import JobRow, find_jobs
from app.queue.running import RunningJob
from app.queue.steering import cancel_job

BY_HAND = "its job was cancelled"
OPEN = ("pending", "skipped", "cancelled")  # of messages: nothing has gone
ALIVE = ("pending", "processing", "retrying")
NO_WISHES = DailySmsResult(scheduled_count=0, skipped_count=0, failed_count=0)

ExpandCalendar = Callable[[Connection, UUID, datetime], int]


@dataclass(frozen=True, slots=True)
class _Day:
    """What is planned: a date in a zone, with its bounds and the lead time of its reminders."""

    date: date
    zone: tzinfo
    lead: timedelta
    begins: datetime
    ends: datetime


class Planner:
    """Plans the reminders of a day. `expand_calendar` makes the occurrences of recurring events up to an instant."""

    def __init__(
        self, clock: Clock, expand_calendar: ExpandCalendar, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._expand_calendar = expand_calendar
        self._sleep = sleep

    def plan(self, job: RunningJob) -> DailySmsResult:
        """Queue one `send_sms` for every event of the date. Raises TransientError, LeaseLost."""
        metadata: DailySmsMetadata = job.metadata
        assert job.user_id is not None
        day = date.fromisoformat(metadata.date)
        _, ends = rules.day_span(day, ZoneInfo(metadata.timezone))
        with job.transaction() as conn:
            # The date ends up to a day later, should the user have moved meanwhile; a lead time is a day at most.
            self._expand_calendar(conn, job.user_id, ends + 2 * rules.DAY)
        return while_holding(job, lambda conn, wishes: self._plan(conn, wishes, job), self._sleep)

    def _plan(self, conn: Connection, wishes: Wishes | None, job: RunningJob) -> DailySmsResult:
        now = self._clock.now()
        assert job.user_id is not None
        # Also where nothing is wanted now: it may be wanted again before the day is over.
        plans.remember_day(conn, job.user_id, date.fromisoformat(job.metadata.date), job.id, now)
        if wishes is None or not wishes.wants_reminders:
            return NO_WISHES
        plans.follow_waiting(conn, wishes.user_id, now)
        day = _day(job.metadata, wishes)
        # Reminders that are due before the next date is planned belong to this one.
        events = plans.events_between(conn, wishes.user_id, day.begins, day.ends + day.lead)
        known = plans.reminders_of(conn, wishes.user_id, [event.id for event in events])
        jobs = find_jobs(conn, [each.queue_job_id for each in known.values() if each.queue_job_id])
        count = Counter(
            self._remind(conn, wishes, day, event, known.get((event.id, event.start)), jobs, job, now)
            for event in events
        )
        result = DailySmsResult(
            scheduled_count=count["scheduled"], skipped_count=count["skipped"], failed_count=count["failed"]
        )
        plans.log_counts(
            conn,
            wishes.user_id,
            {"date": day.date.isoformat(), "timezone": job.metadata.timezone, **result.model_dump()},
        )
        return result

    def _remind(
        self,
        conn: Connection,
        wishes: Wishes,
        day: _Day,
        event: Event,
        known: Message | None,
        jobs: dict[UUID, JobRow],
        job: RunningJob,
        now: datetime,
    ) -> str:
        """Plan the reminder of one event: `scheduled`, `skipped`, `failed`, or `known` where it has gone or is going."""
        if known is not None and (known.status not in OPEN or known.reason == BY_HAND or known.attempt_count > 0):
            return "known"
        if not rules.is_phone_number(wishes.phone_number):
            return "failed"
        own = jobs.get(known.queue_job_id) if known and known.queue_job_id else None
        waits = known is not None and known.status == "pending"
        if waits and known and own is not None and own.status not in ALIVE:
            repository.set_status(conn, known.id, "cancelled", BY_HAND)
            return "known"
        at = rules.reminder_at(
            event.start, day.lead, wishes.quiet_hours_start, wishes.quiet_hours_end, wishes.zone, now
        )
        if at is None:
            return self._skip(conn, wishes, day, event, known if waits else None, now)
        words = text.reminder(event.title, event.location, event.start, at, wishes.zone)
        if waits and known and known.scheduled_for:
            if max(at, known.scheduled_for) > now and (at, words) != (known.scheduled_for, known.text):
                refreshed = {"message": words, "eventName": event.title, "phone_number": wishes.phone_number}
                plans.refresh_reminder(conn, known, at, day.lead, words, refreshed)
            return "scheduled"
        message_id = plans.put_reminder(
            conn, wishes, event, day.lead, status="pending", reason=None, words=words, at=at
        )
        added = add_job(
            conn,
            "send_sms",
            user_id=wishes.user_id,
            metadata={
                "userId": str(wishes.user_id),
                "phone_number": wishes.phone_number,
                "message": words,
                "eventId": str(event.id),
                "eventName": event.title,
                "message_id": str(message_id),
            },
            priority=rules.ORDINARY,
            scheduled_for=at,
            dedup_key=f"sms-{message_id}-{job.id}",
        )
        plans.set_job(conn, message_id, added.id)
        return "scheduled"

    def _skip(
        self, conn: Connection, wishes: Wishes, day: _Day, event: Event, waiting: Message | None, now: datetime
    ) -> str:
        if event.start >= day.ends and waiting is None:
            return "known"  # the next date's own plan will say so
        if waiting is not None and waiting.queue_job_id is not None:
            cancel_job(conn, waiting.queue_job_id, "the reminder cannot be sent in time")
        reason = rules.BEGUN if event.start < now else rules.QUIET
        words = text.reminder(event.title, event.location, event.start, event.start, wishes.zone)
        plans.put_reminder(conn, wishes, event, day.lead, status="skipped", reason=reason, words=words, at=None)
        return "skipped"


def _day(metadata: DailySmsMetadata, wishes: Wishes) -> _Day:
    """The date in the metadata's zone and with its lead time; in the user's own where a schedule made the job.

    A run that is tried again may hold the ones of yesterday.
    """
    scheduled = (metadata.model_extra or {}).get("scheduled") is True
    zone = wishes.zone if scheduled else ZoneInfo(metadata.timezone)
    lead = timedelta(minutes=wishes.lead_minutes if scheduled else metadata.leadTimeMinutes)
    day = date.fromisoformat(metadata.date)
    begins, ends = rules.day_span(day, zone)
    return _Day(day, zone, lead, begins.astimezone(UTC), ends)
