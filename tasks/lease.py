"""A lease: several short jobs of one type in one Celery message, run one by one, each with an end of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from app.queue.catalog import JOB_TYPES
from app.queue.claims import Claim
from app.queue.dispatching import Dispatched
from app.queue.errors import LeaseLost, PutOff
from tasks import mirror
from tasks.runway import Message

MOST = 100  # jobs in a lease
LONGEST = 1.0  # seconds after which what has not begun is handed back


def messages_for(jobs: Sequence[Dispatched], slots: int) -> list[Message]:
    """The messages for dispatched jobs, in their order: a lease for those of a type that allows it, as many as there are slots,
    else one each. A lone job has a message to itself."""
    groups: dict[str, list[Dispatched]] = {}
    for job in jobs:
        leasable = job.claim is not None and JOB_TYPES[job.job_type].leasable
        groups.setdefault(job.job_type if leasable else job.job_id, []).append(job)
    messages = []
    for group in groups.values():
        size = min(MOST, -(-len(group) // slots))
        for start in range(0, len(group), size):
            part = tuple(group[start : start + size])
            single = part[0].claim.task_id if len(part) == 1 and part[0].claim else None
            messages.append(Message(single or str(uuid.uuid4()), part[0].job_type, part))
    return messages


def run(work: Callable[[Claim], Any], held: Sequence[Claim]) -> None:
    """Run the jobs of a lease by `work`. A failure is its own job's; an outcome is handed over before the next job begins."""
    until = time.monotonic() + LONGEST
    for number, job in enumerate(held):
        if time.monotonic() > until:
            mirror.hand_back(held[number:], "its lease took too long")
            return
        try:
            mirror.succeed(job, work(job))
        except LeaseLost:
            continue
        except PutOff as reason:
            mirror.put_off(job, reason)
        except Exception as error:  # noqa: BLE001 - whatever a processor raises is the outcome of its job
            mirror.record_failure(job, error)
