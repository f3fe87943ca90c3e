"""The shapes of requests and responses about notifications and preferences (CONTRACT 5)."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime, time
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from app.queue.models import EmailAddress, PhoneNumber
from app.queue.notification_events import Channel, EventType
from app.settings import is_loopback
from app.web.fields import Flag, Text, Timezone, UserId
from app.web.schemas import Reply, Request

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)


def _time(value: Any) -> Any:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        raise ValueError("expects a time of day as HH:MM or HH:MM:SS")
    return time.fromisoformat(value).isoformat()


TimeOfDay = Annotated[StrictStr, BeforeValidator(_time), WithJsonSchema({"type": "string", "examples": ["22:00:00"]})]
CorrelationId = Annotated[Text, Field(min_length=1, max_length=200)]


class NotificationExtras(Request):
    """Whatever the sender wants to find again in the job's metadata."""

    model_config = ConfigDict(extra="allow")

    correlationId: CorrelationId | None = Field(
        None, description="Passed on to every job that follows; made where missing."
    )
    urgent: Flag | None = Field(None, description="Passes do-not-disturb and quiet hours.")


class QueueNotificationRequest(Request):
    """One notification to one user on one channel."""

    userId: UserId
    channel: Channel
    eventType: EventType
    payload: dict[str, Any] = Field(description="As its event type wants it: docs/jobs/send_notification.md.")
    metadata: NotificationExtras | None = None


class QueueNotificationReply(Reply):
    success: Literal[True] = True
    jobId: str
    correlationId: str


class QueueEmailRequest(Request):
    """A mail: `html` or `text`, or both."""

    userId: UserId
    to: EmailAddress
    subject: Annotated[Text, Field(min_length=1, max_length=1000)]
    html: Text | None = None
    text: Text | None = None
    correlationId: CorrelationId | None = None


class QueueEmailReply(Reply):
    success: Literal[True] = True
    jobId: str
    correlationId: str


class Notification(Reply):
    """As in the realtime event `notification`, and when it was read."""

    id: str
    eventType: str
    title: str
    body: str
    url: str | None = None
    createdAt: datetime
    correlationId: str
    readAt: datetime | None = None


class NotificationsReply(Reply):
    notifications: list[Notification] = Field(description="Newest first.")
    unreadCount: int
    nextCursor: str | None = Field(description="For the next page; null on the last one.")


class ReadReply(Reply):
    success: Literal[True] = True
    id: str
    readAt: datetime


def _base64url(value: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+={0,2}", value, re.ASCII):
        raise ValueError("expects base64url")
    try:
        return base64.urlsafe_b64decode(
            value.rstrip("=").replace("+", "-").replace("/", "_") + "=" * (-len(value.rstrip("=")) % 4)
        )
    except (ValueError, binascii.Error):
        raise ValueError("expects base64url") from None


def _public_key(value: str) -> str:
    point = _base64url(value)
    try:
        if len(point) != 65:
            raise ValueError
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise ValueError("expects a public key on P-256, as the browser gives it") from None
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def _secret(value: str) -> str:
    secret = _base64url(value)
    if len(secret) != 16:
        raise ValueError("expects 16 bytes, as the browser gives them")
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def push_endpoint(value: str, allow_insecure: bool) -> str:
    """An address a push may be posted to, as far as can be said before its name is looked up. Raises ValueError."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expects the https address of a push service") from None
    bare = (
        value.isascii() and value.isprintable() and " " not in value and "@" not in parts.netloc and not parts.fragment
    )
    if not bare or not host or parts.scheme not in (("https", "http") if allow_insecure else ("https",)):
        raise ValueError("expects the https address of a push service")
    if not allow_insecure and (is_loopback(host) or _is_inner(host)):
        raise ValueError("leads into an inner network")
    return value


def _is_inner(host: str) -> bool:
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." not in host.rstrip(".")


Endpoint = Annotated[StrictStr, Field(min_length=1, max_length=2000)]


class PushKeys(Request):
    p256dh: Annotated[StrictStr, Field(max_length=200), AfterValidator(_public_key)]
    auth: Annotated[StrictStr, Field(max_length=100), AfterValidator(_secret)]


class SubscribeRequest(Request):
    """A browser's `PushSubscription`, as `JSON.stringify` gives it, beside `userId` or in `subscription`."""

    userId: UserId | None = Field(None, description="Whose browser; the token's user where there is one.")
    endpoint: Endpoint
    keys: PushKeys
    expirationTime: Annotated[float, Field(ge=0, le=1e14)] | None = Field(None, description="ms since 1970.")

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, value: Any) -> Any:
        return _flat(value)

    @field_validator("expirationTime", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError("expects a number")
        return value

    @property
    def expires_at(self) -> datetime | None:
        """When the browser says it ends."""
        return None if self.expirationTime is None else datetime.fromtimestamp(self.expirationTime / 1000, UTC)


class UnsubscribeRequest(Request):
    userId: UserId | None = None
    endpoint: Endpoint

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, value: Any) -> Any:
        return _flat(value)


def _flat(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("subscription"), dict):
        return {**value["subscription"], **{key: part for key, part in value.items() if key != "subscription"}}
    return value


class SubscribeReply(Reply):
    success: Literal[True] = True
    id: str
    created: bool = Field(description="False when that browser was known.")


class UnsubscribeReply(Reply):
    success: Literal[True] = True
    removed: bool


class PushKeyReply(Reply):
    publicKey: str | None = Field(
        description="`applicationServerKey` for `pushManager.subscribe`; null without VAPID keys."
    )


class BriefPreferences(Request):
    is_active: Flag | None = None
    frequency: Literal["daily", "weekly", "custom"] | None = None
    time_of_day: TimeOfDay | None = Field(None, description="Local; HH:MM or HH:MM:SS.")
    day_of_week: Annotated[StrictInt, Field(ge=0, le=6)] | None = Field(
        None, description="0 = Sunday; for weekly ones."
    )
    email_enabled: Flag | None = Field(None, description="Send every brief by email.")


class SmsPreferences(Request):
    phone_number: PhoneNumber | None = Field(None, description="E.164; another one has to be verified again.")
    phone_verified: Flag | None = Field(None, description="Set by operators alone.")
    opted_out: Flag | None = None
    event_reminders_enabled: Flag | None = None
    event_reminder_lead_time_minutes: Annotated[StrictInt, Field(ge=0, le=1440)] | None = None
    daily_sms_limit: Annotated[StrictInt, Field(ge=0, le=1000)] | None = Field(None, description="0 = none.")
    quiet_hours_start: TimeOfDay | None = Field(None, description="Local; null: none.")
    quiet_hours_end: TimeOfDay | None = None
    urgent_alerts: Flag | None = None


class NotificationPreferences(Request):
    push_enabled: Flag | None = None
    email_enabled: Flag | None = None
    in_app_enabled: Flag | None = None
    sms_enabled: Flag | None = None
    do_not_disturb: Flag | None = None
    quiet_hours_start: TimeOfDay | None = Field(None, description="Local; null: none.")
    quiet_hours_end: TimeOfDay | None = None
    event_channels: dict[EventType, Annotated[list[Channel], Field(max_length=4)]] | None = Field(
        None, description="For an event type: its only channels, and those on which the system tells of it by itself."
    )


class ChangePreferencesRequest(Request):
    """What is not given stays. null clears a phone number or quiet hours, and elsewhere means not given."""

    timezone: Timezone | None = Field(None, description="IANA name; local times are in it.")
    brief: BriefPreferences | None = None
    sms: SmsPreferences | None = None
    notifications: NotificationPreferences | None = None


class PreferencesReply(Reply):
    timezone: str
    brief: BriefPreferences
    sms: SmsPreferences
    notifications: NotificationPreferences
