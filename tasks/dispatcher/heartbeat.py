"""The heartbeat: signs of life for a worker's jobs, an end for runs that lost theirs, and the sweep for everybody's stalled ones."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.worker import state
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.logs import about
from app.queue import claims, processes, upkeep
from app.queue.errors import describe
from app.settings import Settings
from tasks import mirror
from tasks.dispatcher.watch import Watch
from tasks.runway import RUNWAY

log = logging.getLogger(__name__)

DEAD_AFTER_BEATS = 3  # heartbeats without a sign of life before a process counts as dead
FOLD_EVERY = 5.0  # seconds between two foldings of the counts


class HeartbeatLoop(threading.Thread):
    """One a worker, in a thread of its own so that it beats under every pool."""

    def __init__(
        self, engine: Engine, settings: Settings, name: str, queues: list[str], concurrency: Callable[[], int],
        last_poll: Callable[[], float | None], drain: Callable[[bool], None], end_process: Callable[[int], None] | None,
    ):  # fmt: skip
        super().__init__(name="heartbeat", daemon=True)
        self._engine = engine
        self._settings = settings
        self._name_of_worker = name
        self._queues = queues
        self._concurrency = concurrency
        self._last_poll = last_poll
        self._drain = drain
        self._end_process = end_process
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._confirmed: set[str] = set()
        self._ends_at: dict[str, float] = {}  # task id of a run that lost its job → when its process is ended
        self._next_sweep = 0.0
        self._next_fold = 0.0
        self._watch = Watch(engine, settings)

    def look(self) -> None:
        """A running job may have been cancelled, or this worker is to drain."""
        self._wake.set()

    def stop(self) -> None:
        """Beat no more."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._beat()
                self._upkeep()
                self._watch.look()
            except SQLAlchemyError as error:
                log.warning("heartbeat: the database is away: %s", describe(error))
            except Exception:  # a worker whose heart stopped would lose every job it runs
                log.exception("heartbeat: unforeseen, it goes on")
            self._end_lost_runs()
            now = time.monotonic()
            interval = self._settings.queue_heartbeat_interval / 1000
            self._wake.wait(max(0.05, min([interval, *(at - now for at in self._ends_at.values())])))
            self._wake.clear()

    def _beat(self) -> None:
        running = _jobs(state.active_requests)
        held = {task_id: job for message in RUNWAY.messages() for task_id, job in message.held().items()}
        with self._engine.begin() as conn:
            alive = claims.heartbeat(conn, {**held, **running})
            silent = {task_id: job for task_id, job in running.items() if task_id not in alive}
            cancelled = claims.cancelled_among(conn, list(silent.values())) if silent else set()
            draining = processes.report(
                conn, self._name_of_worker, "worker", queues=self._queues, concurrency=self._concurrency(),
                polled=self._last_poll() is not None,
            )  # fmt: skip
        self._drain(draining)
        # A run that just began has no claim yet, and one that just ended has none any more: only a claim that was seen to
        # stand, or a cancelled job, makes a lost run.
        lost = {task_id for task_id, job in silent.items() if job in cancelled or task_id in self._confirmed}
        self._confirmed = (self._confirmed & set(running)) | alive
        due = time.monotonic() + self._settings.queue_cancel_grace
        self._ends_at = {task_id: self._ends_at.get(task_id, due) for task_id in lost}

    def _end_lost_runs(self) -> None:
        due = {task_id for task_id, at in self._ends_at.items() if at <= time.monotonic()}
        for request in snapshot(state.active_requests):
            if request.id in due and self._end_process is not None and request.worker_pid:
                log.warning("job %s was cancelled or taken back and its run did not stop: ended", request.kwargs.get("job_id"))
                self._end_process(request.worker_pid)
        for task_id in due:
            del self._ends_at[task_id]

    def _upkeep(self) -> None:
        now = time.monotonic()
        if now >= self._next_fold:
            self._next_fold = now + FOLD_EVERY
            with self._engine.begin() as conn:
                upkeep.fold_counts(conn)
                processes.bury_dead(conn, DEAD_AFTER_BEATS * self._settings.queue_heartbeat_interval / 1000)
        if now >= self._next_sweep:
            self._next_sweep = now + self._settings.queue_sweep_interval / 1000
            sweep(self._engine, self._settings)


def sweep(engine: Engine, settings: Settings) -> int:
    """Take back the jobs of runs that went silent. Returns how many."""
    with engine.begin() as conn:
        stalled = upkeep.take_back_stalled(conn, settings.queue_stalled_timeout)
        for held, status in stalled:
            with about(held):
                log.warning("job %s stalled in attempt %d: now %s", held.id, held.attempt, status)
            mirror.tell_feature(conn, held, "stalled", final=status == "failed")
    with engine.begin() as conn:
        upkeep.prune_row_events(conn)
    return len(stalled)


def end_by_kill(pool: Any) -> Callable[[int], None] | None:
    """How this pool ends a run from outside; None where it cannot (threads, solo): there a run stops at its next checkpoint."""
    inner = getattr(pool, "_pool", None)
    if not hasattr(inner, "terminate_job"):
        return None
    return lambda pid: inner.terminate_job(pid, signal.SIGKILL)


def _jobs(requests: Any) -> dict[str, str]:
    """Celery task id → job of the requests that stand for one job. A lease is never ended for one of its jobs."""
    return {request.id: request.kwargs["job_id"] for request in snapshot(requests) if set(request.kwargs or ()) == {"job_id"}}


def snapshot(requests: Any) -> list[Any]:
    """A copy of one of Celery's sets, which its own thread may be changing."""
    while True:
        try:
            return list(requests)
        except RuntimeError:
            continue
