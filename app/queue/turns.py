"""Turns among users, and limits: what keeps one user's thousands from holding back everybody else (docs/decisions/0120).

The limits stand in the table `queue_limits`, where every dispatcher of every worker, and `claim_pending_jobs`, finds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from app.queue.catalog import JOB_TYPES
from app.settings import Settings

REACH = 1000  # due jobs of one type and priority that are looked at, and moved at most, at a time


class Limit(NamedTuple):
    """One row of `queue_limits`. `name` is a job type's, or a provider's that several types use; None: no limit of that kind."""

    name: str
    job_types: list[str]
    at_once: int | None = None
    at_once_per_user: int | None = None
    per_minute: float | None = None
    burst: float = 1.0


def part_crowds(conn: Connection, job_types: Sequence[str], crowd: int, *, reach: int = REACH, pause: float = 0.0) -> int:
    """Let the jobs of users with more than `crowd` due ones of a type wait aside, where others wait too. Returns how many were moved.

    Does nothing while another session does it, or has within the last `pause` seconds.
    """
    return conn.execute(
        text("select part_crowds(:types, :crowd, :reach, make_interval(secs => :pause))"),
        {"types": list(job_types), "crowd": crowd, "reach": reach, "pause": pause},
    ).scalar_one()


def limits_of(settings: Settings) -> list[Limit]:
    """The limits that the settings ask for; a job type that nobody knows has none."""
    found = [
        Limit(limit.job_type, [limit.job_type], limit.at_once, limit.per_user)
        for limit in settings.type_limits if limit.job_type in JOB_TYPES
    ]  # fmt: skip
    for provider in ("llm", "sms", "mail"):
        at_once, per_minute = getattr(settings, f"{provider}_at_once"), getattr(settings, f"{provider}_per_minute")
        job_types = [job_type.name for job_type in JOB_TYPES.values() if job_type.provider == provider]
        if (at_once or per_minute) and job_types:
            # Ten seconds' worth at once: a dispatcher that sleeps until its next poll loses nothing of the rate.
            found.append(Limit(provider, job_types, at_once, None, per_minute, max(1.0, (per_minute or 0) / 6)))
    return found


def write_limits(conn: Connection, limits: Sequence[Limit]) -> None:
    """Make these the limits, for every worker at once. What a bucket holds stays; a new one is full."""
    conn.execute(text("delete from queue_limits where name <> all(:names)"), {"names": [limit.name for limit in limits]})
    for limit in sorted(limits):
        conn.execute(_WRITE, limit._asdict())


_WRITE = text(
    """
    insert into queue_limits as l (name, job_types, at_once, at_once_per_user, per_minute, burst, tokens)
    values (:name, cast(:job_types as queue_type[]), :at_once, :at_once_per_user, :per_minute, :burst, :burst)
    on conflict (name) do update set
        job_types = excluded.job_types, at_once = excluded.at_once, at_once_per_user = excluded.at_once_per_user,
        per_minute = excluded.per_minute, burst = excluded.burst
    where (l.job_types, l.at_once, l.at_once_per_user, l.per_minute, l.burst)
        is distinct from (excluded.job_types, excluded.at_once, excluded.at_once_per_user, excluded.per_minute, excluded.burst)
    """
)
