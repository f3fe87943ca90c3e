"""What is on its way to this worker: enough that no slot waits, little enough that priority stays exact."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.queue.claims import Claim
from app.queue.dispatching import Dispatched

WORTH = 0.1  # seconds of work that may wait beyond the free slots
MOST_EXTRA = 2000  # jobs, however short they are
SHORT = 0.02  # seconds; only types whose jobs are shorter on average ever wait here
SMOOTHING = 0.1  # weight of the newest run in the average, at least: the first ones weigh as much as those before them
SEEN = 4  # runs of a type before its jobs may count as short


@dataclass(frozen=True)
class Message:
    """A Celery message and the jobs it stands for: one, or the several of a lease."""

    task_id: str
    job_type: str
    jobs: tuple[Dispatched, ...]

    @property
    def claims(self) -> list[Claim]:
        """The claims that came with the dispatch; empty when the job is to be claimed by its own run."""
        return [job.claim for job in self.jobs if job.claim is not None]

    def held(self) -> dict[str, str]:
        """The jobs by the task id that stands, or will stand, in their row."""
        return {job.claim.task_id if job.claim else self.task_id: job.job_id for job in self.jobs}


class Runway:
    """The messages of this worker: sent, then taken from the wire, then begun. Safe between threads.

    It holds the claims: the message on the wire only says which one is meant. A message that comes twice, or too late, finds
    nothing here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[Message, float]] = {}  # by Celery task id, with the moment
        self._taken: dict[str, tuple[Message, float]] = {}
        self._begun: dict[str, Message] = {}
        self._jobs_waiting = 0  # of the messages sent or taken, not begun
        self._full = 0  # jobs that may wait beyond the free slots, as last reckoned
        self._runs: dict[str, tuple[int, float]] = {}  # how many were seen and the seconds of one on average, by job type
        self.on_room: Callable[[], None] = lambda: None
        self.least_extra = 0  # QUEUE_BATCH_SIZE

    def sent(self, messages: Iterable[Message]) -> None:
        """These messages are about to go out."""
        now = time.monotonic()
        with self._lock:
            for message in messages:
                self._sent[message.task_id] = (message, now)
                self._jobs_waiting += len(message.jobs)

    def take(self, task_id: str) -> list[Claim] | None:
        """A message came: its claims, once; None when it is not known or its job is to be claimed by the run."""
        with self._lock:
            known = self._sent.pop(task_id, None)
            if known:
                self._taken[task_id] = (known[0], time.monotonic())
        return known[0].claims or None if known else None

    def began(self, task_id: str) -> None:
        """The run of a message begins: from here on the pool knows it."""
        with self._lock:
            known = self._taken.pop(task_id, None)
            if known:
                self._begun[task_id] = known[0]
                self._jobs_waiting -= len(known[0].jobs)

    def ended(self, task_id: str, seconds: float | None) -> None:
        """A run ended after `seconds`; None when that is not known. A slot is free."""
        with self._lock:
            message = self._begun.pop(task_id, None)
            if message is not None and seconds is not None:
                seen, known = self._runs.get(message.job_type, (0, 0.0))
                weight = max(SMOOTHING, 1 / (seen + 1))
                self._runs[message.job_type] = (seen + 1, known + weight * (seconds / len(message.jobs) - known))
            low = self._jobs_waiting <= self._full // 2
        if low:
            self.on_room()

    def room(self, slots: int) -> int:
        """How many jobs of any type could begin at once, of `slots` that no message taken holds."""
        return slots - len(self._sent)

    def extra(self, slots: int) -> tuple[list[str], int]:
        """The types whose jobs are short, and how many of them to send ahead of the worker's `slots`: many at once, or none."""
        with self._lock:
            short = {name: seconds for name, (seen, seconds) in self._runs.items() if seen >= SEEN and seconds < SHORT}
            worth = min(MOST_EXTRA, int(slots * WORTH / max(*short.values(), 0.00005))) if short else 0
            self._full = max(worth, self.least_extra) if short else 0
            missing = self._full - self._jobs_waiting
            return list(short), missing if missing >= self._full // 2 else 0

    def begun(self, task_id: str) -> Message | None:
        """The message whose run goes on under this Celery task id."""
        return self._begun.get(task_id)

    def sent_any(self, older_than: float = 0.0) -> bool:
        """Whether a message is on the wire that was sent that many seconds ago or more."""
        with self._lock:
            first = next(iter(self._sent.values()), None)  # they stand in the order of their sending
        return first is not None and first[1] <= time.monotonic() - older_than

    def messages(self) -> list[Message]:
        """Every message that has not ended."""
        with self._lock:
            waiting = [message for message, _ in (*self._sent.values(), *self._taken.values())]
            return [*waiting, *self._begun.values()]

    def withdraw(self, older_than: float = 0.0) -> list[Message]:
        """Take back what was sent more than that many seconds ago and nobody took: its messages will find nothing."""
        with self._lock:
            return self._gone(_remove(self._sent, older_than, keep=frozenset()))

    def withdraw_waiting(self, older_than: float) -> list[Message]:
        """Take back everything that was sent or taken that long ago. A run that begins after all looks at its lease first."""
        with self._lock:
            nobody = frozenset()
            return self._gone(_remove(self._sent, older_than, nobody) + _remove(self._taken, older_than, nobody))

    def withdraw_dropped(self, reserved: frozenset[str], older_than: float) -> list[Message]:
        """Take back what was taken that many seconds ago and is no longer `reserved`: Celery drops it when it loses its broker."""
        with self._lock:
            return self._gone(_remove(self._taken, older_than, keep=reserved))

    def _gone(self, messages: list[Message]) -> list[Message]:
        self._jobs_waiting -= sum(len(message.jobs) for message in messages)
        return messages


def _remove(held: dict[str, tuple[Message, float]], older_than: float, keep: frozenset[str]) -> list[Message]:
    before = time.monotonic() - older_than
    gone = {task_id: message for task_id, (message, at) in held.items() if at <= before and task_id not in keep}
    for task_id in gone:
        del held[task_id]
    return list(gone.values())


RUNWAY = Runway()
