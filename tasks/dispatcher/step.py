"""Starts and stops the dispatcher with the worker it belongs to."""

from __future__ import annotations

import gc
import logging
import time
import uuid
from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from kombu import Exchange, Queue
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import make_engine
from app.db.schema import known_versions, version_behind
from app.queue import claims, own_types, processes, turns, upkeep
from app.queue.catalog import types_of_queues
from app.queue.errors import describe
from app.settings import get_settings
from tasks import mirror, outcomes
from tasks.dispatcher.crowds import CrowdLoop
from tasks.dispatcher.dispatch import DispatchLoop
from tasks.dispatcher.heartbeat import HeartbeatLoop, end_by_kill, snapshot
from tasks.dispatcher.listen import ListenLoop
from tasks.dispatcher.sending import make_sender

log = logging.getLogger(__name__)

HURRY = 5.0  # seconds
SCHEMA_LOOK = 0.5  # seconds between looks whether the database is migrated


class Dispatcher(bootsteps.StartStopStep):
    """A step of the worker: after its pool, before it consumes."""

    requires = frozenset({"celery.worker.components:Pool"})

    def __init__(self, worker: Any, **kwargs: Any):
        super().__init__(worker, **kwargs)
        worker.dispatcher = self
        self._hurry: float | None = None  # seconds that outcomes not yet written may take; None: until their leases are over
        # A name of its own for each life of a worker: what an earlier one left behind is not taken for its own.
        self._name = mirror.worker_name = f"{worker.hostname}/{uuid.uuid4().hex[:6]}"
        # What the dispatcher hands to this worker comes through a queue of its own: no other one can hold it back behind a long job.
        self._families = sorted(worker.app.amqp.queues.consume_from)
        self._queue = f"worker.{self._name}"
        worker.app.amqp.queues.select_add(Queue(self._queue, Exchange(""), routing_key=self._queue, auto_delete=True))
        # What is there by now stays: no collection in this process or its children need look at it again.
        gc.collect()
        gc.freeze()
        # Made before the pool forks: its children send their outcomes through it.
        outcomes.open_outbox()

    def start(self, worker: Any) -> None:
        settings = get_settings()
        self._engine = make_engine(settings, application_name="buildos dispatcher", pool_size=4, ping=False)
        _wait_for_schema(self._engine)
        self._write_settings(settings)
        own_types.announce(self._engine)
        self._dispatch = DispatchLoop(
            self._engine, settings, self._name, types_of_queues(set(self._families)),
            make_sender(worker.app, settings, self._queue),
            reserved=lambda: frozenset(request.id for request in snapshot(state.reserved_requests)),
            slots=lambda: slots(worker),
        )  # fmt: skip
        self._heartbeat = HeartbeatLoop(
            self._engine, settings, self._name, self._families, lambda: slots(worker), lambda: self._dispatch.last_poll,
            self._dispatch.drain, end_by_kill(worker.pool),
        )  # fmt: skip
        self._writer = outcomes.Writer(self._engine, mirror.complete)
        self._listen = ListenLoop(settings.listen_url, self._dispatch.wake, self._heartbeat.look)
        self._crowds = CrowdLoop(self._engine, types_of_queues(set(self._families)), settings.queue_crowd)
        if settings.queue_crowd:
            self._crowds.start()
        signals.worker_ready.connect(self._start_sending, weak=False)
        signals.worker_shutting_down.connect(self._stop_sending, weak=False)
        signals.worker_shutdown.connect(self._leave, weak=False)
        for loop in (self._writer, self._heartbeat, self._listen):
            loop.start()

    def _start_sending(self, **_: Any) -> None:
        """Only now does the worker hear what is sent to it: a job handed over earlier would wait, and others have free slots."""
        if not self._dispatch.is_alive():
            self._dispatch.start()

    def stop(self, worker: Any) -> None:
        """The pool drains after this: nothing more is sent, the heartbeat goes on until the last job is done."""
        self._stop_sending()

    def terminate(self, worker: Any) -> None:
        self._hurry = HURRY
        self._stop_sending()

    def _stop_sending(self, **_: Any) -> None:
        self._dispatch.stop()
        self._listen.stop()
        self._crowds.stop()

    def _leave(self, **_: Any) -> None:
        """The pool is gone. Jobs that were cut short go back to `pending`, uncharged; others may take what was sent."""
        if self._dispatch.is_alive():
            self._dispatch.join(5)
        self._writer.finish(self._hurry)
        self._heartbeat.stop()
        try:
            with self._engine.begin() as conn:
                for held in claims.held_by(conn, self._name):
                    claims.release(conn, held, "handed back: its worker stopped")
                processes.leave(conn, self._name)
        except SQLAlchemyError as error:
            log.warning("worker leaves without a word, its jobs are taken back when their lease is over: %s", describe(error))

    def _write_settings(self, settings: Any) -> None:
        try:
            with self._engine.begin() as conn:
                upkeep.write_settings(conn, settings)
                turns.write_limits(conn, turns.limits_of(settings))
        except SQLAlchemyError as error:
            log.warning("the settings that SQL reads were not written: %s", describe(error))


def _wait_for_schema(engine: Engine) -> None:
    """A worker that was started before its release's migrations takes nothing until they are there: older ones go on meanwhile."""
    known, told = known_versions(), False
    while True:
        try:
            with engine.connect() as conn:
                behind = version_behind(conn, known)
        except SQLAlchemyError:  # away: whoever comes to it next says so and waits
            return
        if behind is None:
            return
        if not told:
            log.warning("the database is at version %s, this release needs %s: waiting for `buildos migrate`", behind, known[-1])
            told = True
        state.maybe_shutdown()
        time.sleep(SCHEMA_LOOK)


def slots(worker: Any) -> int:
    """How many jobs the worker's pool runs at once."""
    return getattr(worker.pool, "num_processes", None) or worker.concurrency or 1
