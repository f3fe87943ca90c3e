"""Waiting for something slow, in a job, without falling silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

TICK_SECONDS = 1.5  # between signs of life; the contract asks for one every 2 s (CONTRACT 14)

T = TypeVar("T")


def while_waiting(call: Callable[[], T], tick: Callable[[int], None], *, every: float) -> T:
    """Run `call` aside and return what it returns, or raise what it raises; meanwhile `tick(seconds so far)` every `every` seconds.

    Whatever `tick` raises (the job was cancelled) ends the waiting at once: the call is left to itself, in a thread that
    keeps no process alive, and its outcome is dropped. So `call` must write nothing.
    """
    outcome: list[tuple[bool, object]] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, whatever it is
            outcome.append((False, error))
        finally:
            done.set()

    began = time.monotonic()
    # In a copy of our context: its lines and spans are about the same job.
    threading.Thread(target=copy_context().run, args=(run,), name="waiting", daemon=True).start()
    while not done.wait(every):
        tick(int(time.monotonic() - began))
    succeeded, value = outcome[0]
    if succeeded:
        return value  # type: ignore[return-value]
    raise value  # type: ignore[misc]
