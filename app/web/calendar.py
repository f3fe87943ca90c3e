"""Connected calendars: Google's consent, feeds, Google's calls, and tasks in the calendar (CONTRACT 5, 8.7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from app.db.acting import acting_as, owner_rights
from app.db.commit import transaction
from app.features.calendar import connections, task_events
from app.features.calendar.connecting import NotConnected
from app.features.calendar.connections import Connected
from app.features.calendar.task_events import NoTime, Placed
from app.identity.users import parse_user_id
from app.queue.reads import as_uuid, iso
from app.web.calendar_files import asked_user
from app.web.endpoint import OtherReply, caller, endpoint, reading, services
from app.web.errors import ApiError, invalid, not_found
from app.web.fields import Flag, Instant, Text, UserId
from app.web.people import known_user
from app.web.schemas import Reply, Request

blueprint = Blueprint("calendar", __name__)

COOKIE = "calendar_consent"
CALLBACK = "/api/calendar/callback"
STATUS = {"not_configured": 409, "too_many": 409}


class ConnectQuery(Request):
    userId: UserId | None = Field(None, description="May be left out with a user's token.")
    calendarId: Annotated[Text, Field(min_length=1, max_length=300)] = "primary"


class ConnectRequest(ConnectQuery):
    """A calendar to connect: Google's, or an .ics address."""

    provider: Literal["google", "feed"] = "google"
    url: Annotated[Text, Field(max_length=2000)] | None = Field(None, description="Of a feed: https or webcal.")
    name: Annotated[Text, Field(max_length=200)] | None = None


class ConnectReply(Reply):
    """For Google the page to send the browser to; for a feed the connection and its first sync."""

    success: bool = True
    url: str | None = None
    connectionId: str | None = None
    jobId: str | None = None


class CallbackQuery(BaseModel):
    state: Annotated[Text, Field(max_length=500)]
    code: Annotated[Text, Field(max_length=2000)] | None = None
    error: Annotated[Text, Field(max_length=500)] | None = None


class UserQuery(Request):
    userId: UserId | None = None


class ConnectionShown(Reply):
    id: str
    provider: Literal["google", "feed"]
    calendarId: str | None = Field(description="Google's; a feed has none, as its address may be a secret.")
    name: str | None
    status: Literal["active", "broken"]
    error: str | None = Field(description="Why the last sync failed; a broken connection must be connected again.")
    lastSyncedAt: datetime | None
    nextSyncAt: datetime


class ConnectionsReply(Reply):
    connections: list[ConnectionShown]


class Done(Reply):
    success: bool = True


class SyncRequest(Request):
    userId: UserId
    calendarId: Annotated[Text, Field(min_length=1, max_length=300)] = Field(
        description="The connection's id, or Google's of the calendar."
    )
    syncToken: Annotated[Text, Field(max_length=2000)] | None = Field(None, description="Goes on there instead.")


class SyncReply(Reply):
    success: bool = True
    jobId: str
    deduplicated: bool = Field(description="True when a sync was waiting already.")


class TaskRequest(Request):
    """Where and when; a task with a start or a due date needs nothing."""

    start: Instant | None = Field(None, description="Becomes the task's own start.")
    allDay: Flag | None = None
    durationMinutes: Annotated[int, Field(strict=True, ge=1, le=7 * 24 * 60)] | None = Field(
        None, description="Default 30."
    )
    calendarId: Annotated[Text, Field(min_length=1, max_length=300)] | None = Field(
        None, description="A connected Google calendar; the first one where it is left out, without one ours alone."
    )


class TaskReply(Reply):
    success: bool = True
    eventId: str | None
    start: datetime
    end: datetime
    allDay: bool
    syncStatus: str = Field(description="local, pending, synced or failed.")
    jobId: str | None = Field(description="The job that tells Google.")
    deduplicated: bool = Field(description="True when the task stood in the calendar already.")


class TaskGoneReply(Reply):
    success: bool = True
    removed: bool
    jobId: str | None


@endpoint(
    blueprint,
    "GET",
    "/api/calendar/connect",
    query=ConnectQuery,
    reply=OtherReply(302, "On to Google's page of consent."),
    errors=(404, 409),
)
def get_connect(query: ConnectQuery) -> Response:
    """Send this browser to Google's page of consent"""
    with transaction(services().engine) as conn:
        user = asked_user(conn, query.userId)
        with owner_rights(conn):  # what Google is asked and told is no user's to read
            consent = _try(
                lambda: services().connecting.ask_consent(conn, user.id, query.calendarId, _callback(), same_browser=True)
            )
    answer = redirect(consent.url, 302)
    answer.headers["Cache-Control"] = "no-store"
    secure = _callback().startswith("https:")
    answer.set_cookie(COOKIE, consent.browser, max_age=600, path=CALLBACK, httponly=True, secure=secure, samesite="Lax")
    return answer


@endpoint(blueprint, "POST", "/api/calendar/connect", body=ConnectRequest, reply=ConnectReply, errors=(404, 409))
def post_connect(body: ConnectRequest) -> ConnectReply:
    """Connect a feed, or get the address of Google's page of consent"""
    with transaction(services().engine) as conn:
        user = asked_user(conn, body.userId)
        if body.provider == "google":
            with owner_rights(conn):
                consent = _try(
                    lambda: services().connecting.ask_consent(
                        conn, user.id, body.calendarId, _callback(), same_browser=False
                    )
                )
            return ConnectReply(url=consent.url)
        if body.url is None:
            raise invalid("url", "is required for a feed")
        with owner_rights(conn):
            connection, job = _try(lambda: services().connecting.connect_feed(conn, user.id, body.url, body.name))
    return ConnectReply(connectionId=str(connection.id), jobId=job.queue_job_id)


@endpoint(blueprint, "GET", CALLBACK, query=CallbackQuery, reply=ConnectReply, errors=(409, 503), public=True)
def get_callback(query: CallbackQuery) -> Response | ConnectReply:
    """Where Google sends the browser back to; the state it brings along works once"""
    page = services().settings.calendar_return_url
    try:
        connection, job = _try(
            lambda: services().connecting.come_back(query.state, query.code, query.error, request.cookies.get(COOKIE))
        )
    except ApiError as refused:
        if page:
            return _to(page, error=refused.code)
        raise
    if page:
        return _to(page, connected=str(connection.id))
    return ConnectReply(connectionId=str(connection.id), jobId=job.queue_job_id)


@endpoint(blueprint, "GET", "/api/calendar/connections", query=UserQuery, reply=ConnectionsReply, errors=(404,))
def get_connections(query: UserQuery) -> dict[str, Any]:
    """The calendars a user has connected, the oldest first"""
    with reading() as conn:
        found = connections.of_user(conn, asked_user(conn, query.userId).id)
    return {"connections": [_shown(each) for each in found]}


@endpoint(blueprint, "DELETE", "/api/calendar/connections/<connection_id>", reply=Done, errors=(404,))
def delete_connection(connection_id: str) -> Done:
    """Disconnect a calendar: its events go, and at Google channels and consent are taken back"""
    known = as_uuid(connection_id)
    with reading() as conn:
        found = connections.find(conn, known) if known else None
    if found is None or not caller().may_act_for(found.user_id):
        raise not_found("Connection")
    with acting_as(None):
        services().connecting.disconnect(found)
    return Done()


@endpoint(blueprint, "POST", "/queue/calendar-sync", body=SyncRequest, reply=SyncReply, errors=(404, 409))
def post_sync(body: SyncRequest) -> SyncReply:
    """Bring a connected calendar up to date now"""
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        found = connections.named(conn, user.id, body.calendarId)
        if found is None:
            raise not_found("Connection")
        if found.status == "broken":
            raise ApiError(409, "The calendar must be connected again", "connection_broken")
        more = {"syncToken": body.syncToken} if body.syncToken else {}
        job = connections.queue_sync(conn, found, **more)
    return SyncReply(jobId=job.queue_job_id, deduplicated=job.deduplicated)


@endpoint(blueprint, "POST", "/api/webhooks/google-calendar", reply=Done, errors=(401,), public=True)
def post_webhook() -> Done:
    """Google says that a calendar has changed"""
    given = {
        name: request.headers.get(f"X-Goog-{name}", "")
        for name in ("Channel-ID", "Channel-Token", "Resource-ID", "Resource-State")
    }
    told = services().connecting.called(
        as_uuid(given["Channel-ID"]), given["Channel-Token"], given["Resource-ID"], given["Resource-State"]
    )
    if not told:
        raise ApiError(401, "Unauthorized")
    return Done()


@endpoint(blueprint, "POST", "/api/tasks/<task_id>/calendar", body=TaskRequest, reply=TaskReply, errors=(404, 409))
def post_task(task_id: str, body: TaskRequest) -> dict[str, Any]:
    """Put a task into the calendar; from then on its event follows it, and it follows its event"""
    length = timedelta(minutes=body.durationMinutes) if body.durationMinutes else None
    with transaction(services().engine) as conn:
        owner, known = _task(conn, task_id)
        goal = connections.named(conn, owner, body.calendarId) if body.calendarId else None
        if body.calendarId and (goal is None or goal.provider != "google"):
            raise invalid("calendarId", "is no Google calendar that is connected")
        try:
            placed = task_events.put(
                conn,
                known,
                services().clock.now(),
                start=body.start,
                all_day=body.allDay,
                length=length,
                connection=goal,
            )
        except NoTime:
            raise invalid("start", "is required for a task without dates") from None
    if placed is None:
        raise not_found("Task")
    return _placed(placed)


@endpoint(blueprint, "DELETE", "/api/tasks/<task_id>/calendar", reply=TaskGoneReply, errors=(404,))
def delete_task(task_id: str) -> TaskGoneReply:
    """Take a task out of the calendar"""
    with transaction(services().engine) as conn:
        _, known = _task(conn, task_id)
        removed, job = task_events.take_out(conn, known, services().clock.now())
    return TaskGoneReply(removed=removed, jobId=job.queue_job_id if job else None)


def _task(conn: Connection, task_id: str) -> tuple[Any, Any]:
    known = parse_user_id(task_id)
    owner = task_events.owner(conn, known) if known else None
    if owner is None or not caller().may_act_for(owner):
        raise not_found("Task")
    return owner, known


def _placed(placed: Placed) -> dict[str, Any]:
    return {
        "success": True,
        "eventId": str(placed.event_id) if placed.event_id else None,
        "start": iso(placed.event.start_time),
        "end": iso(placed.event.end_time),
        "allDay": placed.event.all_day,
        "syncStatus": placed.link.sync_status,
        "jobId": placed.job.queue_job_id if placed.job else None,
        "deduplicated": placed.was_there,
    }


def _shown(found: Connected) -> dict[str, Any]:
    return {
        "id": str(found.id),
        "provider": found.provider,
        "calendarId": found.calendar_id if found.provider == "google" else None,
        "name": found.name,
        "status": found.status,
        "error": found.error,
        "lastSyncedAt": iso(found.last_synced_at) if found.last_synced_at else None,
        "nextSyncAt": iso(found.next_sync_at),
    }


def _callback() -> str:
    return (services().settings.public_url or request.host_url.rstrip("/")) + CALLBACK


def _to(page: str, **said: str) -> Response:
    answer = redirect(f"{page}{'&' if '?' in page else '?'}{urlencode(said)}", 302)
    answer.headers["Referrer-Policy"] = "no-referrer"
    answer.delete_cookie(COOKIE, path=CALLBACK)
    return answer


def _try(connect: Any) -> Any:
    try:
        return connect()
    except NotConnected as error:
        status = 503 if error.passing else STATUS.get(error.code, 400)
        details = [{"field": error.field, "message": error.message}] if error.field else None
        message = f"{error.field}: {error.message}" if error.field else error.message
        raise ApiError(status, message, error.code, details) from None
