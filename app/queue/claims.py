"""Claim and outcome of a run. Every write names the fencing token of its claim: a run that lost its job writes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from app.queue.errors import InvalidMetadata


class Claim(NamedTuple):
    """A job that was claimed, as its row was at that moment. `attempt` numbers the run, from 1.

    Plain values in a tuple, as it travels between processes by the thousand; `id` and `user_id` are made where they are read.
    """

    job_id: str
    queue_job_id: str
    user: str | None
    job_type: str
    metadata_json: str
    attempt: int
    max_attempts: int
    token: int
    task_id: str | None
    traceparent: str | None = None  # of whoever added it

    @property
    def id(self) -> UUID:
        """The row's id."""
        return UUID(self.job_id)

    @property
    def user_id(self) -> UUID | None:
        """Whose job it is; None for upkeep."""
        return UUID(self.user) if self.user else None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the job is to do. Read where it is needed and sent between processes as text: what Postgres stores may be nested
        deeper than Python reads or pickles. Raises InvalidMetadata then."""
        try:
            return json.loads(self.metadata_json)
        except (ValueError, RecursionError) as error:
            raise InvalidMetadata("metadata", f"cannot be read: {error}") from None


_COLUMNS = "id::text, queue_job_id, user_id::text, job_type::text, metadata::text, attempts + 1, max_attempts, fencing_token, task_id, traceparent"


def claim(conn: Connection, job_id: UUID, task_id: str, worker: str) -> Claim | None:
    """`pending` → `processing` with a new token; None when the job is not to be run: taken, cancelled, later, or paused."""
    row = conn.execute(
        text(f"select {_COLUMNS} from claim_job(:id, :task_id, :worker)"), {"id": job_id, "task_id": task_id, "worker": worker}
    ).first()
    return Claim(*row) if row else None


def claim_of_task(conn: Connection, job_id: UUID, task_id: str) -> Claim | None:
    """The claim that the Celery task `task_id` holds on a job, if it still does."""
    row = conn.execute(
        text(f"select {_COLUMNS} from queue_jobs where id = :id and task_id = :task_id and status = 'processing'"),
        {"id": job_id, "task_id": task_id},
    ).first()
    return Claim(*row) if row else None


class Outcome(NamedTuple):
    """A run that ended well: the job, its fencing token, the result as JSON text or None."""

    job_id: str
    token: int
    result: str | None


COMPLETE = text(
    "select complete_queue_jobs(cast(:ids as uuid[]), cast(:tokens as bigint[]), cast(:results as jsonb[]))::text"
)


def complete_many(conn: Connection, outcomes: Sequence[Outcome]) -> set[str]:
    """`complete` for many runs in one statement. Returns the ids of the jobs that were still theirs."""
    rows = conn.execute(
        COMPLETE,
        {
            "ids": [outcome.job_id for outcome in outcomes],
            "tokens": [outcome.token for outcome in outcomes],
            "results": [outcome.result for outcome in outcomes],
        },
    )
    return set(rows.scalars())


def fail(conn: Connection, held: Claim | Outcome, message: str, *, retry: bool) -> bool:
    """`retrying` with its backoff, or `failed` when `retry` is false or the attempts are used up; False when no longer ours."""
    return conn.execute(
        text("select fail_queue_job(cast(:id as uuid), :message, :retry, :token)"),
        {"id": held.job_id, "message": message, "retry": retry, "token": held.token},
    ).scalar_one()


def is_last(held: Claim, *, retry: bool) -> bool:
    """Whether a failure of this run ends the job."""
    return not retry or held.attempt >= held.max_attempts


def release(conn: Connection, held: Claim, message: str) -> bool:
    """Hand the job back to `pending` without charging an attempt; False when it is no longer ours."""
    return conn.execute(
        text("select release_queue_job(cast(:id as uuid), :token, :message)"),
        {"id": held.job_id, "token": held.token, "message": message},
    ).scalar_one()


def put_off(conn: Connection, held: Claim, message: str, seconds: float) -> bool:
    """Hand the job back to `pending`, uncharged and due again after `seconds`; False when it is no longer ours."""
    return conn.execute(
        text("select put_off_queue_job(cast(:id as uuid), :token, :message, :seconds)"),
        {"id": held.job_id, "token": held.token, "message": message, "seconds": seconds},
    ).scalar_one()


def held_by(conn: Connection, worker: str) -> list[Claim]:
    """The claims of a worker."""
    rows = conn.execute(
        text(f"select {_COLUMNS} from queue_jobs where status = 'processing' and worker = :worker"), {"worker": worker}
    )
    return [Claim(*row) for row in rows]


def heartbeat(conn: Connection, held: dict[str, str]) -> set[str]:
    """A sign of life for the claims a worker holds, as Celery task id → job id. Returns the task ids whose claim stands."""
    alive = conn.execute(
        text(
            "update queue_jobs set heartbeat_at = clock_timestamp() "
            "where id = any(cast(:ids as uuid[])) and task_id = any(:task_ids) and status::text = 'processing' returning task_id"
        ),
        {"ids": list(held.values()), "task_ids": list(held)},
    ).scalars()
    return set(alive)


def standing(conn: Connection, held: Sequence[Claim]) -> list[Claim]:
    """Those of `held` that are still processing under their token, in their order."""
    rows = conn.execute(
        text("select id::text, fencing_token from queue_jobs where id = any(cast(:ids as uuid[])) and status = 'processing'"),
        {"ids": [claim.job_id for claim in held]},
    )
    tokens = {row.id: row.fencing_token for row in rows}
    return [claim for claim in held if tokens.get(claim.job_id) == claim.token]


def cancelled_among(conn: Connection, job_ids: list[str]) -> set[str]:
    """Those of `job_ids` that are cancelled."""
    return set(
        conn.execute(
            text("select id::text from queue_jobs where id = any(cast(:ids as uuid[])) and status = 'cancelled'"),
            {"ids": job_ids},
        ).scalars()
    )
