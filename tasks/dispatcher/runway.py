"""How many messages a worker should have on the way: enough that no slot waits, few enough that priority stays exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import UUID

WORTH = 0.1  # seconds of work that may wait in Redis beyond the free slots
MOST_EXTRA = 64  # messages, however short the jobs are
SMOOTHING = 0.1  # weight of the newest run in the average


class Runway:
    """The messages this worker's dispatcher has sent and nobody has begun, and how long jobs take. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[UUID, float]] = {}  # by task id: job, moment of sending
        self._seconds = 1.0  # a job's run, on average; begins as if jobs were long
        self.on_room: Callable[[], None] = lambda: None

    def sent(self, task_id: str, job_id: UUID) -> None:
        """A message went out."""
        with self._lock:
            self._sent[task_id] = (job_id, time.monotonic())

    def began(self, task_id: str) -> None:
        """A job began here, whoever sent its message."""
        with self._lock:
            known = self._sent.pop(task_id, None)
            low = known is not None and len(self._sent) <= self._extra() // 2
        if low:
            self.on_room()

    def ended(self, seconds: float | None) -> None:
        """A job ended here after `seconds`; None when that is not known. A slot is free."""
        with self._lock:
            if seconds is not None:
                self._seconds += SMOOTHING * (seconds - self._seconds)
            low = len(self._sent) <= self._extra() // 2
        if low:
            self.on_room()

    def room(self, free_slots: int) -> int:
        """How many messages to send now."""
        with self._lock:
            return free_slots + self._extra() - len(self._sent)

    def waiting(self) -> dict[str, UUID]:
        """Task id → job of the messages nobody has begun, as far as is known here."""
        with self._lock:
            return {task_id: job_id for task_id, (job_id, _) in self._sent.items()}

    def forget(self, task_ids: set[str]) -> None:
        """These messages were begun elsewhere, or are no more."""
        with self._lock:
            for task_id in task_ids:
                self._sent.pop(task_id, None)

    def _extra(self) -> int:
        return min(MOST_EXTRA, int(2 * WORTH / max(self._seconds, 0.001)))


RUNWAY = Runway()
