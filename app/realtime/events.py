"""Named events and their payloads (CONTRACT 6). An event is a row: it is sent when, and only if, its transaction commits."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB


class Payload(BaseModel):
    """Base of every payload; unknown keys are a mistake of the sender."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class BriefCompleted(Payload):
    briefId: str
    briefDate: str
    timezone: str


class BriefFailed(Payload):
    error: str
    briefDate: str


class BriefEmailSent(Payload):
    emailId: str
    trackingId: str


class PhasesCompleted(Payload):
    projectId: str
    phaseCount: int


class OnboardingCompleted(Payload):
    questionsGenerated: int


class Notification(Payload):
    """An in-app notification."""

    id: str
    eventType: str
    title: str
    body: str
    url: str | None = None
    createdAt: str
    correlationId: str


EVENTS: dict[str, type[Payload]] = {
    "brief_completed": BriefCompleted,
    "brief_failed": BriefFailed,
    "brief_email_sent": BriefEmailSent,
    "phases_completed": PhasesCompleted,
    "onboarding_completed": OnboardingCompleted,
    "notification": Notification,
}

_EMIT = text(
    "insert into row_events (user_id, event, payload, event_key) values (:user_id, :event, :payload, :key) "
    "on conflict (event_key) do nothing returning wake('row_events', '')"
).bindparams(bindparam("payload", type_=JSONB))


def emit(conn: Connection, user_id: UUID, event: str, payload: dict[str, Any], *, key: str | None = None) -> bool:
    """Send `event` to the user's browsers when the caller's transaction commits; with a `key` once for all, however often called.

    Returns False when the key was used before. Raises KeyError for an unknown event and pydantic.ValidationError for a
    payload that is not the event's.
    """
    checked = EVENTS[event].model_validate(payload).model_dump(exclude_none=True)
    values = {"user_id": user_id, "event": event, "payload": checked, "key": key}
    return conn.execute(_EMIT, values).first() is not None
