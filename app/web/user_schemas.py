"""Responses about a user and one of the user's days."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.web.schemas import Reply


class Profile(Reply):
    id: str
    email: str
    name: str | None
    timezone: str = Field(description="IANA name; UTC where a stored one is none.")
    today: str = Field(description="The date it is there now.")


class ProjectShown(Reply):
    id: str
    name: str
    description: str | None
    status: str
    open_tasks: int
    done_tasks: int
    phase_count: int
    phases_generated: bool
    updated_at: datetime


class ProjectsReply(Reply):
    projects: list[ProjectShown] = Field(description="Active ones first, by name.")


class EventShown(Reply):
    """An event as the day sees it. `start_time` and `end_time` are null for an all-day event, which has its days alone."""

    title: str
    location: str | None
    tentative: bool
    all_day: bool
    start_time: datetime | None
    end_time: datetime | None
    first_day: str
    last_day: str
    from_before: bool = Field(description="It began on an earlier day.")
    into_after: bool = Field(description="It goes on after this day.")


class TaskDue(Reply):
    id: str
    title: str
    status: str
    priority: str
    project_id: str | None
    project_name: str | None
    at: datetime
    planned: bool = Field(description="`at` is its start: it has no due date.")
    all_day: bool


class DayReply(Reply):
    date: str
    timezone: str
    start: datetime = Field(description="Where the day begins.")
    end: datetime
    events: list[EventShown] = Field(description="All-day ones first, then by time.")
    tasks: list[TaskDue] = Field(description="Due that day, done ones as well.")


class TextMessage(Reply):
    """A row of `sms_messages`."""

    id: str
    queue_job_id: str | None
    phone_number: str
    message_content: str
    status: str
    reason: str | None = Field(description="Why it was skipped, cancelled, or failed.")
    scheduled_for: datetime | None
    event_starts_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    attempt_count: int


class TextsReply(Reply):
    date: str
    timezone: str
    messages: list[TextMessage]
