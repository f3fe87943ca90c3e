"""`buildos up` and the commands around it, for real: every server, every process, real signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.embedded.processes import ProcessId, free_port, wait_until
from tests.support.command import Command

SECONDS = 60.0
PARTS = ("api", "worker", "beat", "postgres", "redis")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Everything, in the background; its folder has a space in its name."""
    command = Command(tmp_path_factory.mktemp("up") / "data folder")
    assert "BuildOS is up." in command.must("up", "--detach")
    yield command
    command.run("down")


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command with a folder of its own; whatever it started is taken down."""
    made = Command(tmp_path / "home")
    yield made
    if made.home.is_dir():
        made.run("down")


def health(command: Command) -> dict:
    """What the API says of the system; of an unhealthy one it says it with 503."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{command.env['PORT']}/health", timeout=SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as unhealthy:
        return json.load(unhealthy)


def processes(command: Command) -> dict[str, ProcessId]:
    exports = command.exports()
    names = [name for name in PARTS if f"BUILDOS_{name.upper()}_PID" in exports]
    found = {name: ProcessId.of(int(exports[f"BUILDOS_{name.upper()}_PID"])) for name in names}
    return {name: process for name, process in found.items() if process is not None}


def states(command: Command) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in command.run("status").stdout.splitlines()[1:]}


def test_when_it_says_so_it_is_really_ready(system: Command) -> None:
    answer = health(system)
    assert answer["status"] == "healthy"
    assert answer["checks"] == {"database": "ok", "broker": "ok", "workers": "ok", "beat": "ok"}
    assert states(system) == dict.fromkeys(PARTS, "ready")
    assert set(processes(system)) == set(PARTS)


def test_env_gives_addresses_that_work(system: Command) -> None:
    exports = system.exports()
    assert exports["BUILDOS_API_URL"] == f"http://127.0.0.1:{system.env['PORT']}"
    with psycopg.connect(exports["DATABASE_URL"]) as connection:
        row = connection.execute(
            "select count(*) from users where email = %s and id = %s",
            [exports["BUILDOS_SAMPLE_EMAIL"], exports["BUILDOS_SAMPLE_ID"]],
        ).fetchone()
    assert row == (1,)


def test_a_second_one_on_the_same_folder_is_refused(system: Command) -> None:
    assert system.refusal("up", PORT=str(free_port())).startswith("already running (process ")
    assert system.refusal("up", "--detach", PORT=str(free_port())).startswith("already running (process ")


def test_the_worker_is_turned_off_and_on(system: Command) -> None:
    assert system.must("stop", "worker") == "worker is off\n"
    assert states(system)["worker"] == "off"
    assert "BUILDOS_WORKER_PID" not in system.exports()
    assert wait_until(lambda: health(system)["checks"]["workers"] == "away", SECONDS, every=0.2)
    assert system.must("start", "worker") == "worker is ready\n"
    assert wait_until(lambda: health(system)["checks"]["workers"] == "ok", SECONDS, every=0.2)
    assert "there is no part" in system.refusal("stop", "cheese")


@pytest.mark.parametrize("part", ["worker", "api", "redis", "postgres"])
def test_a_part_that_is_killed_comes_back(system: Command, part: str) -> None:
    before = processes(system)
    os.kill(before[part].pid, signal.SIGKILL)
    assert wait_until(lambda: not before[part].alive(), SECONDS)
    assert wait_until(lambda: system.run("status").returncode == 0, SECONDS, every=0.3), system.logs()
    after = processes(system)
    assert after[part] != before[part]
    assert f"{part}: was ended by SIGKILL; starting it again" in (system.home / "logs" / "buildos.log").read_text()
    assert wait_until(lambda: health(system)["status"] == "healthy", SECONDS, every=0.3), system.logs()


def test_in_the_foreground_ctrl_c_ends_it_and_the_next_one_finds_the_data(command: Command) -> None:
    for turn in (1, 2):
        process = command.begin("up")
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "buildos status" in line:
                break
        assert any("BuildOS is up." in line for line in said), "".join(said)
        everyone = processes(command)
        with psycopg.connect(command.exports()["DATABASE_URL"]) as connection:
            connection.execute("update users set name = coalesce(name, '') || 'x' returning name")
            names = connection.execute("select name from users").fetchall()
        assert names == [("Sam Sample" + "x" * turn,)]
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 0, rest
        assert "Traceback" not in "".join(said) + rest
        assert [name for name, who in everyone.items() if who.alive()] == []
        stopped = [line.split()[2] for line in rest.splitlines() if line.endswith("has stopped")]
        assert stopped == ["beat", "worker", "api", "redis", "postgres"]
    assert command.run("status").returncode == 1


def test_after_the_supervisor_is_killed_the_next_one_recovers(command: Command) -> None:
    command.must("up", "--detach")
    everyone = processes(command)
    exports = command.exports()
    os.kill(int(exports["BUILDOS_PID"]), signal.SIGKILL)
    # From a shell that took the exports of the last run, so that DATABASE_URL names a server which is gone.
    command.must("up", "--detach", **exports)
    assert health(command)["status"] == "healthy"
    assert [name for name, who in everyone.items() if who.alive()] == []
    assert command.must("down") == "stopped\n"
    assert command.must("down") == "nothing is running\n"


def test_parts_are_left_out_and_turned_on_later(command: Command) -> None:
    assert "BuildOS is up without worker and beat." in command.must("up", "--detach", "--only", "api")
    assert states(command) == {"postgres": "ready", "redis": "ready", "api": "ready", "worker": "off", "beat": "off"}
    assert health(command)["status"] == "degraded"
    command.must("start", "beat")
    assert states(command)["beat"] == "ready"
    assert "exclude each other" in command.refusal("up", "--only", "api", "--without", "beat")


def test_a_taken_port_is_named(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments in (["up"], ["up", "--detach"]):
            line = command.refusal(*arguments, PORT=str(port))
            assert line.startswith(f"port {port} on 127.0.0.1 cannot be used (address already in use); set another one")


def test_a_data_folder_that_cannot_be_used_is_named(command: Command) -> None:
    command.home.write_text("a file")
    for arguments in (["up"], ["up", "--detach"]):
        line = command.refusal(*arguments)
        assert line.startswith(f"the data folder {command.home} cannot be used")
    command.home.unlink()


def test_the_data_of_another_postgres_is_named(command: Command) -> None:
    (command.home / "postgres").mkdir(parents=True)
    (command.home / "postgres" / "PG_VERSION").write_text("13\n")
    assert "is Postgres 13's" in command.refusal("up")


def test_servers_that_are_away_are_named(command: Command) -> None:
    away = f"127.0.0.1:{free_port()}"
    line = command.refusal("up", DATABASE_URL=f"postgresql://me:secret@{away}/nothing")
    assert line.startswith("the database of DATABASE_URL is away (") and "refused" in line and "secret" not in line
    line = command.refusal("up", REDIS_URL=f"redis://:secret@{away}/0")
    assert line.startswith("the Redis of REDIS_URL is away (") and "refused" in line and "secret" not in line


def test_a_wrong_setting_is_named(command: Command) -> None:
    assert command.refusal("up", PORT="many").startswith("PORT: ")
    assert command.refusal("up", DATABASE_URL="mysql://x").startswith("DATABASE_URL: expects postgresql://")
