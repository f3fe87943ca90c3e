"""Cancelling and retrying many jobs in one request (CONTRACT 5)."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from flask import Blueprint
from pydantic import Field

from app.identity.users import find_user, parse_user_id
from app.queue import many
from app.queue.many import JobFilter
from app.web.endpoint import endpoint, reading, services
from app.web.errors import invalid, not_found
from app.web.fields import Flag, Instant, JobTypeName, Text, UserId
from app.web.schemas import BulkSteerReply, JobStatus, Request

blueprint = Blueprint("many", __name__)


class Filter(Request):
    """Which jobs; all that is given must hold."""

    type: JobTypeName | None = None
    status: Literal[*get_args(JobStatus), "queued_for_retry"] | None = Field(
        None, description="queued_for_retry means retrying."
    )
    userId: UserId | None = None
    before: Instant | None = Field(None, description="Added before this time.")
    after: Instant | None = Field(None, description="Added at or after this time.")
    text: Annotated[Text, Field(min_length=1, max_length=500)] | None = Field(
        None, description="Part of the job's name, its error or its metadata."
    )
    all: Flag | None = Field(None, description="true: every job is meant, where nothing else is said.")


class BulkSteerRequest(Request):
    action: Literal["cancel", "retry"]
    filter: Filter
    dryRun: Flag = Field(False, description="Count, and change nothing.")


@endpoint(blueprint, "POST", "/jobs/bulk", body=BulkSteerRequest, reply=BulkSteerReply, errors=(404,), operator=True)
def post_steer(body: BulkSteerRequest) -> BulkSteerReply:
    """Cancel or retry all jobs of a filter, in small batches"""
    wanted = _read(body.filter)
    if wanted.is_empty and not body.filter.all:
        raise invalid("filter", "is empty; say all: true when every job is meant")
    work = many.count if body.dryRun else many.steer
    found = work(services().engine, body.action, wanted)
    return BulkSteerReply(
        matched=found.matched, eligible=found.eligible, changed=found.changed, refused=found.refused, dryRun=body.dryRun
    )


def _read(given: Filter) -> JobFilter:
    user_id = parse_user_id(given.userId) if given.userId is not None else None
    if given.userId is not None:
        with reading() as conn:
            if user_id is None or find_user(conn, user_id) is None:
                raise not_found("User")
    status = "retrying" if given.status == "queued_for_retry" else given.status
    return JobFilter(given.type, status, user_id, given.before, given.after, given.text)
