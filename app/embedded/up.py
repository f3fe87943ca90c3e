"""The way up: check, recover, servers, migrations, sample user, services, watch; and down again."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

import psycopg
import redis
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import make_engine
from app.embedded import parts, processes, sample
from app.embedded.home import CHECKOUT, Home, State
from app.embedded.output import Output
from app.embedded.postgres import PostgresServer
from app.embedded.processes import ProcessId, StartError
from app.embedded.redis import RedisServer
from app.embedded.supervisor import Interrupted, Supervisor
from app.settings import Settings, load_settings

# Celery's; on one's own machine it is no news.
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"
LEFTOVER_SIGNALS = ((signal.SIGTERM, 5.0),)


@dataclass(frozen=True)
class Wish:
    """What is asked for: the services to start, and whether to put in the sample user (None: into an embedded database)."""

    services: Collection[str] = parts.SERVICES
    sample: bool | None = None
    echo: bool = True


def up(home: Home, wish: Wish, announce: Callable[[State], None]) -> None:
    """Run everything until SIGINT or SIGTERM; `announce` is called once it is ready. Raises StartError in one line."""
    os.chdir(CHECKOUT)
    settings = load_settings()
    home.prepare()
    with home.locked():
        before = home.read()
        end_leftovers(before)
        state = State(supervisor=ProcessId.of(os.getpid()), run=secrets.token_hex(8), kept=before.kept)
        state.addresses = {"home": str(home.folder), "logs": str(home.logs)}
        for part in parts.SERVICES:
            home.turn(part, on=part in wish.services)
        supervisor = Supervisor(home, state, Output(home, echo=wish.echo))
        with supervisor.signals():
            try:
                _climb(supervisor, settings, wish)
                state.ready = True
                home.write(state)
                announce(state)
                supervisor.run()
            except Interrupted:
                pass
            finally:
                supervisor.stop()


def _climb(supervisor: Supervisor, settings: Settings, wish: Wish) -> None:
    state = supervisor.state
    port = _api_port(settings, check="api" in wish.services)
    embedded = not _elsewhere(settings, "database_url", state)
    database_url = _database(supervisor, settings, embedded)
    redis_url = _redis(supervisor, settings)
    supervisor.home.write(state)
    supervisor.start(list(supervisor.parts))
    settings = settings.model_copy(update={"database_url": database_url, "redis_url": redis_url, "port": port})
    address = parts.api_address(settings.host, port)
    state.addresses |= {"database": database_url, "redis": redis_url, "api": address}
    env = {
        **os.environ,
        "BUILDOS_HOME": str(supervisor.home.folder),
        "BUILDOS_RUN": state.run,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PORT": str(port),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", ROOT_WARNING),
    }
    supervisor.run_once([sys.executable, "-m", "app.cli", "migrate"], env, "migrate")
    engine = make_engine(settings, application_name="buildos up", pool_size=1)
    if embedded if wish.sample is None else wish.sample:
        try:
            state.addresses |= {"sample_id": str(sample.ensure(engine)), "sample": sample.EMAIL}
        except SQLAlchemyError as error:
            raise StartError(f"the sample user could not be put in: {_first_line(error)}") from None
    for spec in parts.service_parts(settings, engine, env):
        supervisor.add(spec)
    supervisor.start(parts.SERVICES)


def end_leftovers(state: State) -> None:
    """What a supervisor that was killed left running is stopped; the caller holds the lock of the data folder."""
    for part in state.parts.values():
        if part.process is not None and part.name not in ("postgres", "redis"):
            processes.stop_stranger(part.process, LEFTOVER_SIGNALS)
    if state.run:
        processes.kill_marked(f"BUILDOS_RUN={state.run}")
    if (valkey := state.parts.get("redis")) and valkey.process:
        processes.stop_stranger(valkey.process, LEFTOVER_SIGNALS)
    # Postgres is known by its own pid file, see PostgresServer.prepare.


def _api_port(settings: Settings, *, check: bool) -> int:
    """The port of the API. Raises StartError when it is taken."""
    if settings.port == 0:
        return processes.free_port()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if check:
                probe.bind((settings.host, settings.port))
        except OSError as error:
            raise StartError(
                f"port {settings.port} on {settings.host} cannot be used ({(error.strerror or str(error)).lower()}); "
                f"set another one, as in PORT={settings.port + 1}"
            ) from None
    return settings.port


def _database(supervisor: Supervisor, settings: Settings, embedded: bool) -> str:
    if not embedded:
        _check_database(settings)
        return settings.database_url
    kept = supervisor.state.kept
    server = PostgresServer(supervisor.home.postgres, port=_kept_port(kept, "postgres_port"))
    server.password = kept.setdefault("postgres_password", server.password)
    supervisor.add(parts.postgres_part(server, supervisor.home))
    kept["database_url"] = server.url()
    return kept["database_url"]


def _redis(supervisor: Supervisor, settings: Settings) -> str:
    if _elsewhere(settings, "redis_url", supervisor.state):
        _check_redis(settings.redis_url)
        return settings.redis_url
    kept = supervisor.state.kept
    server = RedisServer(port=_kept_port(kept, "redis_port"))
    server.password = kept.setdefault("redis_password", server.password)
    supervisor.add(parts.redis_part(server))
    kept["redis_url"] = server.url
    return kept["redis_url"]


def _elsewhere(settings: Settings, name: str, state: State) -> bool:
    """Whether a server of somebody else's is named. After `eval "$(buildos env)"` the shell names our own."""
    return name in settings.model_fields_set and getattr(settings, name) != state.kept.get(name)


def _kept_port(kept: dict[str, str], name: str) -> int:
    """The port of the last run, where it is still free."""
    port = processes.free_port(int(kept.get(name, "0")) or None)
    kept[name] = str(port)
    return port


def _check_database(settings: Settings) -> None:
    try:
        psycopg.connect(settings.listen_url, connect_timeout=5).close()
    except psycopg.Error as error:
        reason = _first_line(error).rpartition(" failed: ")[2]
        raise StartError(f"the database of DATABASE_URL is away ({reason}); start it or unset DATABASE_URL") from None


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        raise StartError(
            f"the Redis of REDIS_URL is away ({_first_line(error)}); start it or unset REDIS_URL"
        ) from None


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
