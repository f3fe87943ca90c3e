"""Settings of the wire, of turns, limits and upgrades: how much of one thing runs at once, how long a migration waits."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from app.settings_files import SettingsFromFiles


class TypeLimit(NamedTuple):
    """How many jobs of a type may run at once: of everybody, and of one user. None: as many as there are slots."""

    job_type: str
    at_once: int | None
    per_user: int | None


_LIMIT = re.compile(r"([a-z][a-z0-9_]*)=(\d{1,6})?(?:/(\d{1,6}))?", re.ASCII)
_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_Rate = Annotated[float, Field(gt=0, le=1e9)]


class ScaleSettings(SettingsFromFiles):
    """The fields that `Settings` has from here."""

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0", description="Redis or Valkey, the wire between workers; its socket is `unix:///run/redis.sock?db=0`."
    )
    broker_url: str | None = Field(
        None, description="Celery's broker where it is not REDIS_URL: any that kombu knows, as amqp://user:password@host:5672//."
    )
    queue_crowd: Annotated[int, Field(ge=0)] = Field(
        50, description="Due jobs of one type a user may have waiting before they wait aside while others wait too; 0: never."
    )
    queue_crowd_share: Annotated[int, Field(ge=0)] = Field(
        1, description="Jobs of one type such a user may have running like everybody else; the others run while nobody else waits. "
        "Fewer than there are slots, or they fill them."
    )
    queue_limits: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Most running jobs of a type, as `type=ALL/PER_USER`, separated by commas; either number may be left out: "
        "`generate_phases=20/2,sync_calendar=/1`.",
    )
    llm_at_once: _Count | None = Field(None, description="Most running jobs, on all workers, of the types that ask a language model.")
    llm_per_minute: _Rate | None = Field(None, description="Most of them that begin in a minute, on all workers.")
    sms_at_once: _Count | None = Field(None, description="Most running jobs, on all workers, that send text messages.")
    sms_per_minute: _Rate | None = Field(None, description="Most of them that begin in a minute, on all workers.")
    mail_at_once: _Count | None = Field(None, description="Most running jobs, on all workers, that send mail.")
    mail_per_minute: _Rate | None = Field(None, description="Most of them that begin in a minute, on all workers.")
    migration_lock_timeout: Annotated[float, Field(gt=0, le=600)] = Field(
        5.0, description="Seconds a migration waits for a lock, with traffic waiting behind it, before it lets go and tries again."
    )
    migration_tries: Annotated[int, Field(ge=1, le=100)] = Field(
        5, description="How often it tries, after 1, 2, 4, 8… seconds, before it gives up and leaves everything as it was."
    )

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("expects redis://host:port/number")
        return value

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _socket(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if parts.scheme == "unix" and (parts.hostname or len(parts.path) < 2 or not dict(parse_qsl(parts.query)).get("db", "0").isdigit()):
            raise ValueError("expects unix:///path/of/the.sock?db=number")
        return value

    @property
    def broker(self) -> str:
        """Address of Celery's broker."""
        return self.broker_url or self.redis_url

    @field_validator("queue_limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        for part in parts if isinstance(parts, list | tuple) else ():
            found = _LIMIT.fullmatch(str(part))
            if not found or not (found[2] or found[3]):
                raise ValueError("expects type=ALL/PER_USER, as generate_phases=20/2, with at least one of the numbers")
        return tuple(parts) if isinstance(parts, list) else parts

    @property
    def type_limits(self) -> list[TypeLimit]:
        """`queue_limits`, read."""
        found = [_LIMIT.fullmatch(part) for part in self.queue_limits]
        return [TypeLimit(m[1], int(m[2]) if m[2] else None, int(m[3]) if m[3] else None) for m in found if m]
