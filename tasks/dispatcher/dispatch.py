"""The dispatcher: turns due rows into messages, a few at a time, woken by NOTIFY and by every slot that becomes free."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import redis
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.queue import dispatching
from app.queue.errors import describe
from app.settings import Settings
from tasks.dispatcher.broker import Broker
from tasks.dispatcher.runway import RUNWAY
from tasks.engine import JobCelery

log = logging.getLogger(__name__)

LOST_AFTER_BEATS = 3  # heartbeats without a sign of a message before Redis is searched for it
BROKER_TROUBLE = (BrokerError, redis.RedisError, OSError)


class DispatchLoop(threading.Thread):
    """One a worker. `free_slots` tells how many jobs could begin at once; sends only to queues this worker consumes."""

    def __init__(
        self, celery: JobCelery, engine: Engine, settings: Settings, name: str, job_types: list[str], queues: list[str],
        free_slots: Callable[[], int],
    ):  # fmt: skip
        super().__init__(name="dispatch", daemon=True)
        self._celery = celery
        self._engine = engine
        self._settings = settings
        self._dispatcher = name
        self._job_types = job_types
        self._queues = queues
        self._free_slots = free_slots
        self._broker = Broker(settings.redis_url)
        self._epoch: str | None = None
        self._producer: Any = None
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._next_look = 0.0
        self.last_poll: float | None = None
        RUNWAY.on_room = self.wake

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()
        self._wake.set()

    def run(self) -> None:
        pause = 0.5
        while not self._stopped.is_set():
            try:
                wait = self._cycle()
                pause = 0.5
            except SQLAlchemyError as error:
                log.warning("dispatcher: the database is away: %s", describe(error))
                wait, pause = pause, min(pause * 2, 5.0)
            except BROKER_TROUBLE as error:
                log.warning("dispatcher: the broker is away: %s", describe(error))
                self._hang_up()
                wait, pause = pause, min(pause * 2, 5.0)
            self._wake.wait(wait)
            self._wake.clear()

    def _cycle(self) -> float:
        """Send what there is room for. Returns the seconds to wait for a wake-up."""
        poll = self._settings.queue_poll_interval / 1000
        if time.monotonic() >= self._next_look:
            self._look_after_messages()
            self._next_look = time.monotonic() + poll
        room = RUNWAY.room(self._free_slots())
        with self._engine.begin() as conn:
            # Asked before the dispatch: what becomes due between the two is found by the next cycle at once.
            due = dispatching.seconds_until_due(conn, self._job_types)
            jobs = dispatching.dispatch(conn, self._job_types, room, self._dispatcher) if room > 0 else []
        self.last_poll = time.time()
        self._send(jobs)
        if room > 0 and len(jobs) == room:
            return poll  # the runway is full: woken when it empties
        return poll if due is None else min(poll, max(due, 0.0) + 0.005)

    def _send(self, jobs: list[tuple[UUID, str]]) -> None:
        unsent = list(jobs)
        try:
            while unsent and not self._stopped.is_set():
                job_id, job_type = unsent[0]
                task_id = str(uuid.uuid4())
                RUNWAY.sent(task_id, job_id)
                try:
                    self._celery.send_dispatch(job_type, str(job_id), task_id, self._line())
                except BaseException:
                    RUNWAY.forget({task_id})
                    raise
                unsent.pop(0)
        finally:
            if unsent:
                with self._engine.begin() as conn:
                    dispatching.undispatch(conn, [job_id for job_id, _ in unsent])

    def _look_after_messages(self) -> None:
        """Forget messages that others took; send again what is lost: all of it when Redis is a new one, else one by one."""
        epoch = self._broker.epoch()
        fresh = self._epoch is not None and epoch != self._epoch
        self._epoch = epoch
        sent = RUNWAY.waiting()
        if not sent:
            return
        with self._engine.connect() as conn:
            waiting = dispatching.still_waiting(conn, list(sent.values()), self._dispatcher)
        RUNWAY.forget({task_id for task_id, job_id in sent.items() if job_id not in waiting})
        silent = LOST_AFTER_BEATS * self._settings.queue_heartbeat_interval / 1000
        doubted = {t: j for t, j in sent.items() if j in waiting and (fresh or waiting[j] > silent)}
        if doubted and not fresh:
            there = self._broker.waiting_task_ids(self._queues)
            doubted = {t: j for t, j in doubted.items() if t not in there}
        if doubted:
            log.warning("dispatcher: %d messages are lost, their jobs are dispatched again", len(doubted))
            RUNWAY.forget(set(doubted))
            with self._engine.begin() as conn:
                dispatching.undispatch(conn, list(doubted.values()))

    def _line(self) -> Any:
        if self._producer is None:
            self._producer = self._celery.amqp.Producer(self._celery.connection_for_write().default_channel)
        return self._producer

    def _hang_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.connection.collapse() if hasattr(producer.connection, "collapse") else producer.connection.release()
            except Exception as error:  # noqa: BLE001 - a line that is broken may break once more when it is put down
                log.debug("dispatcher: %s", describe(error))
