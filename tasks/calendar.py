"""Connected calendars."""

from __future__ import annotations

import logging

from app.features.calendar import connections
from app.queue.models import CalendarSyncResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.engine import celery
from tasks.services import services

log = logging.getLogger(__name__)


@processor("sync_calendar")
def sync_calendar(job: RunningJob) -> CalendarSyncResult:
    return services().calendar.sync(job)


@celery.task(name="queue_calendar_syncs")
def queue_calendar_syncs() -> int:
    """Queue a sync of every feed and calendar that is due, and of those whose channel is about to end. Returns how many."""
    with services().engine.begin() as conn:
        queued = connections.queue_due(conn, services().clock.now())
    log.info("queue_calendar_syncs: %d queued", queued)
    return queued
