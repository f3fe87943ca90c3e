"""A user's own connections that are online, on whichever server they are (CONTRACT 14).

A connection is online from the moment it asked for presence until it ends. It is a row, so the others hear of it as of any other
committed change. Of a server that was killed the rows are deleted by those that live, `SILENT` seconds after its last sign of life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC
from threading import Event, Lock
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection, Engine, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as SqlUUID
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger("realtime")

BEAT = 3.0  # seconds between signs of life of a server that has connections online
SILENT = 12.0  # seconds without one after which a server is dead

_ALIVE = text(
    "insert into realtime_servers (id) values (:server) on conflict (id) do update set seen_at = clock_timestamp()"
)
_GONE = text(
    "delete from realtime_connections where server_id = :server and id <> all(cast(:ids as uuid[]))"
).bindparams(bindparam("ids", type_=ARRAY(SqlUUID())))
_HERE = text(
    "insert into realtime_connections (id, user_id, server_id) "
    "select here.id, u.id, :server from unnest(cast(:ids as uuid[]), cast(:users as uuid[])) as here (id, user_id) "
    "join users u on u.id = here.user_id on conflict (id) do nothing"
).bindparams(bindparam("ids", type_=ARRAY(SqlUUID())), bindparam("users", type_=ARRAY(SqlUUID())))
_LEAVE = text("delete from realtime_servers where id = :server")
_BURY = text(
    "delete from realtime_servers where id in (select id from realtime_servers "
    "where seen_at < clock_timestamp() - make_interval(secs => :silent) for update skip locked)"
)
_ONLINE = text(
    "select c.id, c.since from realtime_connections c join realtime_servers s on s.id = c.server_id "
    "where c.user_id = :user_id and s.seen_at >= clock_timestamp() - make_interval(secs => :silent) order by c.since, c.id"
)


def connections_by_id(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The connections of these ids as JSON, by id: what a change of one is told with."""
    rows = conn.execute(
        text("select id, user_id, since from realtime_connections where id = any(cast(:ids as uuid[]))"),
        {"ids": list(ids)},
    )
    return {row.id: {**_shown(row), "user_id": str(row.user_id)} for row in rows}


def _shown(row: Any) -> dict[str, str]:
    return {"id": str(row.id), "since": row.since.astimezone(UTC).isoformat().replace("+00:00", "Z")}


class Presence:
    """The connections of this server that are online. `spawn` runs a function in the background."""

    def __init__(
        self, engine: Engine, spawn: Callable[[Callable[[], None]], Any], *, beat: float = BEAT, silent: float = SILENT
    ):
        self._engine, self._spawn, self._beat, self._silent = engine, spawn, beat, silent
        self._server = uuid4()
        self._here: dict[UUID, UUID] = {}  # connection → user
        self._writing = Lock()
        self._left = Event()
        self._running = False

    def enter(self, connection: UUID, user_id: UUID) -> list[dict[str, str]]:
        """This connection is online now. Returns all that are of its user, as `{id, since}`, itself among them.

        Raises SQLAlchemyError when the database is away; then it is not online.
        """
        self._here[connection] = user_id
        try:
            with self._writing, self._engine.begin() as conn:
                conn.execute(_ALIVE, {"server": self._server})
                conn.execute(_HERE, {"server": self._server, "ids": [connection], "users": [user_id]})
                online = conn.execute(_ONLINE, {"user_id": user_id, "silent": self._silent}).all()
        except SQLAlchemyError:
            self._here.pop(connection, None)
            raise
        with self._writing:
            if not self._running and self._here:
                self._running = True
                self._spawn(self._run)
        return [_shown(row) for row in online]

    def leave(self, connection: UUID) -> None:
        """It is not online any more; nothing happens where it never was."""
        if self._here.pop(connection, None) is not None:
            self._left.set()

    def close(self) -> None:
        """The server ends, and all its connections with it."""
        self._here.clear()
        with suppress(SQLAlchemyError):
            self.agree()

    def agree(self) -> None:
        """Make the rows agree with who is here, whatever happened meanwhile, and bury dead servers. Raises SQLAlchemyError."""
        with self._writing, self._engine.begin() as conn:
            here = dict(self._here)
            if here:
                who = {"server": self._server, "ids": list(here), "users": list(here.values())}
                conn.execute(_ALIVE, who)
                conn.execute(_GONE, who)
                conn.execute(_HERE, who)
            else:
                conn.execute(_LEAVE, {"server": self._server})
            conn.execute(_BURY, {"silent": self._silent})

    def _run(self) -> None:
        """Until nobody is here: with nobody online, presence costs nothing."""
        while True:
            self._left.wait(self._beat)
            self._left.clear()
            try:
                self.agree()
            except SQLAlchemyError as error:
                log.warning("who is online could not be written", error=type(error).__name__)
                self._left.wait(self._beat)
                continue
            with self._writing:
                if not self._here:
                    self._running = False
                    return
