"""The supervisor with small programs in the place of the real parts: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.home import Home
from app.embedded.part import Spec
from app.embedded.processes import ProcessId, StartError, wait_until
from app.embedded.supervisor import Supervisor
from tests.support import standins
from tests.support.servers import ROOT

SECONDS = 20.0  # far more than anything here takes


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(str(tmp_path / "home"))
    made.prepare()
    return made


@pytest.fixture
def running(home: Home) -> Iterator[Supervisor]:
    """Worker and api, ready."""
    supervisor = standins.supervisor(home, standins.worker(home.folder), standins.spec("api", standins.IDLE))
    try:
        supervisor.start(["worker", "api"])
        yield supervisor
    finally:
        supervisor.stop()


def turn_until(supervisor: Supervisor, part: str, state: str) -> None:
    def there() -> bool:
        supervisor.turn()
        return supervisor.parts[part].state == state

    assert wait_until(there, SECONDS), f"{part} is {supervisor.parts[part].state}, not {state}"


def process_of(home: Home, part: str) -> ProcessId:
    process = home.read().parts[part].process
    assert process is not None
    return process


def child_of(home: Home) -> ProcessId:
    child = ProcessId.of(int((home.folder / "child").read_text()))
    assert child is not None
    return child


def test_everything_stops_and_nothing_is_left(home: Home) -> None:
    supervisor = standins.supervisor(home, standins.worker(home.folder), standins.spec("api", standins.IDLE))
    supervisor.start(["worker", "api"])
    everyone = [process_of(home, "worker"), process_of(home, "api"), child_of(home)]
    assert all(process.alive() for process in everyone)
    supervisor.stop()
    assert not any(process.alive() for process in everyone)
    assert (home.folder / "drained").exists()
    assert home.read().parts == {}


def test_a_part_that_is_killed_is_started_again_without_its_orphans(home: Home, running: Supervisor) -> None:
    before, child = process_of(home, "worker"), child_of(home)
    (home.folder / "child").unlink()
    os.kill(before.pid, signal.SIGKILL)
    turn_until(running, "worker", "waiting")
    assert wait_until(lambda: not child.alive(), SECONDS)
    turn_until(running, "worker", "ready")
    after = process_of(home, "worker")
    assert (after != before, after.alive(), home.read().parts["worker"].restarts) == (True, True, 1)
    assert "worker: was ended by SIGKILL; starting it again in 1 s" in home.log("buildos").read_text()


def test_a_part_that_is_turned_off_stays_off_until_it_is_turned_on(home: Home, running: Supervisor) -> None:
    home.turn("worker", on=False)
    turn_until(running, "worker", "off")
    for _ in range(5):
        running.turn()
    assert running.parts["worker"].state == "off"
    assert running.parts["api"].state == "ready"
    home.turn("worker", on=True)
    turn_until(running, "worker", "ready")


def test_a_part_that_cannot_start_ends_the_start_in_one_line(home: Home) -> None:
    supervisor = standins.supervisor(home, standins.spec("api", "import sys; sys.exit('no such thing')", ready=never))
    with pytest.raises(StartError, match=r"^the api ended by itself \(exit code 1\); see .*/api\.log$"):
        supervisor.start(["api"])
    supervisor.stop()
    assert "no such thing" in home.log("api").read_text()


def test_a_part_that_is_never_ready_is_given_up(home: Home) -> None:
    supervisor = standins.supervisor(home, standins.spec("api", standins.IDLE, ready=never, start_seconds=0.2))
    with pytest.raises(StartError, match="was not ready after"):
        supervisor.start(["api"])
    supervisor.stop()


def test_a_part_that_says_why_it_cannot_start_is_quoted_at_once(home: Home) -> None:
    def refuse(_output: int) -> subprocess.Popen[bytes]:
        raise StartError("the data is Postgres 9's")

    supervisor = standins.supervisor(home, Spec("postgres", refuse, never))
    with pytest.raises(StartError, match="^the data is Postgres 9's$"):
        supervisor.start(["postgres"])


def test_a_second_signal_hurries(home: Home) -> None:
    with as_a_process(home) as process:
        stubborn = process_of(home, "beat")
        process.send_signal(signal.SIGINT)
        assert wait_until(lambda: home.read().parts["beat"].state == "stopping", SECONDS)
        assert stubborn.alive()
        assert wait_until(lambda: "waiting for the beat" in home.log("buildos").read_text(), SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        assert not stubborn.alive()
        assert (home.folder / "drained").exists()


def test_a_killed_supervisor_takes_everything_with_it_and_frees_the_folder(home: Home) -> None:
    with as_a_process(home) as process:
        parts = [process_of(home, name) for name in ("worker", "api")]
        assert home.running()
        with pytest.raises(StartError, match=rf"^already running \(process {process.pid}\) on "), home.locked():
            pass
        process.kill()
        process.wait()
        assert wait_until(lambda: not any(part.alive() for part in parts), SECONDS)
        assert not home.running()
        with home.locked():
            pass
        os.killpg(process_id_of_beat(home), signal.SIGKILL)


def never(_pid: int, _since: float) -> bool:
    return False


def process_id_of_beat(home: Home) -> int:
    return process_of(home, "beat").pid


class as_a_process:
    """The stand-ins under a supervisor in a process of its own, ready; killed at the end."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __enter__(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.standins", str(self.home.folder)], cwd=ROOT
        )
        assert wait_until(lambda: self.home.read().ready, SECONDS)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
