"""`buildos brief` and `buildos jobs` against a real system, as people type them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.command import Command
from tests.support.servers import ROOT

pytestmark = pytest.mark.timeout(300)
SAMPLE = "sample@buildos.example"


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> Iterator[Command]:
    command = Command(tmp_path_factory.mktemp("brief") / "home")
    command.must("up", "--detach")
    yield command
    command.run("down")


def jobs(system: Command) -> list[list[str]]:
    return [line.split() for line in system.must("jobs", "list", "--user", SAMPLE).splitlines()[1:]]


def test_a_brief_is_made_shown_and_printed(system):
    done = system.run("brief", "--user", SAMPLE.upper(), "--date", "2026-11-21")
    assert done.returncode == 0, done.stderr + system.logs()
    assert done.stdout.startswith("# Saturday, 21 November 2026")
    assert "100 %" in done.stderr and "%  " in done.stderr


def test_asking_again_makes_it_again(system):
    system.must("brief", "--user", SAMPLE, "--date", "2026-11-22")
    before = len(jobs(system))
    system.must("brief", "--user", SAMPLE, "--date", "2026-11-22")
    assert len(jobs(system)) == before + 1
    assert system.must("jobs").splitlines()[0] == system.must("jobs", "list").splitlines()[0] != ""


def test_on_a_terminal_it_is_a_page(system):
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "brief", "--user", SAMPLE],
        cwd=ROOT, env={**system.env, "TERM": "xterm-256color", "COLUMNS": "100"}, stdout=writer, stderr=writer,
    )  # fmt: skip
    os.close(writer)
    said = b""
    try:
        while block := os.read(reader, 65536):
            said += block
    except OSError:  # the other end is closed
        pass
    assert process.wait(60) == 0
    assert b"In short" in said and b"## In short" not in said and b"%" in said


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (("brief", "--user", "nobody@example.org"), {}, "there is no user with the address nobody@example.org"),
        (("brief", "--user", "a\tb"), {}, "there is no user with the address"),
        (("brief", "--user", SAMPLE, "--date", "2026-02-30"), {}, "briefDate: there is no day 2026-02-30"),
        (
            ("brief", "--user", SAMPLE),
            {"BUILDOS_API_URL": "http://127.0.0.1:9"},
            "nobody answers at http://127.0.0.1:9",
        ),
        (("brief", "--user", SAMPLE), {"DATABASE_URL": "postgresql://x@127.0.0.1:9/x"}, "the database cannot be asked"),
        (("jobs", "show", "nothing"), {}, "Job not found"),
        (("jobs", "list", "--user", SAMPLE, "--status", "done"), {}, "status: "),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(system, arguments, env, words):
    assert system.refusal(*arguments, **env).startswith(words)


def test_without_a_worker_it_says_so_and_gives_up_in_time(system):
    system.must("stop", "worker")
    with psycopg.connect(system.exports()["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("delete from queue_processes where kind = 'worker'")  # as after 30 s of silence
    try:
        done = system.run("brief", "--user", SAMPLE, "--date", "2026-11-25", "--timeout", "6")
    finally:
        system.must("start", "worker")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert any("no worker is running" in line for line in lines)
    assert lines[-1].startswith("buildos: not finished after 6 s; it goes on: buildos jobs show brief-")


def test_a_cancelled_brief_ends_the_command(system):
    system.must("stop", "worker")
    try:
        process = system.begin("brief", "--user", SAMPLE, "--date", "2026-11-27")
        first = process.stdout.readline()
        assert "waiting for a worker" in first
        job = next(row[0] for row in jobs(system) if row[2] == "pending")
        assert system.must("jobs", "cancel", job) == f"{job} is cancelled\n"
        said = process.stdout.read()
        assert process.wait(60) == 1 and said.endswith("buildos: the brief was cancelled\n")
    finally:
        system.must("start", "worker")
    assert system.refusal("jobs", "cancel", job) == "A cancelled job cannot be cancelled"
    new = system.must("jobs", "retry", job).split()[-1]
    shown = system.must("jobs", "show", new)
    assert "generate_daily_brief" in shown and "pending" in shown
    assert "cancelled" in system.must("jobs", "show", job)


def test_counts_of_all(system):
    system.must("brief", "--user", SAMPLE, "--date", "2026-11-23")
    lines = system.must("jobs", "list").splitlines()
    assert lines[0].split() == ["TYPE", "STATUS", "JOBS"]
    assert ["generate_daily_brief", "completed"] in [line.split()[:2] for line in lines]
