"""Onboarding: queue an analysis, look at it (CONTRACT 5)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import Blueprint

from app.db.commit import transaction
from app.features.onboarding.reads import find_onboarding
from app.queue.adding import add_job
from app.queue.alone import live_jobs_like
from app.queue.steering import cancel_job
from app.web.endpoint import endpoint, reading, services
from app.web.errors import ApiError
from app.web.people import known_user
from app.web.plan_schemas import CorrelatedReply, OnboardingReply, QueueOnboardingRequest

blueprint = Blueprint("onboarding", __name__)


@endpoint(blueprint, "POST", "/queue/onboarding", body=QueueOnboardingRequest, reply=CorrelatedReply, errors=(404, 409))
def post_onboarding(body: QueueOnboardingRequest) -> CorrelatedReply:
    """Queue an analysis of what a new user tells"""
    forced = bool(body.options and body.options.forceRegenerate)
    correlation_id = str(uuid4())
    metadata = {
        "userContext": body.userContext.model_dump(exclude_none=True),
        "options": {"forceRegenerate": forced},
        "correlationId": correlation_id,
    }
    with transaction(services().engine) as conn:
        user = known_user(conn, body.userId)
        live = live_jobs_like(conn, "onboarding_analysis", user.id, metadata)
        if live and not forced:
            raise ApiError(409, "Already analysing the onboarding")
        for job in live:
            cancel_job(conn, job.id, "a forced analysis takes its place")
        added = add_job(conn, "onboarding_analysis", user_id=user.id, metadata=metadata)
    return CorrelatedReply(jobId=added.queue_job_id, correlationId=correlation_id)


@endpoint(blueprint, "GET", "/users/<user_id>/onboarding", reply=OnboardingReply, errors=(404,))
def get_onboarding(user_id: str) -> dict[str, Any]:
    """What was found out about a user"""
    with reading() as conn:
        return find_onboarding(conn, known_user(conn, user_id).id)
