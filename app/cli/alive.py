"""`buildos alive`: has a process of this host given a sign of life; what a container's health check asks."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from app.embedded.processes import StartError
from app.settings import load_settings

KINDS = ("worker", "beat")


def alive(kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.", metavar="KIND")]) -> None:
    """Check that a worker or beat of this host reported itself lately. Exit code 1 when none did."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.db.engine import make_engine
    from app.queue.processes import host_is_alive

    if kind not in KINDS:
        raise StartError(f"there is no {kind!r}; choose one of {', '.join(KINDS)}")
    settings = load_settings()
    host = socket.gethostname()
    engine = make_engine(settings, application_name="buildos alive", pool_size=1)
    try:
        with engine.connect() as conn:
            there = host_is_alive(conn, kind, host, within=settings.process_dead_after)
    except SQLAlchemyError:
        raise StartError("the database is away") from None
    finally:
        engine.dispose()
    if not there:
        raise StartError(f"no {kind} of {host} has given a sign of life in {settings.process_dead_after:.0f} s")
    print(f"the {kind} of {host} is alive")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(alive)
