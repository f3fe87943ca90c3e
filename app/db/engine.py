"""One engine a process, opened lazily, and closed in a child after a fork."""

from __future__ import annotations

import math
import time

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError

from app.settings import Settings

CONNECT_TIMEOUT = 5  # seconds
TRUSTED = 0.5  # seconds for which a connection that was just in use is believed to stand


def make_engine(settings: Settings, *, application_name: str = "buildos", pool_size: int | None = None, ping: bool = True) -> Engine:
    """A pooled engine on DATABASE_URL. Nothing connects before the first use.

    Prepared statements stay off, so that the same code works through a transaction pooler; every connection speaks UTC.
    A process that forks must call `engine.dispose(close=False)` in the child.
    """
    engine = create_engine(
        make_url(settings.sqlalchemy_url),
        pool_size=pool_size or settings.database_pool_size,
        max_overflow=0,
        hide_parameters=True,  # in the text of errors, which ends up in logs: they are people's
        pool_timeout=10,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": application_name,
            "prepare_threshold": None,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )

    if ping:
        _ping_the_idle(engine)
    return engine


def _ping_the_idle(engine: Engine) -> None:
    """Look at a connection before it is used again, unless it was in use a moment ago: a busy server does not pay a round trip
    for each request, an idle one does not greet the first caller with a connection that died in the night."""

    @event.listens_for(engine, "checkin")
    def _left(dbapi_connection, record):
        record.info["left_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(dbapi_connection, record, proxy):
        if time.monotonic() - record.info.get("left_at", math.inf) <= TRUSTED:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError() from error  # the others are as old: the pool begins anew
