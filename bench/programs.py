"""The programs that are measured: started in a session of their own, ended with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from app.embedded import processes
from app.embedded.home import CHECKOUT

T = TypeVar("T")


class BenchError(Exception):
    """A measurement that could not be made. The message says why in one line, the log follows."""


class Program:
    """A running program with its log."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path):
        self.log = log
        with log.open("ab") as output:
            self._process = processes.launch(list(argv), output=output, env=dict(env), cwd=CHECKOUT)
        self.pid = self._process.pid

    def running(self) -> bool:
        """Whether it still runs."""
        return not processes.exited(self._process)

    def stop(self, seconds: float = 15.0) -> None:
        """End it as a terminal would, then by force."""
        processes.stop(self._process, ((signal.SIGTERM, seconds), (signal.SIGINT, 2.0)))
        processes.kill_group(self.pid)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


def environment(**values: str) -> dict[str, str]:
    """The environment of a measured program: none of our own settings but those given."""
    from app.settings import Settings

    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore", "LOG_LEVEL": "WARNING", **values}


def python(*arguments: str) -> list[str]:
    """A command line for the interpreter we run in."""
    return [sys.executable, *arguments]


def run(argv: Sequence[str], env: Mapping[str, str], seconds: float = 600) -> str:
    """Run a program to its end and return what it printed. Raises BenchError with its last words."""
    done = subprocess.run(
        list(argv), env=dict(env), cwd=CHECKOUT, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(argv[1:4])} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def wait_for(
    what: str, condition: Callable[[], T], programs: Sequence[Program] = (), seconds: float = 60, every: float = 0.005
) -> T:
    """The first truthy value. Raises BenchError when it does not come in time or one of `programs` has ended."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        dead = next((program for program in programs if not program.running()), None)
        if dead or time.monotonic() > end:
            logs = "\n".join(program.tail() for program in programs)
            raise BenchError(f"{what}: {'a program ended' if dead else f'not within {seconds:.0f} s'}\n{logs}")
        time.sleep(every)
    return value
