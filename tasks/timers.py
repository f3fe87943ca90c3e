"""The timers of time limits, of which Celery sets one for each run. kombu keeps one that was cancelled until its moment comes: with runs of
a millisecond and a limit of minutes that is the main process' memory, and what its garbage collector looks through.
"""

from __future__ import annotations

import heapq

from kombu.asynchronous import get_event_loop
from kombu.asynchronous.timer import Timer

EVERY = 1000  # runs that end between two looks

_ended = 0


def run_ended() -> None:
    """Called in the worker's main process, in the thread of its event loop: from time to time what was cancelled is dropped."""
    global _ended
    _ended += 1
    if _ended < EVERY:
        return
    _ended = 0
    hub = get_event_loop()
    if hub is not None:  # pools of threads have none, and no such timers
        drop_cancelled(hub.timer)


def drop_cancelled(timer: Timer) -> None:
    """Keep only what is still to come, in its order."""
    waiting = timer._queue
    waiting[:] = [one for one in waiting if not one.entry.canceled]  # in place: the loop holds this list
    heapq.heapify(waiting)
