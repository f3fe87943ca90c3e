"""What Beat sends: messages without a row, harmless when they are lost, late or doubled."""

from __future__ import annotations

import logging

from app.features.schedules import service as schedules
from app.features.sms.service import refresh_metrics
from app.queue import reads
from app.queue.errors import describe
from app.settings import get_settings
from tasks.dispatcher import heartbeat
from tasks.engine import celery
from tasks.services import services

log = logging.getLogger(__name__)


@celery.task(name="check_and_schedule_briefs")
def check_and_schedule_briefs() -> int:
    """Queue the briefs of the next hour. Returns how many."""
    return _tick("check_and_schedule_briefs")


@celery.task(name="check_and_schedule_daily_sms")
def check_and_schedule_daily_sms() -> int:
    """Queue the event reminders of every local date that begins before the next midnight UTC. Returns how many."""
    return _tick("check_and_schedule_daily_sms")


@celery.task(name="schedule_recurring_tasks")
def schedule_recurring_tasks() -> int:
    """Queue the day's `update_recurring_tasks`. Returns how many: 0 where it is queued already."""
    return _tick("schedule_recurring_tasks")


@celery.task(name="schedule_cleanup")
def schedule_cleanup() -> int:
    """Queue the day's `cleanup_old_data`. Returns how many: 0 where it is queued already."""
    return _tick("schedule_cleanup")


@celery.task(name="catch_up_schedules")
def catch_up_schedules() -> None:
    """Tick the schedules whose tick was missed, each in a transaction of its own, and work on changes that met a tick."""
    with services().engine.begin() as conn:
        schedules.apply_changes(conn)
        missed = schedules.missed(conn)
    for name in missed:
        _tick(name)


@celery.task(name="log_queue_stats")
def log_queue_stats() -> None:
    """Write the counts per type and state to the log."""
    with services().engine.connect() as conn:
        counts = [f"{row['job_type']} {row['status']} {row['count']}" for row in reads.queue_stats(conn)]
    log.info("queue: %s", ", ".join(counts) or "empty")


@celery.task(name="refresh_sms_metrics")
def refresh_sms_metrics() -> None:
    """Count the text messages anew."""
    with services().engine.begin() as conn:
        refresh_metrics(conn)


@celery.task(name="sweep")
def sweep() -> int:
    """Take back stalled jobs, should no worker's own sweep do it. Returns how many."""
    return heartbeat.sweep(services().engine, get_settings())


def _tick(name: str) -> int:
    """Run a schedule. Its failure is remembered and raised: what it would have covered, the next tick covers."""
    try:
        with services().engine.begin() as conn:
            queued = schedules.run_schedule(conn, name)
    except Exception as error:
        with services().engine.begin() as conn:
            schedules.record_failure(conn, name, describe(error))
        raise
    log.info("%s: %d queued", name, queued)
    return queued
