"""A job that runs here and now, for a caller who waits for it: a row like any other, claimed in the transaction that adds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from app.db.commit import transaction
from app.queue import claims
from app.queue.claims import Claim, Outcome
from app.queue.errors import LeaseLost, describe
from app.queue.running import RunningJob

R = TypeVar("R", bound=BaseModel)


def claim_here(conn: Connection, job_id: UUID, who: str) -> Claim | None:
    """Claim a job that this transaction added, before any worker can see it; None when its type is paused."""
    return claims.claim(conn, job_id, f"{who}-{job_id}", who)


def run_here(engine: Engine, held: Claim, work: Callable[[RunningJob], R]) -> R:
    """Run the claimed job, record its outcome and return its result.

    A failure is recorded as final, whatever it is: the caller is told at once and may ask again; it is raised as it came. Raises LeaseLost when
    the job was cancelled meanwhile. Should this process end on the way, the job stalls and a worker takes it over.
    """
    try:
        result = work(RunningJob(engine, held))
    except Exception as error:
        with transaction(engine) as conn:
            claims.fail(conn, held, describe(error), retry=False)
        raise
    with transaction(engine) as conn:
        if not claims.complete_many(conn, [Outcome(held.id, held.token, result.model_dump_json())]):
            raise LeaseLost(f"job {held.id} is no longer ours")
    return result
