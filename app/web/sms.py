"""Text messages: what users want, one message now, and what Twilio tells us (CONTRACT 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response, request
from pydantic import BeforeValidator, Field, WithJsonSchema

from app.db.commit import transaction
from app.features.sms import callbacks
from app.features.sms.reads import owns_message
from app.features.sms.rules import ORDINARY, URGENT, is_phone_number
from app.features.sms.wishes import MOST, change_wishes, list_wishes
from app.identity.users import parse_user_id
from app.queue.adding import add_job
from app.queue.reads import as_uuid
from app.web.endpoint import OtherReply, caller, endpoint, reading, services
from app.web.errors import ApiError, invalid, not_found
from app.web.fields import Flag, Instant, Text, UserId
from app.web.people import known_user
from app.web.schemas import QueuedReply, Reply, Request, ScheduledSmsReply, SmsWishesReply

blueprint = Blueprint("sms", __name__)


def _clock_time(value: Any) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", value, re.ASCII):
        return time.fromisoformat(value)
    raise ValueError("expects a time of day as 22:00")


def _phone_number(value: Any) -> str:
    if isinstance(value, str) and is_phone_number(value):
        return value
    raise ValueError("expects a phone number such as +14155552671")


ClockTime = Annotated[time, BeforeValidator(_clock_time), WithJsonSchema({"type": "string", "examples": ["22:00"]})]
Phone = Annotated[str, BeforeValidator(_phone_number), WithJsonSchema({"type": "string", "examples": ["+14155552671"]})]
Number = Annotated[int, Field(strict=True)]


class ScheduledQuery(Request):
    userId: UserId | None = Field(None, description="Without one, everybody's: for operators.")
    cursor: Annotated[str, Field(max_length=100)] | None = Field(None, description="nextCursor of the page before.")


class SmsWishes(Request):
    """What a user wants; what is not given stays as it is. Equal times mean no quiet hours."""

    userId: UserId
    enabled: Flag | None = None
    lead_time_minutes: Annotated[Number, Field(ge=0, le=1440)] | None = None
    quiet_hours_start: ClockTime | None = None
    quiet_hours_end: ClockTime | None = None
    daily_sms_limit: Annotated[Number, Field(ge=0, le=10_000)] | None = Field(None, description="0: none at all.")
    urgent_alerts: Flag | None = Field(None, description="Whether urgent messages pass quiet hours.")
    phone_number: Phone | None = Field(None, description="A new one has to be verified before anything is sent to it.")


class QueueSms(Request):
    """A message to the user's own, verified number."""

    userId: UserId
    phone_number: Phone
    message: Annotated[Text, Field(min_length=1, max_length=1600)]
    eventId: Annotated[Text, Field(max_length=100)] | None = None
    eventName: Annotated[Text, Field(max_length=1000)] | None = None
    message_id: Text | None = Field(None, description="A message of the user's that is to be sent (again), as it stands there.")
    retry_attempt: Annotated[Number, Field(ge=0, le=1000)] | None = Field(None, description="Which further copy this is.")
    urgent: Flag | None = Field(None, description="Passes quiet hours, at priority 5.")
    scheduledFor: Instant | None = None


@endpoint(blueprint, "GET", "/sms/scheduled", query=ScheduledQuery, reply=ScheduledSmsReply, errors=(404,))
def get_scheduled(query: ScheduledQuery) -> dict[str, Any]:
    """Who is reminded of events, and how"""
    if query.userId is None and not caller().is_operator:
        raise ApiError(403, "Only the service key may do this")
    after = parse_user_id(query.cursor) if query.cursor else None
    if query.cursor and after is None:
        raise invalid("cursor", "is not one of ours")
    with reading() as conn:
        user = known_user(conn, query.userId) if query.userId is not None else None
        found = list_wishes(conn, user.id if user else None, after=after)
    return {"schedule": found, "nextCursor": found[-1]["userId"] if len(found) == MOST else None}


@endpoint(blueprint, "POST", "/sms/scheduled", body=SmsWishes, reply=SmsWishesReply, errors=(404,))
def post_scheduled(body: SmsWishes) -> SmsWishesReply:
    """Change how a user is reminded; what is queued follows at once"""
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        updated = change_wishes(conn, user.id, **body.model_dump(exclude={"userId"}))
    return SmsWishesReply(updated=updated)


@endpoint(blueprint, "POST", "/queue/sms", body=QueueSms, reply=QueuedReply, errors=(404,))
def post_sms(body: QueueSms) -> QueuedReply:
    """Queue a text message to a user"""
    metadata = body.model_dump(exclude={"scheduledFor"}, exclude_none=True)
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        if body.message_id is not None:
            known = as_uuid(body.message_id)
            if known is None or not owns_message(conn, user.id, known):
                raise not_found("Message")
        added = add_job(
            conn,
            "send_sms",
            user_id=user.id,
            metadata={**metadata, "userId": str(user.id)},
            priority=URGENT if body.urgent else ORDINARY,
            scheduled_for=body.scheduledFor,
        )
    return QueuedReply(jobId=added.queue_job_id)


def _from_twilio() -> None:
    """Let only Twilio pass: the signature of the address as the outside sees it, and of every field."""
    settings = services().settings
    token = settings.private_twilio_auth_token.get_secret_value() if settings.private_twilio_auth_token else ""
    address = request.full_path if request.query_string else request.path
    url = f"{settings.public_url or request.host_url.rstrip('/')}{address}"
    given = request.headers.get("X-Twilio-Signature", "")
    if not token or not callbacks.is_signed(token, url, _fields(), given):
        raise ApiError(401, "Invalid signature")


def _fields() -> Mapping[str, list[str]]:
    return dict(request.form.to_dict(flat=False))


class ToldReply(Reply):
    success: Literal[True] = True


@endpoint(
    blueprint, "POST", "/api/webhooks/twilio/status", reply=ToldReply, errors=(401,), public=True, gate=_from_twilio
)
def twilio_status() -> ToldReply:
    """Note what became of a message; one that failed goes again while a copy is left"""
    form = request.form
    delivery = request.args.get("delivery", "")
    told = callbacks.Status(
        sid=_storable(form.get("MessageSid") or form.get("SmsSid") or ""),
        status=(form.get("MessageStatus") or form.get("SmsStatus") or "").lower(),
        error_code=_storable(form.get("ErrorCode", "")) or None,
        delivery_id=_uuid(delivery),
    )
    with transaction(services().engine) as conn:
        callbacks.note_status(conn, told, services().clock.now(), services().settings.retry_backoff_base)
    return ToldReply()


@endpoint(
    blueprint,
    "POST",
    "/api/webhooks/twilio/inbound",
    reply=OtherReply(200, "An empty answer: Twilio itself confirms a STOP.", "text/xml"),
    errors=(401,),
    public=True,
    gate=_from_twilio,
)
def twilio_inbound() -> Response:
    """STOP and START from a user's phone"""
    form = request.form
    with transaction(services().engine) as conn:
        callbacks.note_inbound(
            conn, _storable(form.get("From", "")), form.get("Body", ""), form.get("OptOutType"), services().clock.now()
        )
    return Response('<?xml version="1.0" encoding="UTF-8"?><Response/>', mimetype="text/xml")


def _storable(value: str) -> str:
    return value.replace("\x00", "")[:200]


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        return None
