"""What an operator looks at: figures over time, what failed and why, what has waited the longest. None of it counts jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from flask import Blueprint, Response
from pydantic import Field

from app.queue.alerts import oldest_due
from app.queue.failures import failure_groups
from app.queue.figures import RANGES, figures
from app.queue.reads import iso
from app.web.endpoint import endpoint, reading, services
from app.web.fields import JobTypeName, whole_number
from app.web.schemas import Reply, Request
from app.web.unchanged import unless_unchanged

blueprint = Blueprint("figures", __name__)


class Lengths(Reply):
    """Seconds that half, and that 19 of 20 jobs took at most."""

    p50: float
    p95: float


class Figure(Reply):
    """What happened in the span of time that begins at `at`."""

    at: datetime
    added: int
    completed: int
    failed: int
    retried: int = Field(description="Attempts that failed and are tried again.")
    cancelled: int
    waits: Lengths | None = Field(description="From when a job was due until it began, of the jobs that ended.")
    runs: Lengths | None = Field(description="How long their last run took.")


class FiguresReply(Reply):
    step: int = Field(description="Seconds of a span.")
    figures: list[Figure] = Field(description="Oldest first, up to now.")


class FiguresQuery(Request):
    range: Literal[*RANGES] = "hour"
    type: JobTypeName | None = None


class FailureShown(Reply):
    """Failed attempts of a type that said the same."""

    job_type: str
    pattern: str = Field(description="What they said, … for what varies.")
    text: str = Field(description="The part of it that finds them in GET /jobs.")
    failed: int = Field(description="That ended their job.")
    retried: int
    last_at: datetime
    last_job: str = Field(description="Uuid of the latest.")
    last_message: str


class FailuresReply(Reply):
    failures: list[FailureShown] = Field(description="The most frequent first.")


class FailuresQuery(Request):
    hours: Annotated[int, whole_number("1 to 168"), Field(ge=1, le=168)] = 24


class WaitingShown(Reply):
    job_type: str
    job_id: str
    scheduled_for: datetime = Field(description="Since when it is due.")


class WaitingReply(Reply):
    waiting: list[WaitingShown] = Field(
        description="The job of each type that has been due the longest, the longest first."
    )


@endpoint(blueprint, "GET", "/queue/figures", query=FiguresQuery, reply=FiguresReply, operator=True)
def get_figures(query: FiguresQuery) -> Response:
    """Jobs added and ended over time, how long they waited and ran"""
    wanted = RANGES[query.range]
    with reading() as conn:
        found = figures(conn, wanted, services().clock.now(), query.type)
    return unless_unchanged({"step": int(wanted.step.total_seconds()), "figures": found})


@endpoint(blueprint, "GET", "/queue/failures", query=FailuresQuery, reply=FailuresReply, operator=True)
def get_failures(query: FailuresQuery) -> Response:
    """Failed attempts of the last hours, grouped by what they said"""
    with reading() as conn:
        groups = failure_groups(conn, services().clock.now() - timedelta(hours=query.hours))
    return unless_unchanged(
        {"failures": [{**vars(group), "text": group.text, "last_at": iso(group.last_at)} for group in groups]}
    )


@endpoint(blueprint, "GET", "/queue/waiting", reply=WaitingReply, operator=True)
def get_waiting() -> Response:
    """The jobs that have been due the longest, one of each type"""
    with reading() as conn:
        found = oldest_due(conn, services().clock.now())
    shown = [{"job_type": job.job_type, "job_id": job.job_id, "scheduled_for": iso(job.scheduled_for)} for job in found]
    return unless_unchanged({"waiting": shown})
