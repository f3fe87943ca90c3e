"""The launcher of Postgres: what a kill, a reboot or a foreign folder leave behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.embedded.postgres import THROWAWAY, PostgresServer
from app.embedded.processes import ProcessId, StartError, wait_until
from tests.support.servers import installations


@pytest.fixture(params=[True, False], ids=["namespace", "account"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PostgresServer]:
    """A started server, in both ways that root has (an ordinary user has but one: themselves)."""
    made = PostgresServer(tmp_path / "data", options=THROWAWAY, namespaces=request.param)
    made.start(tmp_path / "log")
    try:
        yield made
    finally:
        made.stop()
        if made.runner is not None:  # which may not be below tmp_path
            shutil.rmtree(made.runner.data)


def test_data_is_found_again(server: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("create table kept as select 1 as one")
    server.stop()
    again = PostgresServer(server.folder, password=server.password, options=THROWAWAY, namespaces=server.namespaces)
    again.start(tmp_path / "log")
    with psycopg.connect(again.url()) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)
    again.stop()


def test_a_killed_server_starts_again(server: PostgresServer, tmp_path: Path) -> None:
    assert server.process is not None and server.runner is not None
    server.process.kill()
    server.process.wait()
    mark = server.runner.data / "postmaster.pid"
    # As after a reboot: the number in the file is somebody else's by now.
    lines = mark.read_text().splitlines()
    mark.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    server.start(tmp_path / "log")
    assert server.ready()


def test_a_server_without_its_launcher_is_stopped_first(server: PostgresServer, tmp_path: Path) -> None:
    assert server.process is not None
    leftover = ProcessId.of(server.process.pid)
    again = PostgresServer(server.folder, password=server.password, options=THROWAWAY, namespaces=server.namespaces)
    again.start(tmp_path / "log")
    assert again.ready() and leftover is not None
    assert wait_until(lambda: not leftover.alive(), 5)
    again.stop()


def test_the_data_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(StartError, match=r"^the data in .* is Postgres 9\.6's, this is \d+; .*DATABASE_URL$"):
        PostgresServer(tmp_path / "data").start(tmp_path / "log")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "diary.txt").write_text("dear diary")
    with pytest.raises(StartError, match="is not empty and not a Postgres data folder"):
        PostgresServer(tmp_path / "data").start(tmp_path / "log")
    assert (tmp_path / "data" / "diary.txt").read_text() == "dear diary"


def test_an_interrupted_first_start_leaves_no_half_of_a_database(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n")
    server = PostgresServer(tmp_path / "data", options=THROWAWAY)
    server.start(tmp_path / "log")
    assert server.ready()
    server.stop()


def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    stranger = PostgresServer(server.folder, port=server.port)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(stranger.url())


def test_this_machine_has_the_embedded_one() -> None:
    assert "embedded" in installations()
