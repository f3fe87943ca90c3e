"""`buildos up`: starts everything in order, keeps it running, stops it in the opposite order.

One thread and one loop: the parts' lives are tied to the thread that started them, and their output is read in the same
place. The other commands speak to it through the data folder (`home`) and by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import contextmanager

from app.embedded import processes
from app.embedded.home import CHECKOUT, Home, State
from app.embedded.output import Output
from app.embedded.part import Part, Spec
from app.embedded.parts import STOP_ORDER
from app.embedded.processes import StartError

LOOP_SECONDS = 0.1
DEATHS = 2  # in a row, that end the start
ONE_REQUEST = 0.5  # seconds within which signals are one request: make, timeout and a terminal may each send theirs
SILENCE = 3.0  # seconds of stopping after which we say what we wait for


class Interrupted(Exception):
    """Somebody asked to stop while the system was starting."""


class Supervisor:
    """Runs parts until it is told to stop. `home` is locked by the caller."""

    def __init__(self, home: Home, state: State, output: Output) -> None:
        self.home = home
        self.state = state
        self.parts: dict[str, Part] = {}
        self._output = output
        self._stops = 0
        self._changed = False
        self._closing: set[str] | None = None  # while everything is stopped: the parts that were told already

    def add(self, spec: Spec) -> Part:
        """Put a part under supervision; the next tick starts it unless it is turned off."""
        part = self.parts[spec.name] = Part(spec, self._output, self._mark)
        return part

    def _mark(self) -> None:
        self._changed = True

    @contextmanager
    def signals(self):
        """Take SIGINT, SIGTERM and SIGHUP as requests to stop; a second one as one to hurry."""

        last = float("-inf")

        def asked(_number, _frame) -> None:
            nonlocal last
            if time.monotonic() - last > ONE_REQUEST:
                self._stops += 1
                last = time.monotonic()

        before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, names: Collection[str]) -> None:
        """Wait until these parts are ready, or are turned off. Raises StartError with the part's trouble, or Interrupted."""
        while True:
            self.turn()
            if self._stops:
                raise Interrupted
            waiting = [self.parts[name] for name in names if self.parts[name].state not in ("ready", "off")]
            if not waiting:
                return
            for part in waiting:
                if part.refused:
                    raise StartError(part.trouble)
                if part.deaths >= DEATHS:
                    raise StartError(f"the {part.name} {part.trouble}; see {self.home.log(part.name)}")

    def run_once(self, argv: list[str], env: dict[str, str], name: str) -> None:
        """Run a program to its end. Raises StartError with its last line when it fails."""
        log = self.home.fresh_log(name)
        before = log.stat().st_size if log.exists() else 0
        writer = self._output.open(name)
        try:
            process = processes.launch(argv, output=writer, env=env, cwd=CHECKOUT)
        finally:
            os.close(writer)
        while not processes.exited(process):
            self.turn()
            if self._stops:
                processes.stop(process, ((signal.SIGTERM, 5.0),))
                raise Interrupted
        self._output.drain()
        if process.returncode != 0:
            lines = log.read_bytes()[before:].decode(errors="replace").strip().splitlines()
            raise StartError(lines[-1].removeprefix("buildos: ") if lines else f"{name} failed")

    def run(self) -> None:
        """Keep the parts running until somebody asks to stop."""
        while not self._stops:
            self.turn()

    def stop(self) -> None:
        """Stop every part, those that use others first. A request to stop during that hurries the part at hand."""
        self._closing = set()
        for part in sorted(self.parts.values(), key=_stop_order):
            self._closing.add(part.name)
            self._stop_part(part)
        self.state.parts, self.state.ready = {}, False
        self.home.write(self.state)

    def _stop_part(self, part: Part) -> None:
        begun, requests = time.time(), self._stops
        part.stop(begun)
        told = False
        while part.state != "off":
            self.turn()
            if self._stops > requests:
                requests = self._stops
                part.hurry()
            if not told and part.state != "off" and time.time() - begun > SILENCE:
                told = True
                self._output.say(f"waiting for the {part.name} to finish; Ctrl-C again hurries it")

    def turn(self) -> None:
        """One round: pass on output, look after every part, write the state where it changed."""
        self._output.pump(LOOP_SECONDS)
        unwanted = self.home.turned_off() | (self._closing or set())
        now = time.time()
        for part in self.parts.values():
            if self._closing is None or part.name in self._closing or part.state in ("starting", "ready"):
                part.tick(now, wanted=part.name not in unwanted)
        if self._changed:
            self._changed = False
            self.state.parts = {name: part.snapshot() for name, part in self.parts.items()}
            self.home.write(self.state)


def _stop_order(part: Part) -> int:
    return STOP_ORDER.index(part.name) if part.name in STOP_ORDER else -1
