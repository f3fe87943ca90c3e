"""Brain dumps: sorted while one watches, or by a job; looked at; confirmed (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response
from pydantic import Field
from sqlalchemy import Connection, Row

from app.db.commit import transaction
from app.features.braindump.models import Event, PlanRefused
from app.features.braindump.repository import as_api
from app.features.braindump.service import NotProposed
from app.formats import sse
from app.identity.users import parse_user_id
from app.queue.adding import add_job
from app.queue.models import LONGEST_BRAIN_DUMP
from app.web.endpoint import OtherReply, caller, endpoint, services
from app.web.errors import ApiError, not_found
from app.web.fields import Flag, Text, UserId
from app.web.people import known_user, session_user
from app.web.schemas import QueuedReply, Reply, Request

blueprint = Blueprint("braindumps", __name__)

DumpText = Annotated[Text, Field(min_length=1, max_length=LONGEST_BRAIN_DUMP, pattern=r"\S")]


class StreamRequest(Request):
    """A text to sort. Whose it is says the token; the service key and AUTH_MODE=open name a `userId`."""

    userId: UserId | None = None
    text: DumpText = Field(description=f"1 to {LONGEST_BRAIN_DUMP:,} characters, kept to the letter.")
    projectId: Text | None = Field(None, description="The project it belongs to.")
    autoAccept: Flag | None = Field(None, description="Carry the plan out at once; else it waits for a yes.")


class QueueRequest(Request):
    userId: UserId
    text: DumpText
    projectId: Text | None = None
    autoAccept: Flag | None = None


class BrainDump(Reply):
    """A row of `brain_dumps`. `text` and whatever was made of it are as they were given: escape them where they are shown."""

    id: str
    user_id: str
    project_id: str | None = None
    queue_job_id: str | None = Field(None, description="Uuid of its job; null where it came over the stream.")
    status: Literal["processing", "proposed", "applied", "failed", "cancelled"]
    text: str
    auto_accept: bool
    summary: str | None = None
    operations: list[dict[str, Any]]
    plan_source: Literal["model", "rules"] | None = Field(None, description="rules: no language model was there.")
    plan_reason: str | None = None
    llm_model: str | None = None
    result: dict[str, Any] | None = Field(None, description="What each operation did: {operations: [{op, id, ref?}], counts}.")
    error: str | None = None
    started_at: datetime
    proposed_at: datetime | None = None
    applied_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class ConfirmReply(Reply):
    success: Literal[True] = True
    brainDumpId: str
    status: Literal["applied"] = "applied"
    result: dict[str, Any]


STREAM = OtherReply(
    200,
    "Events `start`, `analysis`, `context`, `tasks`, `token`, `restart`, `merge`, `operations`, and at the end `complete` or `error`.",
    "text/event-stream",
)


@endpoint(blueprint, "POST", "/api/braindumps/stream", body=StreamRequest, reply=STREAM, errors=(404,))
def stream(body: StreamRequest) -> Response:
    """Sort a brain dump while one watches"""
    service = services().brain_dumps
    with transaction(services().engine) as conn:
        user = session_user(conn, body.userId)
        dump = service.begin(conn, user.id, body.text, _project(body.projectId), bool(body.autoAccept))
        if dump is None:
            raise not_found("Project")
    frames = _frames(service.stream(dump))
    # The first one is taken now: a stream that nobody ever reads is closed all the same, and says so in its row.
    response = Response(_from(next(frames), frames), mimetype="text/event-stream")
    response.call_on_close(frames.close)
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _frames(events: Generator[Event, None, None]) -> Generator[str, None, None]:
    with closing(events):
        for event in events:
            yield sse.frame(event.name, event.data) if event.name else sse.HEARTBEAT


def _from(first: str, rest: Iterable[str]) -> Generator[str, None, None]:
    yield first
    yield from rest


def _project(given: str | None) -> UUID | None:
    """Raises 404 for what cannot be a project's id."""
    if given is None:
        return None
    project = parse_user_id(given)
    if project is None:
        raise not_found("Project")
    return project


@endpoint(blueprint, "GET", "/api/braindumps/<dump_id>", reply=BrainDump, errors=(404,))
def get_brain_dump(dump_id: str) -> dict[str, Any]:
    """A brain dump and what became of it"""
    with transaction(services().engine) as conn:
        return as_api(_known(conn, dump_id))


@endpoint(blueprint, "POST", "/api/braindumps/<dump_id>/confirm", reply=ConfirmReply, errors=(404, 409))
def confirm(dump_id: str) -> ConfirmReply:
    """Carry out what a brain dump proposed; a second time nothing happens and the answer is the same"""
    try:
        with transaction(services().engine) as conn:
            row = services().brain_dumps.confirm(conn, _known(conn, dump_id).id)
    except NotProposed as error:
        raise ApiError(409, str(error), "wrong_state") from None
    except PlanRefused as error:
        raise ApiError(409, f"The plan no longer fits: {error}", "plan_refused", error.problems) from None
    return ConfirmReply(brainDumpId=str(row.id), result=row.result)


def _known(conn: Connection, dump_id: str) -> Row:
    """Raises 404, for another user's brain dump too: a stranger does not learn that it exists."""
    known = parse_user_id(dump_id)
    row = services().brain_dumps.find(conn, known) if known is not None else None
    if row is None or not caller().may_act_for(row.user_id):
        raise not_found("Brain dump")
    return row


@endpoint(blueprint, "POST", "/queue/brain-dump", body=QueueRequest, reply=QueuedReply, errors=(404,))
def queue_brain_dump(body: QueueRequest) -> QueuedReply:
    """Queue a brain dump"""
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        project = _project(body.projectId)
        if project is not None and not services().brain_dumps.owns_project(conn, user.id, project):
            raise not_found("Project")
        metadata = {"text": body.text, "autoAccept": bool(body.autoAccept)}
        if project is not None:
            metadata["projectId"] = str(project)
        return QueuedReply(jobId=add_job(conn, "process_brain_dump", user_id=user.id, metadata=metadata).queue_job_id)
