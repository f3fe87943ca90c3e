"""From the processes that run jobs to the one that writes: what ended well is committed in batches.

A run hands its outcome over and is done; the writer commits whatever has come together by then in one statement, at once. A lone
job waits for nobody, a hundred share one commit. An outcome is lost only with the worker's main process, and then its job is
taken back like any other that this worker held.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from app.queue.claims import Outcome

log = logging.getLogger(__name__)

LARGEST = 32_768  # bytes; a larger outcome is written by the run itself
MOST = 500  # outcomes in one statement
BUSY = 400  # outcomes a second from which on they are gathered: a lone job, or a few, wait for nobody
GATHER = 0.04  # seconds they are gathered then, at most
ENOUGH = 100  # outcomes that are not gathered further
GLANCE = 0.005  # seconds between two looks meanwhile
SEND_TIMEOUT = 5.0  # seconds until a run that cannot hand over writes by itself

_outbox: socket.socket | None = None
_inbox: socket.socket | None = None
_writer: Writer | None = None


def open_outbox() -> None:
    """Open the way from this process, and the children it will fork, to its writer."""
    global _outbox, _inbox
    # Packets in order; Linux keeps hundreds of them, of datagrams just ten. Other systems have no such socket.
    kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
    _outbox, _inbox = socket.socketpair(socket.AF_UNIX, kind)
    _outbox.settimeout(SEND_TIMEOUT)


def _after_fork() -> None:
    # The child must not keep the receiving end alive: with its parent gone, a send has to fail.
    global _inbox, _writer
    _writer = None  # the thread is the parent's
    if _inbox is not None:
        _inbox.close()
        _inbox = None


os.register_at_fork(after_in_child=_after_fork)


def send(outcome: Outcome) -> bool:
    """Hand an outcome to the writer; False when the run has to write it itself: too large, no writer, or a writer that is stuck."""
    if _outbox is None:
        return False
    letter = json.dumps([outcome.job_id, outcome.token, outcome.result]).encode()
    if len(letter) > LARGEST:
        return False
    try:
        _outbox.send(letter)
    except OSError:
        return False
    return True


def settle(patience: float = 5.0) -> None:
    """Wait until what was handed over in this worker is written, at most that many seconds."""
    if _writer is not None:
        _writer.idle.wait(patience)


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
        self.idle = threading.Event()
        global _writer
        _writer = self

    def finish(self) -> None:
        """Write what has come and end. Called when no run is left that could send."""
        self._finishing.set()
        self.join()

    def run(self) -> None:
        while True:
            ended = self._receive([], 0.0)
            if not ended:
                self.idle.set()
                ended = self._receive([], 0.0 if self._finishing.is_set() else 0.2)
            if ended:
                self.idle.clear()
                if self._per_second(len(ended)) > BUSY:
                    self._gather(ended)
                try:
                    self._write(ended, self._engine)
                except Exception:
                    log.exception("%d outcomes could not be written: their jobs are taken back when their lease is over", len(ended))
            elif self._finishing.is_set():
                return

    def _gather(self, ended: list[Outcome]) -> None:
        """Add to `ended` what comes within the next moment."""
        until = time.monotonic() + GATHER
        while len(ended) < ENOUGH and time.monotonic() < until and not self._finishing.is_set():
            time.sleep(GLANCE)
            known = len(ended)
            self._receive(ended, 0.0)
            self._per_second(len(ended) - known)

    def _per_second(self, ended: int) -> float:
        """Outcomes a second, over about the last tenth of one."""
        now = time.monotonic()
        passed, self._looked = now - self._looked, now
        self._rate += (ended / max(passed, 0.001) - self._rate) * min(1.0, passed / 0.1)
        return self._rate

    def _receive(self, ended: list[Outcome], wait: float) -> list[Outcome]:
        """Add to `ended` what is there, waiting up to `wait` seconds for the first."""
        while len(ended) < MOST and select.select([self._inbox], [], [], 0 if ended else wait)[0]:
            letter = self._inbox.recv(LARGEST)
            if not letter:
                break  # nobody is left who could send
            ended.append(Outcome(*json.loads(letter)))
        return ended
