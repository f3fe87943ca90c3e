"""Which types of job there are, and what each takes and gives: ours, and those of your own modules (CONTRACT 4)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from pydantic import Field

from app.queue.catalog import JOB_TYPES, OURS, JobType
from app.web.endpoint import endpoint
from app.web.schemas import Reply

blueprint = Blueprint("job_types", __name__)


class JobTypeReply(Reply):
    """A type of job, as the catalog describes it."""

    name: str
    label: str = Field(description="For people.")
    queue: str = Field(description="The family of types that a worker can choose with -Q.")
    priority: int = Field(description="Of a job added over HTTP; 1 = highest.")
    maxAttempts: int
    needsUser: bool
    leasable: bool = Field(description="Short jobs, many of which may share a message.")
    softLimit: float = Field(description="Seconds after which a run is asked to stop.")
    hardLimit: float = Field(description="Seconds after which its process is ended.")
    own: bool = Field(description="It comes from a module of JOB_MODULES.")
    metadata: dict[str, Any] = Field(description="JSON Schema of what it takes.")
    result: dict[str, Any] = Field(description="JSON Schema of what it gives.")


class JobTypesReply(Reply):
    jobTypes: list[JobTypeReply]


@endpoint(blueprint, "GET", "/job-types", reply=JobTypesReply, public=True)
def get_job_types() -> JobTypesReply:
    """Every type of job, with the schemas of its metadata and result"""
    return JobTypesReply(jobTypes=[describe(known) for known in JOB_TYPES.values()])


def describe(known: JobType) -> JobTypeReply:
    """A catalog entry as it is served."""
    return JobTypeReply(
        name=known.name,
        label=known.label,
        queue=known.queue,
        priority=known.priority,
        maxAttempts=known.max_attempts,
        needsUser=known.needs_user,
        leasable=known.leasable,
        softLimit=known.soft_limit,
        hardLimit=known.hard_limit,
        own=known.name not in OURS,
        metadata=known.metadata.model_json_schema(),
        result=known.result.model_json_schema(mode="serialization"),
    )
