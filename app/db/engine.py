"""One engine a process, opened lazily, and closed in a child after a fork."""

from __future__ import annotations

import os

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url

from app.settings import Settings

CONNECT_TIMEOUT = 5  # seconds


def make_engine(settings: Settings, *, application_name: str = "buildos", pool_size: int | None = None, pre_ping: bool = True) -> Engine:
    """A pooled engine on DATABASE_URL. Nothing connects before the first use.

    Prepared statements stay off, so that the same code works through a transaction pooler; every connection speaks UTC.
    A process that forks must call `engine.dispose(close=False)` in the child.
    """
    engine = create_engine(
        make_url(settings.sqlalchemy_url),
        pool_size=pool_size or settings.database_pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=pre_ping,
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

    @event.listens_for(engine, "connect")
    def _remember_process(dbapi_connection, record):
        record.info["pid"] = os.getpid()

    return engine
