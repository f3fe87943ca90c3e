"""SQL of connections: what is connected, its secrets, its channels, and consents that are still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.calendar.models import Origin
from app.queue.adding import AddedJob, add_job


@dataclass(frozen=True)
class Connected:
    """A row of calendar_connections. `calendar_id` is Google's; of a feed a digest of its address."""

    id: UUID
    user_id: UUID
    provider: str
    calendar_id: str
    name: str | None
    timezone: str | None
    status: str
    error: str | None
    sync_number: int
    sync_token: str | None
    page_token: str | None
    etag: str | None
    last_modified: str | None
    last_synced_at: datetime | None
    next_sync_at: datetime
    created_at: datetime

    @property
    def origin(self) -> Origin:
        """What its rows are marked with."""
        return Origin(self.provider, self.id)


@dataclass(frozen=True)
class Channel:
    """Where Google calls back; `token_hash` is the digest of what it must bring along."""

    id: UUID
    connection_id: UUID
    token_hash: str
    resource_id: str | None
    expires_at: datetime | None


COLUMNS = (
    "id, user_id, provider, calendar_id, name, timezone, status, error, sync_number, sync_token, page_token, etag, "
    "last_modified, last_synced_at, next_sync_at, created_at"
)
_OF_USER = text(f"select {COLUMNS} from calendar_connections where user_id = :user_id order by created_at, id")
_BY_ID = text(f"select {COLUMNS} from calendar_connections where id = :id")
_BY_NAME = text(f"""
    select {COLUMNS} from calendar_connections
    where user_id = :user_id and (id::text = :name or calendar_id = :name
        or (:name = 'primary' and provider = 'google'))
    order by id::text = :name desc, created_at limit 1
""")
_SAVE = text(f"""
    insert into calendar_connections (user_id, provider, calendar_id, name, timezone)
    values (:user_id, :provider, :calendar_id, :name, :timezone)
    on conflict (user_id, provider, calendar_id) do update
    set name = coalesce(excluded.name, calendar_connections.name), status = 'active', error = null, next_sync_at = now(),
        timezone = coalesce(excluded.timezone, calendar_connections.timezone)
    returning {COLUMNS}
""")
_KEEP_SECRET = text("""
    insert into calendar_secrets (connection_id, encrypted) values (:id, :encrypted)
    on conflict (connection_id) do update set encrypted = excluded.encrypted
""")
_BEGIN = text(f"""
    update calendar_connections set sync_number = sync_number + 1, next_sync_at = greatest(next_sync_at, :next)
    where id = :id and user_id = :user_id returning {COLUMNS}
""")
_HOLD = text("select sync_number = :number from calendar_connections where id = :id for no key update")
_CHANNELS = text(
    "select id, connection_id, token_hash, resource_id, expires_at from calendar_channels where connection_id = :id order by expires_at"
)
_CHANNEL = text("select id, connection_id, token_hash, resource_id, expires_at from calendar_channels where id = :id")
_OPEN = text("""
    insert into calendar_authorizations (state_hash, owner_id, calendar_id, verifier, redirect_uri, browser_hash, expires_at)
    values (:state_hash, :owner_id, :calendar_id, :verifier, :redirect_uri, :browser_hash, :expires_at)
""")
_DROP_OLD_OPEN = text("delete from calendar_authorizations where expires_at < :now")
_TAKE = text("""
    delete from calendar_authorizations where state_hash = :state_hash
    returning owner_id, calendar_id, verifier, redirect_uri, browser_hash, expires_at
""")
# Google's own calendar that tasks go to, unless another is named: the one connected first.
_WRITABLE = text(
    f"select {COLUMNS} from calendar_connections where user_id = :user_id and provider = 'google' and status = 'active' "
    "order by created_at, id limit 1"
)


def of_user(conn: Connection, user_id: UUID) -> list[Connected]:
    """The user's connections, the oldest first."""
    return [Connected(*row) for row in conn.execute(_OF_USER, {"user_id": user_id})]


def find(conn: Connection, connection_id: UUID) -> Connected | None:
    """A connection by its id, whoever's it is."""
    row = conn.execute(_BY_ID, {"id": connection_id}).first()
    return Connected(*row) if row else None


def named(conn: Connection, user_id: UUID, name: str) -> Connected | None:
    """A user's connection by its id, by its provider's id, or `primary` for Google's first."""
    if "\x00" in name:
        return None
    row = conn.execute(_BY_NAME, {"user_id": user_id, "name": name}).first()
    return Connected(*row) if row else None


def writable(conn: Connection, user_id: UUID) -> Connected | None:
    """The Google calendar that tasks go to."""
    row = conn.execute(_WRITABLE, {"user_id": user_id}).first()
    return Connected(*row) if row else None


def save(
    conn: Connection, user_id: UUID, provider: str, calendar_id: str, name: str | None, timezone: str | None
) -> Connected:
    """Connect a calendar, or connect it again: then it is active and due."""
    values = {"user_id": user_id, "provider": provider, "calendar_id": calendar_id, "name": name, "timezone": timezone}
    return Connected(*conn.execute(_SAVE, values).one())


def keep_secret(conn: Connection, connection_id: UUID, encrypted: str) -> None:
    """Store what only the service may read."""
    conn.execute(_KEEP_SECRET, {"id": connection_id, "encrypted": encrypted})


def secret(conn: Connection, connection_id: UUID) -> str | None:
    """What was kept."""
    return conn.execute(
        text("select encrypted from calendar_secrets where connection_id = :id"), {"id": connection_id}
    ).scalar()


def delete(conn: Connection, connection_id: UUID) -> None:
    """Disconnect: its events and the links of tasks to it go as well."""
    conn.execute(text("delete from calendar_connections where id = :id"), {"id": connection_id})


def queue_sync(conn: Connection, connection: Connected, **more: Any) -> AddedJob:
    """Queue a sync unless one is waiting. The key changes when a run begins: what is asked for later is done by the next."""
    return add_job(
        conn,
        "sync_calendar",
        user_id=connection.user_id,
        metadata={"calendarId": str(connection.id), **more},
        dedup_key=f"sync_calendar-{connection.id}-{connection.sync_number}",
    )


def queue_due(conn: Connection, now: datetime) -> int:
    """The tick: queue a sync of every connection that is due. Returns how many were added."""
    return conn.execute(text("select queue_calendar_syncs(:now)"), {"now": now}).scalar_one()


def begin_run(conn: Connection, connection_id: UUID, user_id: UUID, next_look: datetime) -> Connected | None:
    """A run begins: from here on earlier runs write nothing. `next_look`: when to try again should this one never end."""
    row = conn.execute(_BEGIN, {"id": connection_id, "user_id": user_id, "next": next_look}).first()
    return Connected(*row) if row else None


def hold(conn: Connection, connection: Connected) -> bool:
    """Lock the connection; whether this run is still the last one, and the connection is there."""
    return bool(conn.execute(_HOLD, {"id": connection.id, "number": connection.sync_number}).scalar())


def set_place(conn: Connection, connection_id: UUID, *, sync_token: str | None, page_token: str | None) -> None:
    """Where the sync goes on."""
    values = {"id": connection_id, "sync_token": sync_token, "page_token": page_token}
    conn.execute(
        text("update calendar_connections set sync_token = :sync_token, page_token = :page_token where id = :id"),
        values,
    )


def set_done(conn: Connection, connection_id: UUID, now: datetime, next_look: datetime) -> None:
    """A run has ended well."""
    conn.execute(
        text(
            "update calendar_connections set last_synced_at = :now, next_sync_at = :next, error = null where id = :id"
        ),
        {"id": connection_id, "now": now, "next": next_look},
    )


def set_described(conn: Connection, connection_id: UUID, name: str | None, timezone: str | None) -> None:
    """What the calendar says of itself."""
    conn.execute(
        text("update calendar_connections set name = coalesce(:name, name), timezone = coalesce(:timezone, timezone) where id = :id "
             "and (name, timezone) is distinct from (coalesce(:name, name), coalesce(:timezone, timezone))"),
        {"id": connection_id, "name": name, "timezone": timezone},
    )  # fmt: skip


def set_version(conn: Connection, connection_id: UUID, etag: str | None, last_modified: str | None) -> None:
    """The version of a feed that was read."""
    conn.execute(
        text("update calendar_connections set etag = :etag, last_modified = :last_modified where id = :id"),
        {"id": connection_id, "etag": etag, "last_modified": last_modified},
    )


def set_broken(conn: Connection, connection_id: UUID, error: str) -> None:
    """It works no more until it is connected again."""
    conn.execute(
        text("update calendar_connections set status = 'broken', error = :error where id = :id"),
        {"id": connection_id, "error": error[:500]},
    )


def set_error(conn: Connection, connection_id: UUID, error: str) -> None:
    """What went wrong the last time."""
    conn.execute(
        text("update calendar_connections set error = :error where id = :id"),
        {"id": connection_id, "error": error[:500]},
    )


def channels(conn: Connection, connection_id: UUID) -> list[Channel]:
    """Its channels, the one that ends first before the others, unconfirmed ones last."""
    return [Channel(*row) for row in conn.execute(_CHANNELS, {"id": connection_id})]


def channel(conn: Connection, channel_id: UUID) -> Channel | None:
    """A channel by its id."""
    row = conn.execute(_CHANNEL, {"id": channel_id}).first()
    return Channel(*row) if row else None


def add_channel(conn: Connection, channel_id: UUID, connection_id: UUID, token_hash: str, now: datetime) -> None:
    """A channel that Google is about to hear of."""
    conn.execute(
        text("insert into calendar_channels (id, connection_id, token_hash, created_at) values (:id, :connection_id, :token_hash, :now)"),
        {"id": channel_id, "connection_id": connection_id, "token_hash": token_hash, "now": now},
    )  # fmt: skip


def confirm_channel(conn: Connection, channel_id: UUID, resource_id: str, expires_at: datetime) -> None:
    """Google has taken it."""
    conn.execute(
        text("update calendar_channels set resource_id = :resource_id, expires_at = :expires_at where id = :id"),
        {"id": channel_id, "resource_id": resource_id, "expires_at": expires_at},
    )


def drop_channels(conn: Connection, ids: Sequence[UUID]) -> None:
    """Forget channels: their calls are refused from now on."""
    conn.execute(text("delete from calendar_channels where id = any(:ids)"), {"ids": list(ids)})


def drop_ended(conn: Connection, connection_id: UUID, now: datetime) -> None:
    """Forget the channels whose time is over."""
    conn.execute(
        text("delete from calendar_channels where connection_id = :id and expires_at <= :now"),
        {"id": connection_id, "now": now},
    )


def open_authorization(conn: Connection, now: datetime, **values: Any) -> None:
    """Remember a consent that is asked for; those that nobody answered in time are forgotten."""
    conn.execute(_DROP_OLD_OPEN, {"now": now})
    conn.execute(_OPEN, values)


def take_authorization(conn: Connection, state_hash: str) -> Any:
    """The consent of that state, which works once; None for an unknown one."""
    return conn.execute(_TAKE, {"state_hash": state_hash}).first()


def note_seen(conn: Connection, connection_id: UUID, ids: Sequence[str]) -> None:
    """A full sync has met these events."""
    conn.execute(
        text("insert into calendar_seen (connection_id, external_id) select :id, unnest(cast(:ids as text[])) on conflict do nothing"),
        {"id": connection_id, "ids": list(ids)},
    )  # fmt: skip


def forget_seen(conn: Connection, connection_id: UUID) -> None:
    """A full sync begins, or has ended."""
    conn.execute(text("delete from calendar_seen where connection_id = :id"), {"id": connection_id})


_DROP_UNSEEN = text("""
    with unseen_series as (
        delete from calendar_series s where s.connection_id = :id
        and not exists (select from calendar_seen n where n.connection_id = :id and n.external_id = s.external_id) returning s.id
    ), unseen as (
        delete from calendar_events e where e.connection_id = :id and e.series_id is null
        and not exists (select from calendar_seen n where n.connection_id = :id and n.external_id = e.external_id) returning e.id
    )
    select (select count(*) from unseen) + (select count(*) from calendar_events where series_id in (select id from unseen_series))
""")
_DROP_EVENTS = text("""
    with gone as (
        delete from calendar_series where user_id = :user_id and connection_id = :id and external_id = any(cast(:ids as text[])) returning id
    ), single as (
        delete from calendar_events where user_id = :user_id and series_id is null and external_id = any(cast(:ids as text[])) returning id
    )
    select (select count(*) from single) + (select count(*) from calendar_events where series_id in (select id from gone))
""")


def drop_unseen(conn: Connection, connection_id: UUID) -> int:
    """Remove what a full sync has not met; returns how many occurrences."""
    return conn.execute(_DROP_UNSEEN, {"id": connection_id}).scalar_one()


def drop_events(conn: Connection, connection: Connected, external_ids: Sequence[str]) -> int:
    """Remove events that are gone, series with all they have; returns how many occurrences."""
    values = {"user_id": connection.user_id, "id": connection.id, "ids": list(external_ids)}
    return conn.execute(_DROP_EVENTS, values).scalar_one()
