"""Wake-ups from Postgres. They are hints: whoever misses one finds the same by polling."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import psycopg

from app.queue.errors import describe

log = logging.getLogger(__name__)

LOOK_UP = 5.0  # seconds after which a listening connection is asked whether it still lives


class ListenLoop(threading.Thread):
    """Calls `on_due` or `on_cancelled` when the database says so; reconnects for as long as it takes."""

    def __init__(self, url: str, on_due: Callable[[], None], on_cancelled: Callable[[], None]):
        super().__init__(name="listen", daemon=True)
        self._url = url
        self._on = {"due": on_due, "cancelled": on_cancelled}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Listen no more; the thread ends within a few seconds."""
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                with psycopg.connect(
                    self._url, autocommit=True, connect_timeout=5, application_name="buildos listen",
                    keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
                ) as conn:  # fmt: skip
                    conn.execute("listen queue_jobs")
                    for call in self._on.values():
                        call()  # whatever happened before the first LISTEN
                    while not self._stopped.is_set():
                        for notification in conn.notifies(timeout=LOOK_UP):
                            self._on.get(notification.payload, self._on["due"])()
                        conn.execute("select 1")
            except psycopg.Error as error:
                log.warning("listen: the database is away: %s", describe(error))
                self._stopped.wait(1.0)
