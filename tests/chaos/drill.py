"""The processors of the stream, and the moments at which a dispatcher can be made to die. Loaded into real workers by JOB_MODULES.

Nothing of this is in the product: the moments are wrapped around its functions from here, and act when a file asks for it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.queue.errors import PermanentError
from app.queue.running import RunningJob
from tasks.base import processor
from tasks.dispatcher.dispatch import DispatchLoop
from tasks.engine import celery
from tests.chaos import ledger
from tests.chaos.orders import DEEP, HTTP_KINDS, HUGE, Order, draw, nested

LEDGER = os.environ.get("CHAOS_LEDGER", "")
TRAPS = Path(os.environ.get("CHAOS_TRAPS", "/nowhere"))
EFFECT = text("insert into drill_effects (key, job_id, attempt) select :key, :job, :attempt "
              "where not exists (select from drill_effects where key = :key)")  # fmt: skip


def run(job: RunningJob, order: Order) -> Any:
    """Do what the order says. The effect has no unique index: that it happens once is up to `job.transaction()`."""
    ledger.record(LEDGER, "run", order.key, attempt=job.attempt)
    _work(job, order)
    if order.kind == "refuse":
        raise PermanentError("refused")
    if order.kind == "hopeless" or (order.kind == "flaky" and job.attempt == 1):
        raise RuntimeError(order.kind)
    if order.kind == "poison_child":
        os.kill(os.getpid(), signal.SIGKILL)
    if order.kind == "poison_main":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)  # the pool's children end with their parent
    with job.transaction() as conn:
        conn.execute(EFFECT, {"key": order.key, "job": job.id, "attempt": job.attempt})
    ledger.record(LEDGER, "effect", order.key, attempt=job.attempt)
    return _result(order, job.attempt)


def _work(job: RunningJob, order: Order) -> None:
    end = time.monotonic() + order.seconds
    if order.kind == "progress":
        job.progress("working", 50, "half way")
    while time.monotonic() < end:
        job.checkpoint()
        time.sleep(min(0.05, max(0.0, end - time.monotonic())))


def _result(order: Order, attempt: int) -> Any:
    odd = {
        "result_huge": lambda: {"filling": "x" * HUGE},
        "result_nul": lambda: {"filling": "a\x00b"},
        "result_deep": lambda: nested(DEEP * 10),
        "result_object": lambda: {"filling": object()},
        "result_list": lambda: [1, 2],
    }
    return odd[order.kind]() if order.kind in odd else {"key": order.key, "attempt": attempt}


@processor("other")
def other(job: RunningJob) -> Any:
    """A job of the SQL stream carries its order."""
    return run(job, Order(**(job.metadata.model_extra or {})["order"]))


@processor("generate_daily_brief")
def generate_daily_brief(job: RunningJob) -> Any:
    """A job of the HTTP stream is known by its user and date."""
    order = draw(f"{job.user_id}/{job.metadata.briefDate}", kinds=HTTP_KINDS)
    run(job, order)
    return {"briefId": order.key, "briefDate": job.metadata.briefDate, "projectBriefsGenerated": 0, "emailSent": False}


def trap(name: str) -> None:
    """Die at once if this moment was asked for; one process takes one request."""
    try:
        (TRAPS / name).unlink()
    except OSError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _mortal(inner: Any) -> Any:
    """The dispatcher's sending, between its commit and what follows."""

    def send(self: DispatchLoop, jobs: list) -> None:
        trap("marked")
        inner(self, jobs)
        trap("published")

    return send


def _stepped_clock(inner: Any) -> Any:
    """The wall clock of this process, which a file can set forward or back."""

    def now() -> float:
        try:
            return inner() + float((TRAPS / "clock").read_text())
        except (OSError, ValueError):
            return inner()

    return now


DispatchLoop._send = _mortal(DispatchLoop._send)
time.time = _stepped_clock(time.time)
# Every second instead of every hour, from each beat: what is to be queued once must not depend on how often it is asked.
if celery.conf.beat_schedule:
    celery.conf.beat_schedule = {
        **celery.conf.beat_schedule,
        "often": {"task": "check_and_schedule_briefs", "schedule": 1.0, "options": {"expires": 5}},
    }
