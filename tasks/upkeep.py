"""Upkeep."""

from __future__ import annotations

from app.queue.models import CleanupResult, RecurringTasksResult
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.services import services


@processor("update_recurring_tasks")
def update_recurring_tasks(job: RunningJob) -> RecurringTasksResult:
    return services().upkeep.update_recurring_tasks(job)


@processor("cleanup_old_data")
def cleanup_old_data(job: RunningJob) -> CleanupResult:
    return services().upkeep.cleanup_old_data(job)
