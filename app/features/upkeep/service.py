"""The two jobs of upkeep, and the cleanup that an operator asks for (CONTRACT 4, 5 and 8.9)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.db.commit import transaction
from app.features.upkeep import repository
from app.features.upkeep.rules import NextInstance, next_instance
from app.formats.problems import ImportProblem
from app.identity import audit
from app.ports.clock import Clock
from app.queue import archive, stale
from app.queue.errors import describe
from app.queue.models import CleanupMetadata, CleanupResult, RecurringTasksResult
from app.queue.running import RunningJob
from app.settings import Settings

log = logging.getLogger(__name__)

BATCH = 200  # tasks in one transaction

FAILED = ("failed",)
KEPT_LONGER = ("completed", "cancelled")


@dataclass
class Cleaned:
    """What a cleanup did, or with a dry run would do: stale jobs cancelled, old failed ones archived, what went wrong."""

    stale_cancelled: int = 0
    old_failed_archived: int = 0
    errors: list[str] = field(default_factory=list)


class UpkeepService:
    """Keeps tasks coming and old data away."""

    def __init__(self, engine: Engine, clock: Clock, settings: Settings) -> None:
        self._engine = engine
        self._clock = clock
        self._settings = settings

    def update_recurring_tasks(self, job: RunningJob) -> RecurringTasksResult:
        """Give each finished recurring task its next instance, once. A rule that is none is passed over and looked at again next time."""
        created = ended = invalid = 0
        after = UUID(int=0)
        while True:
            coming: list[tuple[UUID, NextInstance]] = []
            over: list[UUID] = []
            with job.transaction() as conn:
                tasks = repository.finished(conn, after, BATCH)
                for task in tasks:
                    try:
                        found = next_instance(task)
                    except ImportProblem as problem:
                        log.warning("task %s does not come again: %s", task.id, problem)
                        invalid += 1
                        continue
                    if found is None:
                        over.append(task.id)
                    else:
                        coming.append((task.id, found))
                repository.add_instances(conn, coming)
                repository.settle(conn, [*over, *(task_id for task_id, _ in coming)], self._clock.now())
            created, ended = created + len(coming), ended + len(over)
            if len(tasks) < BATCH:
                return RecurringTasksResult(created=created, ended=ended, invalid=invalid)
            after = tasks[-1].id
            job.progress("recurring", 50, f"{created} tasks come again")

    def cleanup_old_data(self, job: RunningJob) -> CleanupResult:
        """Archive ended jobs, keep the archive's months, remove old history. Live jobs are cancelled only where the metadata says so."""
        metadata: CleanupMetadata = job.metadata
        now = self._clock.now()
        hours = metadata.staleThresholdHours
        cancelled = 0
        if hours is not None:
            cancelled = _sum(
                job, stale.cancel_stale(self._engine, job.transaction, hours, self._settings.queue_stalled_timeout)
            )
        with job.transaction() as conn:
            dropped = archive.keep_months(conn, now, self._settings.queue_archive_kept_months)
        job.progress("archiving", 20, "Moving old jobs to the archive")
        failed_days = (
            self._settings.queue_failed_kept_days if metadata.oldFailedJobsDays is None else metadata.oldFailedJobsDays
        )
        archived = _sum(job, archive.archive_ended(job.transaction, FAILED, now - timedelta(days=failed_days)))
        kept = timedelta(days=self._settings.queue_completed_kept_days)
        archived += _sum(job, archive.archive_ended(job.transaction, KEPT_LONGER, now - kept))
        job.progress("history", 80, "Removing the history of jobs that are gone")
        pruned = _sum(job, archive.prune_histories(job.transaction))
        _sum(job, audit.prune(job.transaction, now, self._settings.audit_kept_days))
        return CleanupResult(
            staleCancelled=cancelled, archived=archived, historiesRemoved=pruned, monthsDropped=dropped
        )

    def cleanup(self, *, stale_hours: float, failed_days: float, dry_run: bool) -> Cleaned:
        """Cancel stale jobs and archive old failed ones, at once, in small batches. A step that fails does not stop the other.

        Raises sqlalchemy's errors when the database is away.
        """
        done = Cleaned()
        before = self._clock.now() - timedelta(days=failed_days)
        silent = self._settings.queue_stalled_timeout
        if dry_run:
            with self._engine.connect() as conn:
                done.stale_cancelled = stale.count_stale(conn, stale_hours, silent)
                done.old_failed_archived = archive.count_ended(conn, FAILED, before)
            return done

        begin = partial(transaction, self._engine)

        def cancel() -> None:
            for count in stale.cancel_stale(self._engine, begin, stale_hours, silent):
                done.stale_cancelled += count

        def move() -> None:
            for count in archive.archive_ended(begin, FAILED, before):
                done.old_failed_archived += count

        for step in (cancel, move):
            _attempt(step, done)
        return done


def _attempt(step: Callable[[], None], done: Cleaned) -> None:
    try:
        step()
    except SQLAlchemyError as error:
        if getattr(error, "connection_invalidated", False):
            raise
        log.warning("a step of the cleanup failed: %s", describe(error))
        done.errors.append(describe(error))


def _sum(job: RunningJob, counts: Iterable[int]) -> int:
    total = 0
    for count in counts:
        total += count
        job.checkpoint()
    return total
