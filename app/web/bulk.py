"""Many jobs in one request."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field, ValidationError

from app.db.commit import transaction
from app.formats.faults import say
from app.identity.users import parse_user_id
from app.queue.bulk import NewJob, add_jobs
from app.queue.catalog import JOB_TYPES
from app.queue.errors import InvalidMetadata, PermanentError
from app.queue.reads import iso
from app.web.endpoint import caller, endpoint, services
from app.web.fields import Instant, JobTypeName, Text, UserId
from app.web.limits import spend
from app.web.schemas import BulkReply, Request

blueprint = Blueprint("bulk", __name__)

MOST = 1000  # jobs in a request
LOWEST_PRIORITY = 1_000_000


class BulkJob(Request):
    """A job of any type. An upkeep type needs no user, and the service key."""

    jobType: JobTypeName
    userId: UserId | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int, Field(strict=True, ge=1, le=LOWEST_PRIORITY)] | None = Field(None, description="1 = highest.")
    scheduledFor: Instant | None = None
    dedupKey: Annotated[Text, Field(min_length=1, max_length=500)] | None = Field(
        None, description="Idempotency key; with a user's token it is that user's own."
    )


class BulkRequest(Request):
    """Up to 1,000 jobs, added in one transaction. Each is a BulkJob; one that is refused costs no other."""

    jobs: Annotated[list[dict[str, Any]], Field(max_length=MOST)]


@endpoint(blueprint, "POST", "/queue/bulk", body=BulkRequest, reply=BulkReply)
def post_bulk(body: BulkRequest) -> dict[str, Any]:
    """Queue many jobs in one transaction, each with an answer of its own"""
    spend(len(body.jobs))
    results: list[dict[str, Any] | None] = []
    wanted: list[NewJob] = []
    for item in body.jobs:
        job, refusal = _read(item)
        results.append(refusal)
        if job is not None:
            wanted.append(job)
    with transaction(services().engine) as conn:
        answers = iter(add_jobs(conn, wanted))
    return {"success": True, "results": [refusal or _shown(next(answers)) for refusal in results]}


def _read(item: dict[str, Any]) -> tuple[NewJob | None, dict[str, Any] | None]:
    try:
        job = BulkJob.model_validate(item)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        return None, {"error": f"{field}: {say(first)}", "code": "invalid_input"}
    user = parse_user_id(job.userId) if job.userId is not None else None
    if job.userId is not None and user is None:
        return None, {"error": "User not found", "code": "not_found"}
    if not caller().may_act_for(user):
        return None, {"error": "Not your data", "code": "forbidden"}
    key = job.dedupKey
    if not caller().is_operator:
        if not JOB_TYPES[job.jobType].needs_user:  # upkeep reaches everybody's rows, whoever's job it is
            return None, {"error": "Only the service key may do this", "code": "forbidden"}
        # Keys are one space for all: a user must neither take another's key nor learn of the job that has it.
        key = f"{user}:{key}" if key is not None else None
    return NewJob(job.jobType, user, job.metadata, job.priority, job.scheduledFor, key), None


def _shown(answer: Any) -> dict[str, Any]:
    if isinstance(answer, PermanentError):
        return {"error": str(answer), "code": "invalid_input" if isinstance(answer, InvalidMetadata) else "not_found"}
    return {"jobId": answer.queue_job_id, "deduplicated": answer.deduplicated, "scheduledFor": iso(answer.scheduled_for)}
