"""Celery's events (Flower's food) at a price that a busy worker can pay: gathered for a moment, then sent together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.app.events import Events
from celery.events import EventDispatcher
from kombu.asynchronous import get_event_loop

GATHER = 0.05  # seconds
MOST = 200  # events in one message


class GatheringDispatcher(EventDispatcher):
    """Celery's, which would send what it has at every turn of the worker's loop: a message for every job or two."""

    def __init__(self, *args: Any, on_send_buffered: Callable[[], None] | None = None, **kwargs: Any):
        # Celery buffers only where there is a loop: not under the threads and solo pools.
        gather = self._flush_soon if on_send_buffered else None
        self._flush_is_due = False
        super().__init__(*args, on_send_buffered=gather, buffer_limit=MOST, **kwargs)

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            get_event_loop().call_later(GATHER, self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self.flush()


class GatheringEvents(Events):
    """`app.events` with it."""

    dispatcher_cls = "tasks.events:GatheringDispatcher"
