"""Work that only one live job at a time may do: a project's phases, a user's onboarding, a day's brief, whatever holds one idempotency key.

Who adds such a job names its work first, and so waits for all others who do: of several at once one adds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.catalog import JOB_TYPES
from app.queue.reads import JobRow, find_jobs, find_live_jobs

# In one order, so that two who name several do not wait for each other.
_TURNS = text(
    "select pg_advisory_xact_lock(lock) "
    "from (select distinct hashtextextended(name, 0) as lock from unnest(cast(:names as text[])) as name order by 1) as locks"
)
_LIVE = text(
    "select id from queue_jobs where user_id = any(:users) and job_type::text = any(:types) and status in ('pending', 'processing', 'retrying')"
)
# Of jobs, archived or not: the idempotency key, and the live job that has it now.
_KEYS = text(
    """
    select k.id, k.key, h.id as holder
    from (
        select i.id, case when q.id is not null then q.dedup_key
                          else (select a.dedup_key from queue_jobs_archive a where a.id = i.id limit 1) end as key
        from unnest(cast(:ids as uuid[])) as i(id) left join queue_jobs q on q.id = i.id
    ) k
    left join queue_jobs h on h.dedup_lock = k.key and h.status in ('pending', 'processing', 'retrying')
    where k.key is not null
    """
)


def work_of(job_type: str, user_id: UUID | None, metadata: dict[str, Any]) -> str | None:
    """The name of what a job does, where only one live job may; None where any number may, or where it does not say on what."""
    known = JOB_TYPES.get(job_type)
    if known is None or known.alone is None or user_id is None:
        return None
    said = {name: value.lower() for name, value in metadata.items() if isinstance(value, str)}
    try:
        return known.alone.format_map({**said, "user": user_id})
    except KeyError:
        return None


def live_jobs_like(conn: Connection, job_type: str, user_id: UUID, metadata: dict[str, Any]) -> list[JobRow]:
    """The live jobs that do the same work, oldest first. Nobody who asks the same way adds another before this transaction ends."""
    work = work_of(job_type, user_id, metadata)
    if work is None:
        return []
    _take_turns(conn, [work])
    return [job for job in find_live_jobs(conn, user_id, job_type) if work_of(job_type, user_id, job.metadata) == work]


def in_the_way(conn: Connection, jobs: Sequence[JobRow]) -> dict[UUID, UUID]:
    """Which of these ended jobs must not be done again now, and the job that does it: a live one, or one before it in the list.

    Takes turns as `live_jobs_like` does.
    """
    works = {job.id: work for job in jobs if (work := work_of(job.job_type, job.user_id, job.metadata))}
    _take_turns(conn, works.values())
    doing = _doing(conn, [job for job in jobs if job.id in works])
    keys: dict[UUID, str] = {}
    for row in conn.execute(_KEYS, {"ids": [job.id for job in jobs]}):
        keys[row.id] = f"key {row.key}"
        if row.holder is not None:
            doing[keys[row.id]] = row.holder
    found: dict[UUID, UUID] = {}
    for job in jobs:
        names = [name for name in (works.get(job.id), keys.get(job.id)) if name is not None]
        rival = next((doing[name] for name in names if name in doing), None)
        if rival is not None:
            found[job.id] = rival
        else:
            doing.update(dict.fromkeys(names, job.id))
    return found


def _take_turns(conn: Connection, names: Iterable[str]) -> None:
    if names := list(names):
        conn.execute(_TURNS, {"names": names})


def _doing(conn: Connection, jobs: Sequence[JobRow]) -> dict[str, UUID]:
    """The live jobs among those of the same users and types, by their work."""
    if not jobs:
        return {}
    asked = {"users": list({job.user_id for job in jobs}), "types": list({job.job_type for job in jobs})}
    live = find_jobs(conn, conn.execute(_LIVE, asked).scalars().all()).values()
    return {work: job.id for job in live if (work := work_of(job.job_type, job.user_id, job.metadata))}
