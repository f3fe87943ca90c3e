"""Which jobs are meant, as the list of jobs and the actions on many say it."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field
from sqlalchemy import Connection

from app.identity.users import find_user, parse_user_id
from app.queue.many import JobFilter
from app.web.errors import not_found
from app.web.fields import Instant, JobTypeName, Text, UserId
from app.web.schemas import JobStatus, Request


class WhichJobs(Request):
    """All that is given must hold."""

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


def job_filter(conn: Connection, given: WhichJobs) -> JobFilter:
    """As the queue reads it. Raises 404 `User not found` for a user nobody is."""
    user_id = parse_user_id(given.userId) if given.userId is not None else None
    if given.userId is not None and (user_id is None or find_user(conn, user_id) is None):
        raise not_found("User")
    status = "retrying" if given.status == "queued_for_retry" else given.status
    return JobFilter(given.type, status, user_id, given.before, given.after, given.text)
