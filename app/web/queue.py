"""Putting work into the queue, and its counts."""

from __future__ import annotations

from flask import Blueprint

from app.db.commit import transaction
from app.queue.reads import queue_stats
from app.queue.steering import cancel_brief_jobs_for_date
from app.web.brief_requests import queue_brief
from app.web.endpoint import endpoint, reading, services
from app.web.errors import not_found
from app.web.people import known_user, own_id
from app.web.schemas import CancelBriefReply, CancelBriefRequest, QueueBriefReply, QueueBriefRequest, StatsReply

blueprint = Blueprint("queue", __name__)


@endpoint(blueprint, "POST", "/queue/brief", body=QueueBriefRequest, reply=QueueBriefReply, errors=(404,))
def post_brief(body: QueueBriefRequest) -> QueueBriefReply:
    """Queue a daily brief, or find the job that makes it already"""
    user_id = own_id(body.userId)
    queued = queue_brief(services().engine, user_id, body, services().clock.now()) if user_id else None
    if queued is None:
        raise not_found("User")
    return QueueBriefReply(
        jobId=queued.job_name,
        scheduledFor=queued.due_at,
        briefDate=queued.brief_date,
        deduplicated=queued.deduplicated,
    )


@endpoint(blueprint, "POST", "/queue/brief/cancel", body=CancelBriefRequest, reply=CancelBriefReply, errors=(404,))
def cancel_brief(body: CancelBriefRequest) -> CancelBriefReply:
    """Cancel the live brief jobs of a date"""
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        cancelled = cancel_brief_jobs_for_date(conn, user.id, body.briefDate.isoformat())
    return CancelBriefReply(cancelledJobs=len(cancelled))


def _stats() -> StatsReply:
    """Count jobs by type and status"""
    with reading() as conn:
        return StatsReply(stats=queue_stats(conn))


for _path in ("/queue/stats", "/api/queue/stats"):
    endpoint(blueprint, "GET", _path, reply=StatsReply, operator=True)(_stats)
