"""A browser that came with a token hears nothing any more once that token is over (CONTRACT 10); it comes back with its next one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LOOK = 1.0  # seconds between two looks


class Expiry:
    """The connections whose right to be here ends. `spawn` runs a function in the background, `sleep` waits seconds there, `end` hangs up on one.

    With nobody here whose token ends, nothing runs.
    """

    def __init__(self, spawn: Callable[[Callable[[], None]], Any], sleep: Callable[[float], Any], end: Callable[[str], Any]):
        self._spawn, self._sleep, self._end = spawn, sleep, end
        self._until: dict[str, int] = {}
        self._running = False

    def watch(self, sid: str, until: int | None) -> None:
        """This connection ends at `until` (seconds since 1970); None: with its browser."""
        if until is None:
            return
        self._until[sid] = until
        if not self._running:
            self._running = True
            self._spawn(self._run)

    def forget(self, sid: str) -> None:
        """It is gone already; nothing happens where it was not watched."""
        self._until.pop(sid, None)

    def look(self, now: float) -> None:
        """Hang up on whose time is over. Each stays here until it is forgotten: one that is just connecting cannot be ended yet."""
        for sid in [sid for sid, until in self._until.items() if until <= now]:
            self._end(sid)

    def _run(self) -> None:
        try:
            while self._until:
                self._sleep(LOOK)
                self.look(time.time())
        finally:
            self._running = False
