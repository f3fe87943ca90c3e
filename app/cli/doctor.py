"""`buildos doctor`: is everything there that jobs need, and do the rows say that nothing went wrong."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from app.embedded.home import Home
from app.embedded.processes import StartError
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

LEAST_DISK = 1_000_000_000  # bytes
MOST_SKEW = 5.0  # seconds between this machine's clock and the database's


@dataclass(frozen=True)
class Check:
    """One line of the report. `hint` says what to do where it is not ok."""

    subject: str
    ok: bool
    found: str
    hint: str = ""


def doctor(
    invariants: Annotated[
        bool, typer.Option("--invariants", help="Check what must hold of every job, read-only, on the live database.")
    ] = False,
) -> None:
    """Check settings, database, Redis, workers, beat, disk and clock. Exit code 1 when something is wrong."""
    settings = _settings()
    if not (_invariants(settings) if invariants else _health(settings)):
        raise typer.Exit(1)


def _settings() -> Settings:
    """The settings of the system that is meant: where no DATABASE_URL is given, the one that `buildos up` runs here."""
    settings = load_settings()
    home = Home(settings.buildos_home)
    if "database_url" not in settings.model_fields_set and home.running():
        addresses = home.read().addresses
        known = {f"{name}_url": addresses[name] for name in ("database", "redis") if name in addresses}
        return load_settings(**known)
    return settings


def _invariants(settings: Settings) -> bool:
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.engine import make_engine
    from app.queue.invariants import check_invariants

    engine = make_engine(settings, application_name="buildos doctor")
    try:
        findings = check_invariants(
            engine,
            stalled_seconds=settings.queue_stalled_timeout / 1000,
            dead_seconds=settings.process_dead_after,
        )
    except SQLAlchemyError as error:
        raise StartError(f"the database could not be checked: {_first_line(error)}") from None
    finally:
        engine.dispose()
    rows = []
    for finding in findings:
        rows.append((finding.invariant, "ok" if not finding.violations else f"{finding.violations} violations"))
        rows += [("", example) for example in finding.examples]
    _table(rows)
    return not any(finding.violations for finding in findings)


def _health(settings: Settings) -> bool:
    checks = [Check("settings", True, f"{settings.app_env}, AUTH_MODE={settings.auth_mode}")]
    for look in (_database, _redis, _disk):
        checks += look(settings)
    _table([(check.subject, ("ok: " if check.ok else "WRONG: ") + check.found) for check in checks])
    for check in checks:
        if not check.ok:
            print(f"\n{check.subject}: {check.hint}")
    return all(check.ok for check in checks)


def _database(settings: Settings) -> Iterator[Check]:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.engine import make_engine
    from app.db.migrate import head_revision

    engine = make_engine(settings, application_name="buildos doctor")
    try:
        with engine.connect() as conn:
            version = conn.execute(text("show server_version")).scalar_one()
            skew = time.time() - conn.execute(text("select extract(epoch from clock_timestamp())::float8")).scalar_one()
            yield Check("database", True, f"Postgres {version}")
            yield Check(
                "clock",
                abs(skew) <= MOST_SKEW,
                f"{skew:+.1f} s from the database's",
                "let both machines follow one time server",
            )
            if (
                conn.execute(
                    text("select setting from pg_settings where name = 'idle_in_transaction_session_timeout'")
                ).scalar_one()
                == "0"
            ):
                yield Check("sessions", True, "a client that vanishes keeps its locks for hours; see docs/faults.md")
            known = conn.execute(text("select to_regclass('alembic_version')")).scalar_one()
            found = conn.execute(text("select version_num from alembic_version")).scalar() if known else None
            yield Check(
                "migrations",
                found == head_revision(),
                f"{found or 'none'}, newest {head_revision()}",
                "run `buildos migrate`",
            )
            if found == head_revision():
                yield _rights(engine)
                yield from _processes(conn, settings)
    except SQLAlchemyError as error:
        yield Check("database", False, _first_line(error), "is DATABASE_URL right, and Postgres running?")
    finally:
        engine.dispose()


def _rights(engine: Engine) -> Check:
    """Whether the login may act as a user, as requests with a token do."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from app.db.acting import READER, WRITER

    hint = f"grant {READER}, {WRITER} to the login of DATABASE_URL; see docs/security.md"
    try:
        with engine.connect() as conn:
            for role in (READER, WRITER):
                conn.execute(text("select set_config('role', 'none', true), set_config('role', :role, true)"), {"role": role})
    except DBAPIError as error:
        return Check("users' rights", False, _first_line(error), hint)
    return Check("users' rights", True, "requests with a user's token run as that user")


def _processes(conn, settings: Settings) -> Iterator[Check]:
    from app.queue.alerts import current_alerts
    from app.queue.reads import process_status

    processes = process_status(conn)
    alerts = {alert.name: alert for alert in current_alerts(conn, settings)}
    for kind in ("worker", "beat"):
        names = [row["name"] for row in processes if row["kind"] == kind]
        ok = f"no_{kind}" not in alerts
        yield Check(
            kind,
            ok,
            ", ".join(names) if ok else "none is alive",
            f"start one: `celery -A tasks {kind}`, or `buildos up`",
        )
    for name, alert in alerts.items():
        if name not in ("no_worker", "no_beat"):
            yield Check(name.partition(":")[0], False, alert.message, "`buildos jobs` and the worker's log tell why")


def _redis(settings: Settings) -> Iterator[Check]:
    import redis

    from app.db.broker import Broker, is_redis

    if not is_redis(settings.broker):
        there = Broker(settings.broker, 3).answers()
        yield Check("broker", there, "answers" if there else "does not answer", "is BROKER_URL right, and the broker running?")

    try:
        with redis.Redis.from_url(settings.redis_url, socket_timeout=3, socket_connect_timeout=3) as client:
            info = client.info()
    except (redis.RedisError, OSError) as error:
        yield Check(
            "redis",
            False,
            _first_line(error),
            "is REDIS_URL right, and Redis running? Jobs are accepted and wait meanwhile",
        )
        return
    yield Check(
        "redis", True, f"{info.get('server_name', 'redis')} {info.get('valkey_version') or info['redis_version']}"
    )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory"):
        yield Check(
            "redis memory",
            False,
            f"evicts ({policy})",
            "set maxmemory-policy noeviction: messages would be thrown away",
        )


def _disk(settings: Settings) -> Iterator[Check]:
    home = Home(settings.buildos_home).folder
    free = shutil.disk_usage(home if home.is_dir() else ".").free
    yield Check(
        "disk", free >= LEAST_DISK, f"{free / 1e9:.1f} GB free", "make room: Postgres stops accepting jobs without it"
    )


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _table(rows: list[tuple[str, str]]) -> None:
    width = max(len(left) for left, _ in rows)
    for left, right in rows:
        print(f"{left:<{width}}  {right}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)
