"""Jobs that wait for too long, and those that failed long ago (CONTRACT 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from flask import Blueprint
from pydantic import Field

from app.queue import archive, stale
from app.web.endpoint import endpoint, services
from app.web.fields import Flag
from app.web.schemas import CleanupReply, Request, StaleJobShown, StaleStatsReply

blueprint = Blueprint("upkeep", __name__)

OLD_FAILED_DAYS = 7

Hours = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]


class StaleQuery(Request):
    thresholdHours: Hours = Field(24, description="Hours since a job was due.")


class CleanupRequest(Request):
    """What is to be cleaned up. A dry run counts and changes nothing."""

    staleThresholdHours: Hours = Field(24, strict=True, description="Live jobs that were due longer ago are cancelled.")
    oldFailedJobsDays: Days = Field(
        OLD_FAILED_DAYS, strict=True, description="Jobs that failed longer ago move to the archive."
    )
    dryRun: Flag = False


@endpoint(blueprint, "GET", "/queue/stale-stats", query=StaleQuery, reply=StaleStatsReply, operator=True)
def get_stale_stats(query: StaleQuery) -> StaleStatsReply:
    """Jobs that were due long ago and neither ended nor run"""
    failed_before = services().clock.now() - timedelta(days=OLD_FAILED_DAYS)
    silent = services().settings.queue_stalled_timeout
    with services().engine.connect() as conn:
        count = stale.count_stale(conn, query.thresholdHours, silent)
        jobs = stale.oldest_stale(conn, query.thresholdHours, silent)
        old_failed = archive.count_ended(conn, ["failed"], failed_before)
    return StaleStatsReply(
        thresholdHours=query.thresholdHours,
        staleCount=count,
        staleJobs=[
            StaleJobShown(
                id=str(job.id),
                queue_job_id=job.queue_job_id,
                job_type=job.job_type,
                status=job.status,
                created_at=job.created_at,
                age_hours=round(job.age_hours, 1),
            )
            for job in jobs
        ],
        oldFailedCount=old_failed,
        message=f"Found {count} stale job(s) that can be cleaned up" if count else "No stale jobs found",
    )


@endpoint(blueprint, "POST", "/queue/cleanup", body=CleanupRequest, reply=CleanupReply, operator=True)
def post_cleanup(body: CleanupRequest) -> CleanupReply:
    """Cancel stale jobs and move old failed ones to the archive, now"""
    done = services().upkeep.cleanup(
        stale_hours=body.staleThresholdHours, failed_days=body.oldFailedJobsDays, dry_run=body.dryRun
    )
    cancelled, archived = done.stale_cancelled, done.old_failed_archived
    said = f"{cancelled} stale job(s) and archive{'' if body.dryRun else 'd'} {archived} old failed job(s)"
    return CleanupReply(
        success=not done.errors,
        staleCancelled=cancelled,
        oldFailedCancelled=archived,
        errors=done.errors,
        message=f"Dry run - would cancel {said}" if body.dryRun else f"Cleanup completed - cancelled {said}",
    )
