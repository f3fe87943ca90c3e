"""One part of the system, kept running: started, watched, started again when it dies, stopped in steps.

off ──► starting ──► ready ──► stopping ──► off
          │  ▲         │
          ▼  │         │
         waiting ◄─────┘   it died: again after 1, 2, 4 … 30 s
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.embedded import processes
from app.embedded.home import PartState
from app.embedded.output import Output
from app.embedded.processes import ProcessId, StartError

LONGEST_WAIT = 30.0  # seconds before a part that keeps dying is started again
STEADY = 60.0  # seconds after which a part that runs has its earlier deaths forgiven


@dataclass(frozen=True)
class Spec:
    """How a part is run. `launch` gets the file descriptor for its output, `ready` the process and when it was started (s since 1970).

    `stop_signals` are sent one after the other, each given its seconds; after the last the process group is killed.
    """

    name: str
    launch: Callable[[int], subprocess.Popen[bytes]]
    ready: Callable[[int, float], bool]
    stop_signals: Sequence[tuple[int, float]] = ((signal.SIGTERM, 10.0),)
    address: str = ""
    start_seconds: float = 120.0


class Part:
    """A part as it runs. Everything happens in `tick`, which never waits; all times are the caller's `now` (s since 1970)."""

    def __init__(self, spec: Spec, output: Output, run_changed: Callable[[], None]) -> None:
        self.spec = spec
        self.state = "off"
        self.restarts = 0
        self.deaths = 0  # in a row
        self.since = 0.0
        self.trouble = ""  # why it is not running, in words
        self.refused = False  # it could not even be started, and says why
        self._output = output
        self._changed = run_changed
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: ProcessId | None = None
        self._started = 0.0
        self._next = 0.0  # when the current state's patience ends
        self._ladder: list[tuple[int, float]] = []

    @property
    def name(self) -> str:
        return self.spec.name

    def snapshot(self) -> PartState:
        """What the state file says about it."""
        return PartState(self.name, self.state, self.spec.address, self._identity, self.since, self.restarts)

    def tick(self, now: float, *, wanted: bool) -> None:
        """Look once and do what is due."""
        match self.state:
            case "off" if wanted:
                self._start(now)
            case "waiting" if not wanted:
                self._become("off", now)
            case "waiting" if now >= self._next:
                self.restarts += 1
                self._start(now)
            case "starting" | "ready" if processes.exited(self._process):
                self._died(now, wanted)
            case "starting" | "ready" if not wanted:
                self.stop(now)
            case "starting":
                self._look(now)
            case "ready" if self.deaths and now - self.since > STEADY:
                self.deaths = 0
            case "stopping":
                self._step_down(now)

    def stop(self, now: float) -> None:
        """Begin to stop it; further ticks go on."""
        if self.state in ("starting", "ready"):
            self._ladder = list(self.spec.stop_signals)
            self._next = 0.0
            self._become("stopping", now)
        elif self.state == "waiting":
            self._become("off", now)

    def hurry(self) -> None:
        """Take the next step of stopping at once."""
        self._next = 0.0

    def _start(self, now: float) -> None:
        self._started = now
        writer = self._output.open(self.name)
        try:
            self._process = self.spec.launch(writer)
        except StartError as error:
            self.refused = True
            self._wait(now, str(error))
            return
        finally:
            os.close(writer)
        self._identity = ProcessId.of(self._process.pid)
        self._next = now + self.spec.start_seconds
        self._become("starting", now)

    def _look(self, now: float) -> None:
        if self.spec.ready(self._process.pid, self._started):
            self._output.say(f"{self.name} is ready")
            self._become("ready", now)
        elif now >= self._next:
            processes.kill_group(self._process.pid)
            self._died(now, True, f"was not ready after {self.spec.start_seconds:.0f} s")

    def _died(self, now: float, wanted: bool, why: str | None = None) -> None:
        code = self._process.wait()
        self._output.drain()
        if wanted:
            self._wait(now, why or _ending(code))
        else:
            self._gone(now)

    def _wait(self, now: float, why: str) -> None:
        self.trouble = why
        self.deaths += 1
        seconds = min(2.0 ** (self.deaths - 1), LONGEST_WAIT)
        self._output.say(f"{self.name}: {why}; starting it again in {seconds:.0f} s")
        self._next = now + seconds
        self._process = self._identity = None
        self._become("waiting", now)

    def _gone(self, now: float) -> None:
        self._output.say(f"{self.name} has stopped")
        self._process = self._identity = None
        self.deaths = 0
        self._become("off", now)

    def _step_down(self, now: float) -> None:
        if processes.exited(self._process):
            self._output.drain()
            self._gone(now)
        elif now >= self._next:
            if self._ladder:
                number, seconds = self._ladder.pop(0)
                os.kill(self._process.pid, number)
                self._next = now + seconds
            else:
                self._output.say(f"{self.name}: did not stop in time and was killed")
                processes.kill_group(self._process.pid)
                self._next = now + 5

    def _become(self, state: str, now: float) -> None:
        self.state, self.since = state, now
        self._changed()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended by itself (exit code {code})"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
