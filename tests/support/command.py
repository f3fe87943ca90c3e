"""The command `buildos` as people call it, in a data folder of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from app.embedded.processes import free_port
from tests.support.servers import ROOT


class Command:
    """`run` waits for the answer, `begin` leaves it running. Every call gets the same folder and port."""

    def __init__(self, home: Path, **env: str) -> None:
        self.home = home
        self.env = {**os.environ, "BUILDOS_HOME": str(home), "PORT": str(free_port()), **env}

    def run(self, *arguments: str, seconds: float = 100, **env: str) -> subprocess.CompletedProcess[str]:
        """Call it and wait at most `seconds`."""
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT, env={**self.env, **env}, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip

    def must(self, *arguments: str, **env: str) -> str:
        """The same, when it must succeed; what it printed."""
        done = self.run(*arguments, **env)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def refusal(self, *arguments: str, **env: str) -> str:
        """The same, when it must fail in one line on standard error; that line without its prefix."""
        done = self.run(*arguments, **env)
        lines = done.stderr.strip().splitlines()
        assert done.returncode != 0 and len(lines) == 1, f"{done.returncode}: {done.stdout}{done.stderr}"
        assert lines[0].startswith("buildos: ")
        return lines[0].removeprefix("buildos: ")

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it in a session of its own, both outputs in one pipe."""
        return subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def exports(self) -> dict[str, str]:
        """What `buildos env` prints, as a shell would take it."""
        lines = [shlex.split(line) for line in self.must("env").splitlines()]
        return dict(word.split("=", 1) for verb, word in lines if verb == "export")

    def logs(self) -> str:
        """The ends of all logs, for the message of a failed test."""
        return "".join(f"\n--- {log.name}\n{log.read_text()[-2000:]}" for log in sorted(self.home.glob("logs/*.log")))
