"""From the processes that run jobs to the one that writes: what ended well is committed in batches.

A run hands its outcome over and is done; the writer commits whatever has come together by then in one statement, at once. A lone
job waits for nobody, a hundred share one commit. An outcome is lost only with the worker's main process, and then its job is
taken back like any other that this worker held.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import Engine

from app.queue.claims import Outcome

log = logging.getLogger(__name__)

LARGEST = select.PIPE_BUF  # bytes that arrive whole or not at all; a larger outcome is written by the run itself
CAPACITY = 1 << 20  # bytes that may wait for the writer, where the system lets us choose
MOST = 500  # outcomes in one statement
BUSY = 100  # outcomes a second from which on they are gathered: a lone job, or a few, wait for nobody
GATHER = 0.00003  # seconds they are gathered then for each outcome a second: 9 ms at 300, so that three or more share a commit
LONGEST = 0.04  # seconds they are gathered at most
ENOUGH = 100  # outcomes that are not gathered further
GLANCE = 0.005  # seconds between two looks meanwhile
SEND_TIMEOUT = 5.0  # seconds until a run that cannot hand over writes by itself

_outbox: int | None = None
_inbox: int | None = None
_writer: Writer | None = None


def open_outbox() -> None:
    """Open the way from this process, and the children it will fork, to its writer: a pipe."""
    global _outbox, _inbox
    _inbox, _outbox = os.pipe()
    os.set_blocking(_inbox, False)
    os.set_blocking(_outbox, False)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # a user with many pipes gets no larger ones
            fcntl.fcntl(_outbox, fcntl.F_SETPIPE_SZ, CAPACITY)


def _after_fork() -> None:
    # The child must not keep the receiving end alive: with its parent gone, a send has to fail.
    global _inbox, _writer
    _writer = None  # the thread is the parent's
    if _inbox is not None:
        os.close(_inbox)
        _inbox = None


os.register_at_fork(after_in_child=_after_fork)


def send(outcome: Outcome) -> bool:
    """Hand an outcome to the writer; False when the run has to write it itself: too large, no writer, or a writer that is stuck."""
    if _outbox is None:
        return False
    letter = json.dumps(outcome).encode() + b"\n"
    if len(letter) > LARGEST:
        return False
    try:
        return _post(letter) or (bool(select.select([], [_outbox], [], SEND_TIMEOUT)[1]) and _post(letter))
    except OSError:
        return False


def _post(letter: bytes) -> bool:
    try:
        os.write(_outbox, letter)
    except BlockingIOError:
        return False
    return True


def settle(patience: float = 5.0) -> None:
    """Wait until what was handed over in this worker is written, at most that many seconds."""
    end = time.monotonic() + patience
    while _writer is not None and _writer.has_work() and time.monotonic() < end:
        time.sleep(GLANCE)


class Writer(threading.Thread):
    """Commits outcomes by `write`, as many at a time as have come."""

    def __init__(self, engine: Engine, write: Callable[[Sequence[Outcome], Engine], None]):
        super().__init__(name="outcomes", daemon=True)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")  # one statement is one transaction
        self._write = write
        self._inbox = _inbox
        self._finishing = threading.Event()
        self._rate = 0.0
        self._looked = time.monotonic()
        self._waiting: list[bytes] = []  # outcomes that came, as they were sent
        self._torn = b""  # the beginning of one whose end is still in the pipe
        self._idle = threading.Event()
        global _writer
        _writer = self

    def finish(self, within: float | None = None) -> None:
        """Write what has come and end, `within` that many seconds if given. Called when no run is left that could send."""
        self._finishing.set()
        self.join(within)

    def has_work(self) -> bool:
        """Whether an outcome is on its way or being written."""
        return not self._idle.is_set() or bool(select.select([self._inbox], [], [], 0)[0])

    def run(self) -> None:
        while True:
            if not self._waiting:
                self._idle.set()
                select.select([self._inbox], [], [], 0.0 if self._finishing.is_set() else 0.2)
            self._idle.clear()
            came = self._receive()
            rate = self._per_second(came)
            if rate > BUSY:
                self._gather(min(rate * GATHER, LONGEST))
            ended, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if ended:
                try:
                    self._write([Outcome(*json.loads(letter)) for letter in ended], self._engine)
                except Exception:
                    log.exception("%d outcomes could not be written: their jobs are taken back when their lease is over", len(ended))
            elif self._finishing.is_set():
                self._idle.set()
                return

    def _gather(self, seconds: float) -> None:
        """Wait for what comes within that time."""
        until = time.monotonic() + seconds
        while len(self._waiting) < ENOUGH and (left := until - time.monotonic()) > 0 and not self._finishing.is_set():
            time.sleep(min(GLANCE, left))
            self._per_second(self._receive())

    def _per_second(self, ended: int) -> float:
        """Outcomes a second, over about the last tenth of one."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        self._rate += (ended / max(passed, 0.001) - self._rate) * min(1.0, passed / 0.1)
        return self._rate

    def _receive(self) -> int:
        """Take what is there. Returns how many came."""
        try:
            page = os.read(self._inbox, CAPACITY)
        except BlockingIOError:
            return 0
        *letters, self._torn = (self._torn + page).split(b"\n")
        self._waiting += letters
        return len(letters)
