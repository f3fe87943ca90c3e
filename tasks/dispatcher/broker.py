"""What the dispatcher has to know of Redis: whether it is still the same one, and which messages wait in it."""

from __future__ import annotations

import json
import uuid

import redis

EPOCH_KEY = "buildos:epoch"
TIMEOUT = 5  # seconds


class Broker:
    """A look at the broker beside Celery's own connections. Every method raises redis.RedisError when it is away."""

    def __init__(self, url: str):
        self._redis = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)

    def epoch(self) -> str:
        """The name of this life of the broker: another one, and everything that was in it is gone."""
        fresh = uuid.uuid4().hex
        found = self._redis.set(EPOCH_KEY, fresh, nx=True, get=True)
        return found.decode() if found else fresh

    def waiting_task_ids(self, queues: list[str]) -> set[str]:
        """Celery ids of the messages that lie in these queues."""
        ids = set()
        for queue in queues:
            for message in self._redis.lrange(queue, 0, -1):
                ids.add(json.loads(message)["headers"].get("id"))
        return ids
