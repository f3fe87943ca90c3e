"""Reading what was committed, in an order that nothing can slip into any more.

Sequence numbers commit out of order, so a reader that trusts them skips changes. Here a change is read only when its transaction
is older than every transaction still running (`pg_snapshot_xmin`), and the order is (xid, id): once read, a place is final.
Changes and the rows they are about are read in one snapshot, so a row is never newer than the last change seen of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import InterfaceError, OperationalError

from app.db.looking import look

log = structlog.get_logger("realtime")

REPLAYED_FOR = timedelta(hours=24)  # how far back a cursor may lie; upkeep keeps changes longer than that
MOST_BEHIND = 200_000  # changes of all users a replay looks through at most
PAGE = 1000  # changes read at once

Tables = dict[str, Callable[[Connection, Sequence[UUID]], dict[UUID, dict[str, Any]]]]
"""How to load the current rows of a table by id: documented columns only, as JSON."""


class Position(NamedTuple):
    """A place in the order of committed changes."""

    xid: int
    id: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position, how many changes there had been and when it was passed: what browsers get as an opaque string."""

    position: Position
    number: int
    at: datetime

    def __str__(self) -> str:
        return f"{self.position.xid}.{self.position.id}.{self.number}.{int(self.at.timestamp())}"

    def is_too_far_behind(self, now: Cursor) -> bool:
        """Whether what lies between may not be kept any more, or is so much that loading afresh is cheaper. True as well for
        a cursor from the future, which another database gave out."""
        return self.position > now.position or now.number - self.number > MOST_BEHIND or now.at - self.at > REPLAYED_FOR


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell a user's browsers. The payload carries its cursor."""

    position: Position
    user_id: UUID
    name: str
    payload: dict[str, Any]

    def bare(self) -> Event:
        """The same without what is nested inside its values, where it cannot be encoded whole."""
        told = {name: _scalars(value) if isinstance(value, dict) else value for name, value in self.payload.items()}
        return replace(self, payload=told if "table" in told else _scalars(told))


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look found. `reached`: everything up to here was read. `more`: there is another page.
    `held_back`: changes are committed that wait for an older transaction to end. `lag`: seconds since the oldest change told of."""

    events: list[Event]
    reached: Cursor
    more: bool
    held_back: bool
    lag: float = 0.0


def read_cursor(value: Any) -> Cursor | None:
    """The cursor in a string that we gave out; None for anything else."""
    parts = value.split(".") if isinstance(value, str) and len(value) < 80 else ()
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    xid, place, number, at = (int(part) for part in parts)
    if max(xid, place, number) >= 2**63 or at >= 2**33:
        return None
    return Cursor(Position(xid, place), number, datetime.fromtimestamp(at, UTC))


def last_place(engine: Engine) -> Cursor:
    """The last place that is final, now: everything up to it is. Raises sqlalchemy.exc.OperationalError when the database is away."""
    return look(engine, lambda conn: _now(conn)[0])


def read_changes(
    engine: Engine, tables: Tables, users: Collection[UUID], after: Position, upto: Position | None = None
) -> Batch:
    """The users' events after `after` and, where given, not after `upto`, in order.

    Of several changes of one row the latest alone is told; the end of a job and named events always are.
    """

    def read(conn: Connection) -> Batch:
        now, horizon, changed = _now(conn, after)
        told_to = [user for user in changed if user in users]
        if not told_to:
            return Batch([], _not_past(now, upto), more=False, held_back=False)
        values = {"xid": str(after.xid), "id": after.id, "users": told_to, "limit": PAGE}
        visible = conn.execute(_READ, values).all()
        final = [change for change in visible if int(change.xid) < horizon]
        told = [change for change in final if upto is None or _position(change) <= upto]
        rows = _load(conn, tables, told)
        events = [event for change in told if (event := _event(change, rows)) is not None]
        more = len(final) == PAGE and len(told) == PAGE
        reached = _cursor(final[-1]) if more else _not_past(now, upto)
        lag = (now.at - min((change.at for change in told), default=now.at)).total_seconds()
        return Batch(events, reached, more, held_back=len(final) < len(visible), lag=lag)

    return look(engine, read, isolation_level="REPEATABLE READ")


def _not_past(now: Cursor, upto: Position | None) -> Cursor:
    """Where a reader is that has read all there is: `upto` was final when it was taken."""
    return now if upto is None else Cursor(upto, now.number, now.at)


def _now(conn: Connection, after: Position | None = None) -> tuple[Cursor, int, list[UUID]]:
    """The last final place, the horizon before which all is final, and the users of whom there are changes after `after`."""
    xid, number = after or (MAX_XID, 0)
    row = conn.execute(_NOW, {"xid": str(xid), "id": number}).one()
    return Cursor(Position(int(row.xid), row.id), row.number, row.at), int(row.horizon), row.users


MAX_XID = 2**63

# The last place that is final is that of a change, not the horizon itself: a server that crashed gives numbers again that it never
# wrote down, and what they then change would lie before the horizon that was read. Whose changes there are is asked first, since
# most are of users who are not connected here.
_NOW = text(
    """
    select pg_snapshot_xmin(snapshot)::text as horizon, last.xid::text as xid, last.id, change_seq.last_value as number,
           clock_timestamp() as at,
           array(select user_id from job_events where (xid, id) > (cast(cast(:xid as text) as xid8), cast(:id as bigint))
                 union
                 select user_id from row_events where (xid, id) > (cast(cast(:xid as text) as xid8), cast(:id as bigint))) as users
    from change_seq, pg_current_snapshot() as snapshot, lateral (
        select xid, id from (
            (select xid, id from job_events where xid < pg_snapshot_xmin(snapshot) order by xid desc, id desc limit 1)
            union all
            (select xid, id from row_events where xid < pg_snapshot_xmin(snapshot) order by xid desc, id desc limit 1)
            union all
            select '0', 0
        ) change
        order by xid desc, id desc limit 1
    ) last
    """
)


# `superseded`: a later change of the same row is visible, with which the row that is loaded agrees. Later by id, which is taken under
# the row's lock: a transaction that began early may change a row last.
_READ = text(
    """
    with visible as (
        select xid, id, user_id, 'queue_jobs' as table_name, job_id as row_id,
               case when "from" is null then 'INSERT' when "to" is null then 'DELETE' else 'UPDATE' end as op,
               null::text as event, null::jsonb as payload, "from"::text as before, "to"::text as after, at
        from job_events
        where (xid, id) > (cast(cast(:xid as text) as xid8), cast(:id as bigint)) and user_id = any(:users)
        union all
        select xid, id, user_id, table_name, row_id, op, event, payload, null, null, at
        from row_events
        where (xid, id) > (cast(cast(:xid as text) as xid8), cast(:id as bigint)) and user_id = any(:users)
    )
    select xid::text as xid, id, user_id, table_name, row_id, op, event, payload, before, after, at,
           event is null and lead(id) over (partition by table_name, row_id order by id) is not null as superseded
    from visible
    order by visible.xid, id
    limit :limit
    """
)

ENDED = ("completed", "failed", "cancelled")


def _position(change: Row) -> Position:
    return Position(int(change.xid), change.id)


def _cursor(change: Row) -> Cursor:
    return Cursor(_position(change), change.id, change.at)


def _load(conn: Connection, tables: Tables, changes: list[Row]) -> dict[tuple[str, UUID], dict[str, Any]]:
    wanted: dict[str, set[UUID]] = {}
    for change in changes:
        if change.event is None and change.op != "DELETE" and change.table_name in tables:
            wanted.setdefault(change.table_name, set()).add(change.row_id)
    return {
        (table, row_id): row
        for table, ids in wanted.items()
        for row_id, row in _load_table(conn, tables, table, list(ids)).items()
    }


def _load_table(conn: Connection, tables: Tables, table: str, ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """The rows of a table. One that cannot be read, whatever a SQL client wrote into it, is told by its id alone: it must not
    silence all the others."""
    try:
        return tables[table](conn, ids)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001
        if len(ids) == 1:
            log.warning("a row cannot be read", table=table, id=str(ids[0]), error=type(error).__name__)
            return {ids[0]: UNREADABLE}
        halves = ids[: len(ids) // 2], ids[len(ids) // 2 :]
        return {row_id: row for half in halves for row_id, row in _load_table(conn, tables, table, half).items()}


UNREADABLE: dict[str, Any] = {}


def _scalars(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not isinstance(value, dict | list)}


def _event(change: Row, rows: dict[tuple[str, UUID], dict[str, Any]]) -> Event | None:
    position = _position(change)
    cursor = str(_cursor(change))
    if change.event is not None:
        payload = change.payload if isinstance(change.payload, dict) else {}
        return Event(position, change.user_id, change.event, {**payload, "cursor": cursor})

    row_id = str(change.row_id)
    old: dict[str, Any] = {} if change.op == "INSERT" else {"id": row_id}
    if change.before is not None:
        old["status"] = change.before
    new: dict[str, Any] = {}
    if change.op != "DELETE":
        row = rows.get((change.table_name, change.row_id))
        if not _is_told(change, row):
            return None
        new = row or {"id": row_id, "user_id": str(change.user_id), "status": change.after}
        if new.get("user_id") != str(change.user_id):  # the row has another owner by now
            return None
    payload = {
        "eventType": change.op, "schema": "public", "table": change.table_name, "new": new, "old": old, "cursor": cursor,
    }  # fmt: skip
    return Event(position, change.user_id, "postgres_changes", payload)


def _is_told(change: Row, row: dict[str, Any] | None) -> bool:
    if change.after in ENDED:
        return True
    if row is None:  # gone by now: that change comes later
        return False
    if change.after is not None and row.get("status") in ENDED:  # its end has a place of its own, where it is told
        return False
    if change.superseded:
        # A row that appeared is told of as it is now, unless it has ended: then its end alone is.
        return change.op == "INSERT" and row.get("status", row.get("generation_status")) not in ENDED
    return True
