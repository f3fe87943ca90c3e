"""Phases: queue them, make them at once, look at them (CONTRACT 5)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint
from sqlalchemy import Connection

from app.db.acting import acting_as, owner_rights
from app.db.commit import transaction
from app.features.phases.models import OPEN_STATUSES
from app.features.phases.reads import count_tasks, find_plan, owner_of
from app.identity.users import User
from app.queue.adding import AddedJob, add_job
from app.queue.alone import live_jobs_like
from app.queue.errors import LeaseLost, PermanentError, TransientError
from app.queue.inline import claim_here, run_here
from app.queue.reads import as_uuid
from app.web.endpoint import caller, endpoint, reading, services
from app.web.errors import ApiError, not_found
from app.web.people import session_user
from app.web.plan_schemas import (
    CorrelatedReply,
    GeneratePhasesReply,
    GeneratePhasesRequest,
    PhasesJobRequest,
    PhasesOptions,
    Plan,
    QueuePhasesRequest,
)

blueprint = Blueprint("phases", __name__)


@endpoint(blueprint, "POST", "/queue/phases", body=QueuePhasesRequest, reply=CorrelatedReply, errors=(404, 409))
def post_phases(body: QueuePhasesRequest) -> CorrelatedReply:
    """Queue phases for a project"""
    return _queued(body)


@endpoint(blueprint, "POST", "/api/phases-jobs", body=PhasesJobRequest, reply=CorrelatedReply, errors=(404, 409))
def post_phases_job(body: PhasesJobRequest) -> CorrelatedReply:
    """Queue phases for a project of the caller"""
    return _queued(body)


def _queued(body: PhasesJobRequest) -> CorrelatedReply:
    correlation_id = str(uuid4())
    with transaction(services().engine) as conn:
        user = session_user(conn, body.userId)
        added = _add(conn, user, body.projectId, body.options, correlation_id)
    return CorrelatedReply(jobId=added.queue_job_id, correlationId=correlation_id)


def _add(conn: Connection, user: User, project_id: str, options: PhasesOptions | None, correlation_id: str) -> AddedJob:
    """Add the job unless one for the project waits or runs. Requests for one project take turns, so of two at once one adds it."""
    project = _project_of(conn, project_id, user.id)
    if live_jobs_like(conn, "generate_phases", user.id, {"projectId": str(project)}):
        raise ApiError(409, "Already generating phases")
    given = options.model_dump(exclude_none=True) if options else {}
    if count_tasks(conn, project, given.get("selected_statuses", OPEN_STATUSES)) == 0:
        message = "the project has no tasks to plan"
        raise ApiError(400, message, "no_tasks", details=[{"field": "projectId", "message": message}])
    metadata = {"projectId": str(project), "options": given, "correlationId": correlation_id}
    return add_job(conn, "generate_phases", user_id=user.id, metadata=metadata)


def _project_of(conn: Connection, project_id: str, user_id: UUID) -> UUID:
    known = as_uuid(project_id)
    if known is None or owner_of(conn, known) != user_id:
        raise not_found("Project")
    return known


@endpoint(
    blueprint,
    "POST",
    "/api/projects/<project_id>/phases/generate",
    body=GeneratePhasesRequest,
    reply=GeneratePhasesReply,
    errors=(404, 409, 503),
)
def post_generate(project_id: str, body: GeneratePhasesRequest) -> dict[str, Any]:
    """Make phases for a project and answer with them

    The job is one like any other, with progress and history, except that it runs here: nobody else can take it.
    """
    given = body.model_dump(include=set(PhasesOptions.model_fields), exclude_none=True)
    given |= body.options.model_dump(exclude_none=True) if body.options else {}
    engine = services().engine
    with transaction(engine) as conn:
        user = session_user(conn, body.userId)
        added = _add(conn, user, project_id, PhasesOptions(**given), str(uuid4()))
        with owner_rights(conn):  # only who runs jobs may claim one
            held = claim_here(conn, added.id, "api")
        if held is None:
            raise ApiError(503, "Making phases is paused", "paused")
    try:
        with acting_as(None):  # a job is run by the program, here as in a worker
            result = run_here(engine, held, lambda job: services().phases.generate(job, last_try=True))
    except LeaseLost:
        raise ApiError(409, "The job was cancelled", "cancelled") from None
    except PermanentError as error:  # the project went, or lost its tasks, since we looked
        raise ApiError(404 if str(error) == "Project not found" else 400, str(error)) from None
    except TransientError as error:
        raise ApiError(503, str(error), "llm_unavailable") from None
    with engine.connect() as conn:
        return {"success": True, "jobId": added.queue_job_id, "data": find_plan(conn, UUID(result.projectId))}


@endpoint(blueprint, "GET", "/projects/<project_id>/phases", reply=Plan, errors=(404,))
def get_phases(project_id: str) -> dict[str, Any]:
    """The phases of a project, and the tasks that are in none"""
    known = as_uuid(project_id)
    with reading() as conn:
        owner = owner_of(conn, known) if known else None
        if owner is None or not caller().may_act_for(owner):
            raise not_found("Project")
        return find_plan(conn, known)
