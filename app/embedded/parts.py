"""What `buildos up` is made of: how each part is started, when it is ready, how it is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.embedded import postgres, processes, redis
from app.embedded.home import CHECKOUT, Home
from app.embedded.part import Spec
from app.queue.reads import process_status
from app.settings import Settings

SERVICES = ("api", "worker", "beat")  # in the order they are started
STOP_ORDER = ("beat", "worker", "api", "redis", "postgres")
WORKER_PATIENCE = 120.0  # seconds running jobs have to finish after a plain stop; `hurry` cuts it short


def postgres_part(server: postgres.PostgresServer, home: Home) -> Spec:
    """The embedded database, with its own database in it once it is ready."""

    def launch(output: int) -> subprocess.Popen[bytes]:
        server.prepare(home.log("postgres"))
        return server.launch(output)

    def ready(_pid: int, _since: float) -> bool:
        if not server.ready():
            return False
        server.create_database()
        return True

    return Spec("postgres", launch, ready, postgres.STOP_SIGNALS, f"127.0.0.1:{server.port}")


def redis_part(server: redis.RedisServer) -> Spec:
    """The embedded Redis."""
    return Spec(
        "redis", server.launch, lambda _pid, _since: server.ready(), redis.STOP_SIGNALS, f"127.0.0.1:{server.port}"
    )


def service_parts(settings: Settings, engine: Engine, env: Mapping[str, str]) -> list[Spec]:
    """API, worker and beat. `env` is the whole environment they get, PORT and addresses included."""
    python = [sys.executable, "-m"]
    celery = [*python, "app.embedded.celery"]
    level = ["--loglevel", settings.log_level]
    address = api_address(settings.host, int(env["PORT"]))

    def launch(argv: list[str]):
        return lambda output: processes.launch(argv, output=output, env=env, cwd=CHECKOUT)

    def alive(kind: str):
        return lambda pid, _since: shows_life(engine, kind, pid)

    drain = settings.queue_drain_timeout + 10
    schedule = ["--schedule", f"{env['BUILDOS_HOME']}/celerybeat-schedule"]
    return [
        Spec(
            "api",
            launch([*python, "app.web.main"]),
            lambda _pid, _since: health(address) is not None,
            address=address,
        ),
        Spec(
            "worker",
            # Without the second that a worker waits at its start for others to introduce themselves.
            launch([*celery, "worker", "--without-mingle", "--without-gossip", *level]),
            alive("worker"),
            ((signal.SIGTERM, WORKER_PATIENCE), (signal.SIGQUIT, drain)),
        ),
        Spec("beat", launch([*celery, "beat", *level, *schedule]), alive("beat")),
    ]


def api_address(host: str, port: int) -> str:
    """Where a browser on this machine finds the API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    return f"http://{host}:{port}"


def health(address: str) -> dict | None:
    """What GET /health answers, healthy or not; None while nobody does."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=3) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            try:
                return json.load(error)
            except ValueError:
                return None
    except (OSError, ValueError):
        return None


def shows_life(engine: Engine, kind: str, pid: int) -> bool:
    """Whether the worker or beat with this process number has reported to the database."""
    try:
        with engine.connect() as connection:
            return any(row["kind"] == kind and row["pid"] == pid for row in process_status(connection))
    except SQLAlchemyError:
        return False
