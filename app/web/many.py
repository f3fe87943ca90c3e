"""Cancelling and retrying many jobs in one request (CONTRACT 5)."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint
from pydantic import Field

from app.queue import many
from app.web.endpoint import endpoint, reading, services
from app.web.errors import invalid
from app.web.fields import Flag
from app.web.job_filter import WhichJobs, job_filter
from app.web.schemas import BulkSteerReply, Request

blueprint = Blueprint("many", __name__)


class Filter(WhichJobs):
    """Which jobs; all that is given must hold."""

    all: Flag | None = Field(None, description="true: every job is meant, where nothing else is said.")


class BulkSteerRequest(Request):
    action: Literal["cancel", "retry"]
    filter: Filter
    dryRun: Flag = Field(False, description="Count, and change nothing.")


@endpoint(blueprint, "POST", "/jobs/bulk", body=BulkSteerRequest, reply=BulkSteerReply, errors=(404,), operator=True)
def post_steer(body: BulkSteerRequest) -> BulkSteerReply:
    """Cancel or retry all jobs of a filter, in small batches"""
    with reading() as conn:
        wanted = job_filter(conn, body.filter)
    if wanted.is_empty and not body.filter.all:
        raise invalid("filter", "is empty; say all: true when every job is meant")
    work = many.count if body.dryRun else many.steer
    found = work(services().engine, body.action, wanted)
    return BulkSteerReply(
        matched=found.matched, eligible=found.eligible, changed=found.changed, refused=found.refused, dryRun=body.dryRun
    )
