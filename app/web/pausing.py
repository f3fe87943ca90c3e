"""Holding a job type back and letting it go on (CONTRACT 5)."""

from __future__ import annotations

from flask import Blueprint

from app.db.commit import transaction
from app.queue import pausing
from app.web.endpoint import endpoint, services
from app.web.fields import JobTypeName
from app.web.schemas import PauseReply, Request

blueprint = Blueprint("pausing", __name__)


class PauseRequest(Request):
    jobType: JobTypeName


@endpoint(blueprint, "POST", "/queue/pause", body=PauseRequest, reply=PauseReply, operator=True)
def post_pause(body: PauseRequest) -> PauseReply:
    """Begin no more jobs of a type; those that run finish"""
    with transaction(services().engine) as conn:
        pausing.pause(conn, body.jobType)
    return PauseReply(jobType=body.jobType, paused=True)


@endpoint(blueprint, "POST", "/queue/resume", body=PauseRequest, reply=PauseReply, operator=True)
def post_resume(body: PauseRequest) -> PauseReply:
    """Begin jobs of a type again, at once"""
    with transaction(services().engine) as conn:
        pausing.resume(conn, body.jobType)
    return PauseReply(jobType=body.jobType, paused=False)
