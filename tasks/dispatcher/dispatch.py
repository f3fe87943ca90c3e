"""The dispatcher: turns due rows into messages, a few at a time, woken by NOTIFY and by every slot that becomes free."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app import tracing
from app.queue import claims, dispatching
from app.queue.dispatching import Dispatched
from app.queue.errors import describe
from app.settings import Settings
from tasks import lease
from tasks.dispatcher.sending import Sender
from tasks.runway import RUNWAY, Message

log = logging.getLogger(__name__)

STUCK_AFTER = 5.0  # seconds; what has waited that long for a slot is better off elsewhere
MOMENT = 0.005  # seconds in which the next of a stream of jobs may come: then nobody need know yet when another becomes due
BROKER_TROUBLE = (BrokerError, redis.RedisError, OSError)


class DispatchLoop(threading.Thread):
    """One a worker. `job_types` are those its queues are for, `reserved` the tasks Celery has taken, `slots` how many it runs."""

    def __init__(
        self, engine: Engine, settings: Settings, name: str, job_types: list[str], sender: Sender,
        reserved: Callable[[], frozenset[str]], slots: Callable[[], int],
    ):  # fmt: skip
        super().__init__(name="dispatch", daemon=True)
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")  # one statement is one transaction
        self._poll = settings.queue_poll_interval / 1000
        self._dispatcher = name
        self._job_types = job_types
        self._sender = sender
        self._reserved = reserved
        self._slots = slots
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._draining = False
        self._doubted = False  # the broker was away at the last look: it is asked before anything is claimed for it
        self.last_poll: float | None = None
        self._all_sent = False  # nothing was left by the last look: a slot that becomes free is no reason for another
        self._room_came = False  # a slot became free since the look began
        RUNWAY.on_room = self._on_room
        RUNWAY.least_extra = settings.queue_batch_size

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def _on_room(self) -> None:
        self._room_came = True
        if not self._all_sent:
            self.wake()

    def drain(self, draining: bool) -> None:
        """Send nothing for now, or go on. What was sent and not begun is handed back, so that another worker takes it."""
        if draining != self._draining:
            log.info("dispatcher: %s", "draining" if draining else "no longer draining")
            self._draining = draining
            self.wake()

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
                self._sender.hang_up()
                self._doubted = True
                # Not to be woken: what was just handed back would wake everybody, to be claimed and handed back again.
                self._stopped.wait(pause)
                wait, pause = 0.0, min(pause * 2, 5.0)
            except Exception:  # a worker whose dispatcher ended would live on and do nothing
                log.exception("dispatcher: unforeseen, it goes on")
                wait, pause = pause, min(pause * 2, 5.0)
            self._wake.wait(wait)
            self._wake.clear()
        self._take_back(RUNWAY.withdraw(), "its worker stopped")

    def _cycle(self) -> float:
        """Send what there is room for. Returns the seconds to wait for a wake-up."""
        if self._draining:
            self._take_back(RUNWAY.withdraw_waiting(0.0), "its worker drains")
            return self._poll
        if self._doubted:
            self._sender.waiting()
            self._doubted = False
        self._find_lost_messages()
        self._room_came = False
        room = RUNWAY.room(self._slots() - len(self._reserved()))
        short, extra = RUNWAY.extra(self._slots())
        asked = time.monotonic()
        with self._autocommit.connect() as conn:
            jobs = dispatching.dispatch(conn, self._job_types, room, self._dispatcher) if room > 0 else []
            self._send(jobs)
            self._left(jobs, room)
            if extra > len(jobs) and (room <= 0 or (jobs and not self._all_sent)):
                more = dispatching.dispatch(conn, short, extra - len(jobs), self._dispatcher)
                self._send(more)
                jobs += more
            self.last_poll = time.time()
            wait = min(self._poll, self._sender.lost_after) if RUNWAY.sent_any() else self._poll
            if not self._all_sent and len(jobs) >= max(room, extra, 1):
                return wait  # there may be more: the next cycle looks once there is room
            if jobs and self._wake.wait(MOMENT):
                return 0.0
            # As of the look above: what has become due since is found by the next cycle at once.
            due = dispatching.seconds_until_due(conn, self._job_types, since=time.monotonic() - asked)
        return wait if due is None else min(wait, max(due, 0.0) + 0.005)

    def _left(self, jobs: list[Dispatched], room: int) -> None:
        """Note what a look says of those that still wait. One that found nothing says nothing: a limit may be reached."""
        if jobs or room <= 0:
            self._all_sent = bool(jobs) and not jobs[-1].more
        if self._room_came and not self._all_sent:
            self.wake()  # `_on_room` held it back

    def _send(self, jobs: list[Dispatched]) -> None:
        if not jobs:
            return
        with traced(jobs) as going:
            messages = lease.messages_for(going, self._slots())
            RUNWAY.sent(messages)
            self._hand_over(messages)

    def _hand_over(self, messages: list[Message]) -> None:
        try:
            self._sender.send(messages)
        except BROKER_TROUBLE:
            # Whether a part of it arrived is not known: what is withdrawn finds no claim when it comes.
            self._take_back(RUNWAY.withdraw(), "its message could not be sent")
            raise

    def _find_lost_messages(self) -> None:
        """What never began is handed back: Redis was emptied or lost a message, Celery dropped what it had taken, or jobs that
        were thought to be short are not, and others wait behind them while another worker may be idle."""
        self._take_back(RUNWAY.withdraw_waiting(STUCK_AFTER), "it waited behind a long job")
        dropped = RUNWAY.withdraw_dropped(self._reserved(), self._sender.lost_after)
        if RUNWAY.sent_any(self._sender.lost_after) and not self._sender.waiting():
            # Nothing lies in our queue, yet something we sent was not taken.
            dropped += RUNWAY.withdraw(older_than=self._sender.lost_after)
        if dropped:
            log.warning("dispatcher: %d messages are lost, their jobs are dispatched again", len(dropped))
            self._take_back(dropped, "its message was lost")

    def _take_back(self, messages: list[Message], why: str) -> None:
        jobs = [job for message in messages for job in message.jobs]
        if not jobs:
            return
        try:
            with self._engine.begin() as conn:
                for job in jobs:
                    if job.claim is not None:
                        claims.release(conn, job.claim, f"handed back: {why}")
                dispatching.undispatch(conn, [job.job_id for job in jobs if job.claim is None])
        except SQLAlchemyError as error:
            log.warning("dispatcher: %d jobs are taken back when their lease is over: %s", len(jobs), describe(error))


@contextmanager
def traced(jobs: list[Dispatched]) -> Iterator[list[Dispatched]]:
    """The jobs as they are, while traces are off; else each with its dispatch as a span, to which its run belongs."""
    if not tracing.on():
        yield jobs
        return
    spans: list[Any] = []
    going = []
    for job in jobs:
        if job.claim is not None and job.claim.traceparent:
            span, place = tracing.start(f"dispatch {job.job_type}", "producer", job.claim.traceparent, **{"job.id": job.job_id})
            spans.append(span)
            job = job._replace(claim=job.claim._replace(traceparent=place))
        going.append(job)
    failed = None
    try:
        yield going
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        for span in spans:
            tracing.end(span, failed)
