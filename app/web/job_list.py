"""Everybody's jobs for operators, and the jobs that belong to one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import Field

from app.queue.listing import list_jobs, related_jobs
from app.queue.reads import InvalidCursor, iso
from app.web.endpoint import endpoint, reading
from app.web.errors import invalid
from app.web.fields import Limit, QueryFlag
from app.web.job_filter import WhichJobs, job_filter
from app.web.people import known_job
from app.web.schemas import Job, JobsReply, Reply
from app.web.unchanged import unless_unchanged
from app.web.users import MAX_CURSOR

blueprint = Blueprint("job_list", __name__)


class AllJobsQuery(WhichJobs):
    archived: QueryFlag = Field(False, description="The jobs of the archive, which ended long ago, in place of the others.")
    limit: Limit = 20
    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None


class AllJobsReply(JobsReply):
    searchedTo: datetime | None = Field(
        description="Where so much was looked through that the page is not full: up to when. nextCursor goes on."
    )


class RelatedJobsReply(Reply):
    jobs: list[Job] = Field(description="Oldest first.")


@endpoint(blueprint, "GET", "/jobs", query=AllJobsQuery, reply=AllJobsReply, operator=True)
def get_jobs(query: AllJobsQuery) -> Response:
    """Everybody's jobs, or those of the archive, newest first"""
    with reading() as conn:
        try:
            wanted = job_filter(conn, query)
            page = list_jobs(conn, wanted, limit=query.limit, cursor=query.cursor, archived=query.archived)
        except InvalidCursor as error:
            raise invalid("cursor", str(error)) from None
    return unless_unchanged(
        {
            "jobs": [job.as_api() for job in page.jobs],
            "nextCursor": page.next_cursor,
            "searchedTo": iso(page.searched_to) if page.searched_to else None,
        }
    )


@endpoint(blueprint, "GET", "/jobs/<job_id>/related", reply=RelatedJobsReply, errors=(404,))
def get_related(job_id: str) -> dict[str, Any]:
    """The jobs that a job led to or came from: by correlation id, brief, mail, or as its retry"""
    with reading() as conn:
        return {"jobs": [job.as_api() for job in related_jobs(conn, known_job(conn, job_id))]}
