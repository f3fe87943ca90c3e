"""Sending the messages of dispatched jobs to this worker's own queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import redis

from app.queue.dispatching import Dispatched
from app.settings import Settings
from tasks.engine import JobCelery

TIMEOUT = 5  # seconds until a broker that does not answer counts as away
KEPT_MS = 3_600_000  # a queue whose worker is gone disappears after that time

_TASK, _JOB = "-task-id-", "-job-id-"


class Sender(Protocol):
    """How messages get into a queue. Every method raises the broker's error when it is away."""

    def send(self, messages: Sequence[tuple[str, Dispatched]]) -> None:
        """Send (task id, job) in this order."""
        ...

    def waiting(self) -> int:
        """How many messages lie in the queue."""
        ...

    def hang_up(self) -> None:
        """Drop the connection; the next call makes a new one."""
        ...


class StockSender:
    """Through Celery, one message after the other, to any broker; with Celery's signals and its task-sent events."""

    def __init__(self, celery: JobCelery, queue: str):
        self._celery = celery
        self._queue = queue
        self._connection: Any = None

    def send(self, messages: Sequence[tuple[str, Dispatched]]) -> None:
        with self._channel() as channel:
            producer = self._celery.amqp.Producer(channel)
            for task_id, job in messages:
                self._celery.send_dispatch(job.job_type, str(job.id), task_id, self._queue, producer)

    def waiting(self) -> int:
        with self._channel() as channel:
            return channel.queue_declare(self._queue, passive=True).message_count

    def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collapse()

    def _channel(self) -> Any:
        if self._connection is None:
            self._connection = self._celery.connection_for_write()
        return self._connection.channel()


class RedisSender:
    """Straight into Redis, all messages in one command: the envelope is Celery's, made once for each type of job."""

    def __init__(self, celery: JobCelery, settings: Settings, queue: str):
        self._celery = celery
        self._queue = queue
        self._redis = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._envelopes: dict[str, str] = {}

    def send(self, messages: Sequence[tuple[str, Dispatched]]) -> None:
        encoded = [self._envelope(job.job_type).replace(_TASK, task_id).replace(_JOB, str(job.id)) for task_id, job in messages]
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(self._queue, *encoded)
            pipe.pexpire(self._queue, KEPT_MS)
            pipe.execute()

    def waiting(self) -> int:
        return self._redis.llen(self._queue)

    def hang_up(self) -> None:
        self._redis.close()

    def _envelope(self, job_type: str) -> str:
        """The message as kombu's Redis transport writes it, with the two ids left open."""
        if job_type not in self._envelopes:
            message = self._celery.amqp.as_task_v2(_TASK, job_type, kwargs={"job_id": _JOB}, ignore_result=True)
            self._envelopes[job_type] = json.dumps(
                {
                    "body": json.dumps(message.body),
                    "content-encoding": "utf-8",
                    "content-type": "application/json",
                    "headers": message.headers,
                    "properties": {
                        **message.properties,
                        "delivery_mode": 2,
                        "delivery_info": {"exchange": "", "routing_key": self._queue},
                        "priority": 0,
                        "delivery_tag": _TASK,
                    },
                }
            )
        return self._envelopes[job_type]


def make_sender(celery: JobCelery, settings: Settings, queue: str) -> Sender:
    """The fast sender where the broker is Redis and nobody wants an event for each message; else Celery's own way."""
    fast = settings.queue_transport == "batched" and not celery.conf.task_send_sent_event
    return RedisSender(celery, settings, queue) if fast else StockSender(celery, queue)
