"""Whether the broker answers: Redis, or whatever else BROKER_URL names."""

from __future__ import annotations

from urllib.parse import urlsplit

import kombu
import redis

REDIS = ("redis", "rediss", "unix")


def is_redis(url: str) -> bool:
    """Whether this is the address of a Redis."""
    return urlsplit(url).scheme in REDIS


class Broker:
    """The broker at `url`, which counts as away when it is silent for `timeout` seconds."""

    def __init__(self, url: str, timeout: float):
        self._url = url
        self._timeout = timeout
        self._redis = None
        if is_redis(url):
            self._redis = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=None, retry_on_error=[])

    def answers(self) -> bool:
        """True when it does."""
        if self._redis is not None:
            try:
                return bool(self._redis.ping())
            except (redis.RedisError, OSError):
                return False
        with kombu.Connection(self._url, connect_timeout=self._timeout) as connection:
            try:
                connection.connect()
            except (*connection.connection_errors, *connection.channel_errors, kombu.exceptions.OperationalError, OSError):
                return False
            return True
