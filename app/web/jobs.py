"""One job: look at it, cancel it, retry it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection

from app.db.commit import transaction
from app.queue.errors import WrongState
from app.queue.reads import JobRow, find_job, job_history
from app.queue.steering import cancel_job, retry_job
from app.web.endpoint import endpoint, reading, services
from app.web.people import known_job
from app.web.schemas import CancelJobReply, Job, JobEventsReply, QueueJobReply, RetryJobReply

blueprint = Blueprint("jobs", __name__)


@endpoint(blueprint, "GET", "/jobs/<job_id>", reply=Job, errors=(404,))
def get_job(job_id: str) -> dict[str, Any]:
    """A job by its jobId or its uuid"""
    with reading() as conn:
        return known_job(conn, job_id).as_api()


@endpoint(blueprint, "GET", "/jobs/<job_id>/events", reply=JobEventsReply, errors=(404,))
def get_job_events(job_id: str) -> dict[str, Any]:
    """The history of a job, oldest first"""
    with reading() as conn:
        return {"events": job_history(conn, known_job(conn, job_id).id)}


@endpoint(blueprint, "POST", "/jobs/<job_id>/cancel", reply=CancelJobReply, errors=(404, 409))
def post_cancel(job_id: str) -> CancelJobReply:
    """Cancel a job that has not ended"""
    with transaction(services().engine) as conn:
        return CancelJobReply(jobId=_cancelled(conn, job_id).queue_job_id)


@endpoint(blueprint, "POST", "/jobs/<job_id>/retry", reply=RetryJobReply, errors=(404, 409))
def post_retry(job_id: str) -> RetryJobReply:
    """Run a failed or cancelled job again, as a new job"""
    with transaction(services().engine) as conn:
        old = known_job(conn, job_id)
        new = retry_job(conn, old.id)
    return RetryJobReply(jobId=new.queue_job_id, retriedFrom=str(old.id), scheduledFor=new.scheduled_for)


@endpoint(blueprint, "GET", "/api/queue-jobs/<job_id>", reply=QueueJobReply, errors=(404,))
def get_queue_job(job_id: str) -> dict[str, Any]:
    """Status, progress and result of a job"""
    with reading() as conn:
        job = known_job(conn, job_id)
    return {"jobId": job.queue_job_id, **job.as_api()}


@endpoint(blueprint, "DELETE", "/api/queue-jobs/<job_id>", reply=CancelJobReply, errors=(404, 409))
def delete_queue_job(job_id: str) -> CancelJobReply:
    """Cancel a job that has not ended"""
    with transaction(services().engine) as conn:
        return CancelJobReply(jobId=_cancelled(conn, job_id).queue_job_id)


def _cancelled(conn: Connection, job_id: str) -> JobRow:
    job = known_job(conn, job_id)
    cancel_job(conn, job.id)
    # What is stored decides: the job may have ended between the two statements.
    ended = find_job(conn, str(job.id)) or job
    if job.status == "cancelled" or ended.status != "cancelled":
        raise WrongState(f"A {ended.status} job cannot be cancelled", ended.status)
    return job
