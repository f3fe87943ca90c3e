"""What is on its way to this worker: enough that no slot waits, little enough that priority stays exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from app.queue.claims import Claim
from app.queue.dispatching import Dispatched

WORTH = 0.1  # seconds of work that may wait beyond the free slots
MOST_EXTRA = 256  # jobs, however short they are
SMOOTHING = 0.1  # weight of the newest run in the average


class Runway:
    """The jobs that were handed to this worker and have not begun: sent, then taken from the wire. Safe between threads.

    It holds the claims: the message on the wire only says which one is meant. A message that comes twice, or too late, finds
    nothing here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[Dispatched, float]] = {}  # by Celery task id: the job, the moment of sending
        self._taken: dict[str, tuple[Dispatched, float]] = {}  # likewise, since the message came
        self._seconds = 1.0  # a job's run, on average; begins as if jobs were long
        self.on_room: Callable[[], None] = lambda: None

    def sent(self, jobs: Iterable[tuple[str, Dispatched]]) -> None:
        """These messages (task id, job) are about to go out."""
        now = time.monotonic()
        with self._lock:
            self._sent.update({task_id: (job, now) for task_id, job in jobs})

    def take(self, task_id: str) -> Claim | None:
        """A message came: its claim, once; None when there is none, or the job is to be claimed when it begins."""
        with self._lock:
            known = self._sent.pop(task_id, None)
            if known:
                self._taken[task_id] = (known[0], time.monotonic())
            low = known is not None and len(self._sent) <= self._extra() // 2
        if low:
            self.on_room()
        return known[0].claim if known else None

    def began(self, task_id: str) -> None:
        """The job's run begins: from here on the pool knows it."""
        with self._lock:
            self._taken.pop(task_id, None)

    def ended(self, seconds: float | None) -> None:
        """A job ended here after `seconds`; None when that is not known. A slot is free."""
        with self._lock:
            if seconds is not None:
                self._seconds += SMOOTHING * (seconds - self._seconds)
            low = len(self._sent) <= self._extra() // 2
        if low:
            self.on_room()

    def room(self, free_slots: int) -> int:
        """How many jobs to hand over now."""
        with self._lock:
            return free_slots + self._extra() - len(self._sent)

    def sent_any(self) -> bool:
        """Whether a message is on the wire."""
        return bool(self._sent)

    def waiting(self) -> dict[str, Dispatched]:
        """The jobs that have not begun, by task id."""
        with self._lock:
            return {task_id: job for task_id, (job, _) in (*self._sent.items(), *self._taken.items())}

    def withdraw(self, older_than: float = 0.0) -> list[Dispatched]:
        """Take back what was sent more than that many seconds ago and nobody took: its messages will find nothing."""
        with self._lock:
            return _remove(self._sent, older_than, keep=frozenset())

    def withdraw_dropped(self, reserved: frozenset[str], older_than: float) -> list[Dispatched]:
        """Take back what was taken that many seconds ago and is no longer `reserved`: Celery drops it when it loses its broker."""
        with self._lock:
            return _remove(self._taken, older_than, keep=reserved)

    def _extra(self) -> int:
        return min(MOST_EXTRA, int(2 * WORTH / max(self._seconds, 0.0002)))


def _remove(held: dict[str, tuple[Dispatched, float]], older_than: float, keep: frozenset[str]) -> list[Dispatched]:
    before = time.monotonic() - older_than
    gone = {task_id: job for task_id, (job, at) in held.items() if at <= before and task_id not in keep}
    for task_id in gone:
        del held[task_id]
    return list(gone.values())


RUNWAY = Runway()
