"""The schedules: what they did last and do next, and running one now (CONTRACT 5 and 7)."""

from __future__ import annotations

from flask import Blueprint

from app.db.commit import transaction
from app.features.schedules import service as schedules
from app.features.schedules.service import ScheduleStatus, UnknownSchedule
from app.queue.errors import describe
from app.web.endpoint import endpoint, reading, services
from app.web.errors import not_found
from app.web.schemas import RunScheduleReply, Schedule, SchedulesReply

blueprint = Blueprint("schedules", __name__)


@endpoint(blueprint, "GET", "/schedules", reply=SchedulesReply, operator=True)
def get_schedules() -> SchedulesReply:
    """Every schedule: its last run and how it ended, its next run"""
    with reading() as conn:
        return SchedulesReply(
            schedules=[_shown(found) for found in schedules.schedule_status(conn, services().clock.now())]
        )


@endpoint(blueprint, "POST", "/schedules/<name>/run", reply=RunScheduleReply, errors=(404,), operator=True)
def post_run(name: str) -> RunScheduleReply:
    """Run a schedule now; what it has queued already is not queued twice"""
    try:
        with transaction(services().engine) as conn:
            queued = schedules.run_schedule(conn, name, by_hand=True)
    except UnknownSchedule:
        raise not_found("Schedule") from None
    except Exception as error:
        with transaction(services().engine) as conn:
            schedules.record_failure(conn, name, describe(error))
        raise
    return RunScheduleReply(queued=queued)


def _shown(found: ScheduleStatus) -> Schedule:
    return Schedule(
        name=found.name,
        cron=found.cron,
        lastRun=found.last_run,
        lastOutcome="failed" if found.last_error else "succeeded" if found.last_run else None,
        lastQueued=found.queued,
        lastError=found.last_error,
        lastErrorAt=found.last_error_at,
        coveredUntil=found.covered_until,
        nextRun=found.next_run,
    )
