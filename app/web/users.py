"""What belongs to a user: jobs and the briefs they made."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from flask import Blueprint
from pydantic import BeforeValidator, Field

from app.features.briefs.reads import find_brief, list_briefs
from app.queue.catalog import JOB_TYPES
from app.queue.reads import InvalidCursor, list_user_jobs
from app.web.endpoint import endpoint, reading
from app.web.errors import invalid, not_found
from app.web.fields import Day, parse_date
from app.web.people import known_user
from app.web.schemas import Brief, BriefsReply, JobsReply, JobStatus, Request

blueprint = Blueprint("users", __name__)

MAX_CURSOR = 500  # characters


def _page_size(value: Any) -> Any:
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise ValueError("expects a number from 1 to 100")
    return value


Limit = Annotated[int, BeforeValidator(_page_size), Field(ge=1, le=100)]


class JobsQuery(Request):
    type: Literal[*JOB_TYPES] | None = None
    status: Literal[*get_args(JobStatus), "queued_for_retry"] | None = Field(
        None, description="queued_for_retry means retrying."
    )
    limit: Limit = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None


class BriefsQuery(Request):
    limit: Limit = 20
    cursor: Day | None = Field(None, description="nextCursor of the page before: briefs of earlier dates.")


@endpoint(blueprint, "GET", "/users/<user_id>/jobs", query=JobsQuery, reply=JobsReply, errors=(404,))
def get_user_jobs(user_id: str, query: JobsQuery) -> dict[str, Any]:
    """A user's jobs, newest first"""
    status = "retrying" if query.status == "queued_for_retry" else query.status
    with reading() as conn:
        user = known_user(conn, user_id)
        try:
            jobs, following = list_user_jobs(
                conn, user.id, job_type=query.type, status=status, limit=query.limit, cursor=query.cursor
            )
        except InvalidCursor as error:
            raise invalid("cursor", str(error)) from None
    return {"jobs": [job.as_api() for job in jobs], "nextCursor": following}


@endpoint(blueprint, "GET", "/users/<user_id>/briefs", query=BriefsQuery, reply=BriefsReply, errors=(404,))
def get_user_briefs(user_id: str, query: BriefsQuery) -> dict[str, Any]:
    """A user's daily briefs, latest date first"""
    with reading() as conn:
        user = known_user(conn, user_id)
        found = list_briefs(conn, user.id, limit=query.limit + 1, before=query.cursor)
    page = found[: query.limit]
    return {"briefs": page, "nextCursor": page[-1]["brief_date"] if len(found) > query.limit else None}


@endpoint(blueprint, "GET", "/users/<user_id>/briefs/<date>", reply=Brief, errors=(400, 404))
def get_user_brief(user_id: str, date: str) -> dict[str, Any]:
    """A user's daily brief of a date"""
    try:
        day = parse_date(date)
    except ValueError as error:
        raise invalid("date", str(error)) from None
    with reading() as conn:
        user = known_user(conn, user_id)
        brief = find_brief(conn, user.id, day)
    if brief is None:
        raise not_found("Brief")
    return brief
