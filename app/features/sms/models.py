"""The rows the SMS feature works with, as far as it needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Wishes:
    """A user's row of `user_sms_preferences`, with the zone of `users`. `lead_minutes` is the lead time of reminders."""

    user_id: UUID
    phone_number: str | None
    phone_verified: bool
    opted_out: bool
    event_reminders_enabled: bool
    lead_minutes: int
    daily_sms_limit: int
    quiet_hours_start: time | None
    quiet_hours_end: time | None
    urgent_alerts: bool
    timezone: str
    zone: tzinfo

    @property
    def wants_reminders(self) -> bool:
        """Whether reminders may be planned."""
        return self.event_reminders_enabled and self.phone_verified and not self.opted_out


@dataclass(frozen=True, slots=True)
class Event:
    """A calendar event to remind of."""

    id: UUID
    title: str
    location: str | None
    start: datetime
    all_day: bool
    status: str


@dataclass(frozen=True, slots=True)
class Message:
    """A row of `sms_messages`."""

    id: UUID
    user_id: UUID
    queue_job_id: UUID | None
    phone_number: str
    text: str
    status: str
    reason: str | None
    scheduled_for: datetime | None
    event_id: UUID | None
    event_starts_at: datetime | None
    lead_minutes: int | None
    twilio_sid: str | None
    twilio_status: str | None
    attempt_count: int
    max_attempts: int
    urgent: bool

    @property
    def is_reminder(self) -> bool:
        """Whether it reminds of an event, which may move."""
        return self.event_starts_at is not None


@dataclass(frozen=True, slots=True)
class Copy:
    """A row of `sms_delivery`: one copy that was handed over."""

    id: UUID
    message_id: UUID
    queue_job_id: UUID | None
    status: str
    twilio_sid: str | None
    handed_over_at: datetime
