"""Every container of docker-compose.yml on a host of its own, started, checked, restarted and stopped as the file says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.chaos.fleet import Pace
from tests.support.compose import Compose, Service
from tests.support.servers import ROOT
from tests.topology import image
from tests.topology.hosts import Host, make_bridge, run

IMAGE_ENV = {  # what images of others set by themselves
    "postgres": {"PGDATA": "/var/lib/postgresql/18/docker"},
    "proxy": {"XDG_DATA_HOME": "/data", "XDG_CONFIG_HOME": "/config"},
}
RESTART_AFTER = 0.5  # seconds
READY_WITHIN = 60.0  # seconds


@dataclass
class Container:
    """A service's process on its host."""

    service: Service
    host: Host
    env: dict[str, str]
    log: Path
    process: subprocess.Popen | None = None
    wanted: bool = False
    starts: int = 0

    def begin(self, words: list[str] | None = None) -> subprocess.Popen:
        """Start its command, or other words in its place."""
        uid = image.uid_of(self.service)
        folder = image.HOME if self.service.is_ours else "/"
        command = self.host.command(words or self.service.command, self.env, uid=uid, folder=folder)
        with self.log.open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def call(self, words: list[str], stdin: str | None = None, patience: float = 60) -> int:
        """Run something else on its host, as its user; the exit code."""
        uid = image.uid_of(self.service)
        folder = image.HOME if self.service.is_ours else "/"
        with self.log.open("ab") as output:
            return subprocess.run(
                self.host.command(words, self.env, uid=uid, folder=folder),
                input=stdin, stdout=output, stderr=output, text=True, timeout=patience, check=False,
            ).returncode  # fmt: skip

    def healthy(self) -> bool:
        """What its health check says, asked now."""
        try:
            return self.call(self.service.check, patience=20) == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self) -> float | None:
        """Stop it as Docker does. Seconds it took; None when it had to be killed."""
        self.wanted = False
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(signal.Signals[self.service.stop_signal])
        try:
            self.process.wait(self.service.grace)
            return time.monotonic() - began
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return None


@dataclass
class Town:
    """All of it, with what tests.chaos expects of a fleet. Lives inside the run's namespaces."""

    folder: Path
    pace: Pace
    compose: Compose
    containers: list[Container] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def secret(self, name: str) -> str:
        """One of the secrets that deploy/prepare made."""
        return (self.folder / "deploy/secrets" / name).read_text()

    @property
    def database_url(self) -> str:
        return self.secret("database_url")

    @property
    def api_url(self) -> str:
        """Where clients find the API: the proxy."""
        return "http://proxy"

    @property
    def api_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret('service_key')}"}

    def connect(self) -> psycopg.Connection:
        """A connection of its own, each statement its own transaction, that notices a host that was cut off."""
        return psycopg.connect(
            self.database_url, autocommit=True, connect_timeout=5, application_name="topology",
            keepalives_idle=3, keepalives_interval=2, keepalives_count=2, tcp_user_timeout=8000,
        )  # fmt: skip

    def of(self, service: str) -> list[Container]:
        """The containers of a service."""
        return [one for one in self.containers if one.service.name == service]

    def lay_out(self, replicas: Mapping[str, int], more: Mapping[str, str]) -> None:
        """Make every host: `replicas` of each service that is wanted, `more` environment for the program."""
        make_bridge()
        shutil.copytree(ROOT / "deploy", self.folder / "deploy", ignore=shutil.ignore_patterns("secrets", "settings.env"))
        run(self.folder / "deploy/prepare")
        built = image.build(self.folder / "images")
        wanted = [(self.compose.services[name], n) for name, count in replicas.items() for n in range(1, count + 1)]
        self._write_names(wanted)
        for number, (service, n) in enumerate(wanted, 2):
            name = f"{self.compose.whole['name']}-{service.name}-{n}"
            for volume in service.given.get("volumes", ()):
                self._make_volume(volume.split(":")[0], image.uid_of(service))
            root = self.folder / "root"
            host = Host(name, number, root, image.layout(service, root, built, self.folder))
            env = {
                "PATH": image.search_path(), "HOME": "/tmp", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
                **IMAGE_ENV.get(service.name, {}), **service.environment,
                **({"PYTHONPATH": image.HOME, **self.pace.env(), **more} if service.is_ours else {}),
            }  # fmt: skip
            self.containers.append(Container(service, host, env, self.folder / f"{name}.log"))
            host.start()

    def _write_names(self, wanted: list[tuple[Service, int]]) -> None:
        """/etc/hosts and /etc/passwd of all hosts; Docker's own name server otherwise."""
        project, lines = self.compose.whole["name"], ["127.0.0.1 localhost"]
        for number, (service, n) in enumerate(wanted, 2):
            lines.append(f"10.77.0.{number} {project}-{service.name}-{n} {service.name}")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        run("mount", "--bind", self.folder / "hosts", "/etc/hosts")
        users = {**image.USERS, "root": 0, "buildos": 10001}
        (self.folder / "passwd").write_text("".join(f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n" for name, uid in users.items()))
        (self.folder / "group").write_text("".join(f"{name}:x:{uid}:\n" for name, uid in users.items()))

    def _make_volume(self, name: str, uid: int) -> None:
        """A volume belongs to whoever its image gives it to."""
        path = self.folder / "volumes" / name
        if not name.startswith(".") and not path.exists():
            path.mkdir(parents=True)
            try:
                os.chown(path, uid, uid)
            except OSError:
                path.chmod(0o777)

    def start(self) -> None:
        """Start everything in the file's order, each when what it waits for is there."""
        self._initialise_postgres()
        left = list(self.containers)
        while left:
            ready = [one for one in left if not any(self._is_waited_for(name, left) for name in one.service.given.get("depends_on", {}))]
            for one in ready:
                self._start_one(one)
            for one in ready:
                self._await(one)
            left = [one for one in left if one not in ready]

    @staticmethod
    def _is_waited_for(name: str, left: list[Container]) -> bool:
        return any(other.service.name == name for other in left)

    def _start_one(self, one: Container) -> None:
        words = one.service.command
        if one.service.name == "proxy" and shutil.which("caddy") is None:
            words = ["python", "/opt/tools/standin.py"]
            self.notes.append("the proxy is a stand-in: Caddy is not installed")
        one.process, one.starts = one.begin(words), 1
        one.wanted = one.service.given["restart"] == "unless-stopped"

    def _await(self, one: Container) -> None:
        """Wait until it is healthy, or has ended well where it runs once. Raises RuntimeError with its log."""
        assert one.process is not None
        end = time.monotonic() + READY_WITHIN
        if "healthcheck" not in one.service.given:
            if one.process.wait(READY_WITHIN) != 0:
                raise RuntimeError(f"{one.host.name} failed:\n{one.log.read_text()[-3000:]}")
            return
        while not one.healthy():
            if time.monotonic() > end or one.process.poll() is not None:
                raise RuntimeError(f"{one.host.name} is not healthy:\n{one.log.read_text()[-3000:]}")
            time.sleep(0.2)
        if one.service.name == "postgres":
            self._create_database()

    def _initialise_postgres(self) -> None:
        """What the image does at its first start."""
        for one in self.of("postgres"):
            data = one.env["PGDATA"]
            script = (
                f'set -e; mkdir -p {data}; initdb -D {data} -U buildos --pwfile=/run/secrets/postgres_password -E UTF8 --locale=C '
                f'--auth-host=scram-sha-256 --auth-local=trust --no-sync; echo "host all all all scram-sha-256" >> {data}/pg_hba.conf; '
                f"printf \"listen_addresses='*'\\nunix_socket_directories='/var/run/postgresql'\\n\" >> {data}/postgresql.conf"
            )
            if one.call(["sh", "-c", script]) != 0:
                raise RuntimeError(f"initdb failed:\n{one.log.read_text()[-3000:]}")

    def _create_database(self) -> None:
        server, _, name = self.database_url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as conn:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    @contextmanager
    def supervised(self) -> Iterator[None]:
        """restart: unless-stopped."""
        stopped = threading.Event()

        def look() -> None:
            while not stopped.wait(RESTART_AFTER):
                for one in self.containers:
                    if one.wanted and one.process is not None and one.process.poll() is not None:
                        one.process = one.begin()
                        one.starts += 1

        thread = threading.Thread(target=look, name="supervisor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
