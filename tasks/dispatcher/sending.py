"""Sending the messages of dispatched jobs to this worker's own queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import redis
from kombu.exceptions import ChannelError

from app.db.broker import is_redis
from app.settings import Settings
from tasks.engine import JobCelery
from tasks.runway import Message

TIMEOUT = 5  # seconds until a broker that does not answer counts as away
LOST_AFTER, LOST_AFTER_PUSH = 2.0, 60.0
KEPT_MS = 3_600_000  # a queue whose worker is gone disappears after that time

_TASK, _JOB, _JOBS = "-task-id-", "-job-id-", "-jobs-"


class Sender(Protocol):
    """How messages get into a queue. Every method raises the broker's error when it is away.

    `lost_after`: seconds; a message that was not taken by then, though the queue is empty, is lost.
    """

    lost_after: float

    def send(self, messages: Sequence[Message]) -> None:
        """Send these, in this order."""
        ...

    def waiting(self) -> int:
        """How many messages lie in the queue."""
        ...

    def hang_up(self) -> None:
        """Drop the connection; the next call makes a new one."""
        ...


class StockSender:
    """Through Celery, one message after the other, to any broker; with Celery's signals and its task-sent events."""

    def __init__(self, celery: JobCelery, settings: Settings, queue: str):
        # Redis keeps what nobody has taken; others push, and count what is on its way to a slow worker no more.
        self.lost_after = LOST_AFTER if is_redis(settings.broker) else LOST_AFTER_PUSH
        self._celery = celery
        self._queue = queue
        self._connection: Any = None

    def send(self, messages: Sequence[Message]) -> None:
        with self._channel() as channel:
            producer = self._celery.amqp.Producer(channel)
            for message in messages:
                self._celery.send_dispatch(message.job_type, _kwargs(message), message.task_id, self._queue, producer)

    def waiting(self) -> int:
        with self._channel() as channel:
            try:
                return channel.queue_declare(self._queue, passive=True).message_count
            except ChannelError:  # an empty queue is no queue to Redis
                return 0

    def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*connection.connection_errors, *connection.channel_errors, OSError):  # broken already
                connection.release()

    def _channel(self) -> Any:
        if self._connection is None:
            self._connection = self._celery.connection_for_write()
        return self._connection.channel()


class RedisSender:
    """Straight into Redis, all messages in one command: the envelope is Celery's, made once for each type of job."""

    lost_after = LOST_AFTER

    def __init__(self, celery: JobCelery, settings: Settings, queue: str):
        self._celery = celery
        self._queue = queue
        self._redis = redis.Redis.from_url(settings.broker, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._envelopes: dict[tuple[str, bool], str] = {}

    def send(self, messages: Sequence[Message]) -> None:
        encoded = [self._encode(message) for message in messages]
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(self._queue, *encoded)
            pipe.pexpire(self._queue, KEPT_MS)
            pipe.execute()

    def waiting(self) -> int:
        return self._redis.llen(self._queue)

    def hang_up(self) -> None:
        self._redis.close()

    def _encode(self, message: Message) -> str:
        kwargs = _kwargs(message)
        envelope = self._envelope(message.job_type, lease="jobs" in kwargs)
        return (
            envelope.replace(_TASK, message.task_id)
            .replace(_JOB, kwargs["job_id"])
            .replace(_JOBS, str(kwargs.get("jobs")))
        )

    def _envelope(self, job_type: str, lease: bool) -> str:
        """The message as kombu's Redis transport writes it, with the ids left open."""
        if (job_type, lease) not in self._envelopes:
            kwargs = {"job_id": _JOB, "jobs": _JOBS} if lease else {"job_id": _JOB}
            message = self._celery.amqp.as_task_v2(_TASK, job_type, kwargs=kwargs, ignore_result=True)
            self._envelopes[job_type, lease] = json.dumps(
                {
                    "body": json.dumps(message.body),
                    "content-encoding": "utf-8",
                    "content-type": "application/json",
                    "headers": {key: value for key, value in message.headers.items() if value not in (None, [], {})},
                    "properties": {
                        **message.properties,
                        "delivery_mode": 2,
                        "delivery_info": {"exchange": "", "routing_key": self._queue},
                        "priority": 0,
                        "delivery_tag": _TASK,
                    },
                }
            )
        return self._envelopes[job_type, lease]


def _kwargs(message: Message) -> dict[str, Any]:
    """What the message shows: its job, and for a lease how many there are."""
    shown = {"job_id": message.jobs[0].job_id}
    return shown if len(message.jobs) == 1 else {**shown, "jobs": len(message.jobs)}


def make_sender(celery: JobCelery, settings: Settings, queue: str) -> Sender:
    """The fast sender where the broker is Redis and nobody wants an event for each message; else Celery's own way."""
    fast = is_redis(settings.broker) and settings.queue_transport == "batched" and not celery.conf.task_send_sent_event
    return RedisSender(celery, settings, queue) if fast else StockSender(celery, settings, queue)
