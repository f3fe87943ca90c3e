"""Notifications: queue one, read them, the browsers that take pushes (CONTRACT 5)."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from flask import Blueprint, request
from pydantic import BeforeValidator, Field
from sqlalchemy import Connection

from app.db.acting import owner_rights
from app.db.commit import transaction
from app.features.notifications import browsers, inbox
from app.identity.users import parse_user_id
from app.queue.adding import add_job
from app.queue.notification_events import read_payload
from app.queue.reads import InvalidCursor
from app.web.endpoint import caller, endpoint, reading, services
from app.web.errors import ApiError, invalid, not_found
from app.web.fields import Limit, UserId
from app.web.notification_schemas import (
    NotificationsReply,
    PushKeyReply,
    QueueEmailReply,
    QueueEmailRequest,
    QueueNotificationReply,
    QueueNotificationRequest,
    ReadReply,
    SubscribeReply,
    SubscribeRequest,
    UnsubscribeReply,
    UnsubscribeRequest,
    push_endpoint,
)
from app.web.people import known_user
from app.web.schemas import Request
from app.web.users import MAX_CURSOR

blueprint = Blueprint("notifications", __name__)

LONGEST_AGENT = 500  # characters kept of what a browser says it is


def _flag(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value)


class NotificationsQuery(Request):
    limit: Limit = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None
    unread: Annotated[bool, BeforeValidator(_flag), Field(strict=True)] = Field(
        False, description="Only those not read."
    )


@endpoint(
    blueprint,
    "POST",
    "/queue/notification",
    body=QueueNotificationRequest,
    reply=QueueNotificationReply,
    errors=(404,),
)
def post_notification(body: QueueNotificationRequest) -> QueueNotificationReply:
    """Queue a notification to a user on one channel"""
    read_payload(body.eventType, body.payload)
    extras = body.metadata.model_dump(exclude_none=True) if body.metadata else {}
    correlation_id = extras.get("correlationId") or str(uuid4())
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        own = {
            "userId": str(user.id),
            "channel": body.channel,
            "eventType": body.eventType,
            "payload": body.payload,
            "correlationId": correlation_id,
        }
        # `retriedFrom` is the queue's own word: it would claim another notification's record.
        extras.pop("retriedFrom", None)
        added = add_job(conn, "send_notification", user_id=user.id, metadata=extras | own)
    return QueueNotificationReply(jobId=added.queue_job_id, correlationId=correlation_id)


@endpoint(blueprint, "POST", "/queue/email", body=QueueEmailRequest, reply=QueueEmailReply, errors=(404,))
def post_email(body: QueueEmailRequest) -> QueueEmailReply:
    """Queue a mail"""
    if not (body.html or body.text):
        raise invalid("html", "or text is required")
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        correlation_id = body.correlationId or str(uuid4())
        metadata = body.model_dump(exclude_none=True) | {"userId": str(user.id), "correlationId": correlation_id}
        added = add_job(conn, "send_email", user_id=user.id, metadata=metadata)
    return QueueEmailReply(jobId=added.queue_job_id, correlationId=correlation_id)


@endpoint(
    blueprint,
    "GET",
    "/users/<user_id>/notifications",
    query=NotificationsQuery,
    reply=NotificationsReply,
    errors=(404,),
)
def get_notifications(user_id: str, query: NotificationsQuery) -> dict[str, Any]:
    """A user's notifications in the app, newest first"""
    with reading() as conn:
        user = known_user(conn, user_id)
        try:
            page, following = inbox.list_notifications(
                conn, user.id, limit=query.limit, cursor=query.cursor, unread=query.unread
            )
        except InvalidCursor as error:
            raise invalid("cursor", str(error)) from None
        unread = inbox.count_unread(conn, user.id)
    return {"notifications": page, "unreadCount": unread, "nextCursor": following}


@endpoint(blueprint, "POST", "/users/<user_id>/notifications/<notification_id>/read", reply=ReadReply, errors=(404,))
def post_read(user_id: str, notification_id: str) -> ReadReply:
    """Note that a user has read a notification"""
    with transaction(services().engine) as conn:
        user = known_user(conn, user_id)
        known = parse_user_id(notification_id)  # a uuid like any other
        read_at = inbox.mark_read(conn, user.id, known, services().clock.now()) if known else None
        if read_at is None:
            raise not_found("Notification")
    return ReadReply(id=str(known), readAt=read_at)


@endpoint(blueprint, "GET", "/push/public-key", reply=PushKeyReply, public=True)
def get_public_key() -> PushKeyReply:
    """The key that browsers subscribe with"""
    return PushKeyReply(publicKey=services().settings.vapid_public_key)


@endpoint(blueprint, "POST", "/push/subscriptions", body=SubscribeRequest, reply=SubscribeReply, errors=(404,))
def post_subscription(body: SubscribeRequest) -> SubscribeReply:
    """Keep a browser's Web Push subscription"""
    try:
        endpoint_url = push_endpoint(body.endpoint, services().settings.push_allow_insecure)
    except ValueError as error:
        raise invalid("endpoint", str(error)) from None
    with transaction(services().engine) as conn:
        user_id = _whose(conn, body.userId)
        with owner_rights(conn):  # the browser may have been another user's until now
            subscription_id, created = browsers.subscribe(
                conn,
                user_id,
                endpoint=endpoint_url,
                p256dh=body.keys.p256dh,
                auth=body.keys.auth,
                user_agent=(request.headers.get("User-Agent") or "").replace("\x00", "")[:LONGEST_AGENT] or None,
                expires_at=body.expires_at,
            )
    return SubscribeReply(id=str(subscription_id), created=created)


@endpoint(blueprint, "DELETE", "/push/subscriptions", body=UnsubscribeRequest, reply=UnsubscribeReply, errors=(404,))
def delete_subscription(body: UnsubscribeRequest) -> UnsubscribeReply:
    """Forget a browser's Web Push subscription"""
    with transaction(services().engine) as conn:
        removed = browsers.unsubscribe(conn, _whose(conn, body.userId), body.endpoint)
    return UnsubscribeReply(removed=removed)


def _whose(conn: Connection, named: UserId | None) -> UUID:
    """The user a request is about: the one it names, else the one whose token it carries."""
    if named is not None:
        return known_user(conn, named).id
    if caller().user_id is None:
        raise ApiError(400, "userId: is required", details=[{"field": "userId", "message": "is required"}])
    return known_user(conn, str(caller().user_id)).id
