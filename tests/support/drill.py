"""Processors for the tests: an `other` job does what its metadata says. Loaded into real workers through JOB_MODULES.

{"sleep": 2, "checkpoints": true}   run for 2 s, looking at the lease or not
{"fail": "text", "until": 2}        fail in every attempt up to the second
{"refuse": "text"}                  fail for good
{"kill": "child"}                   end the own process without a word
{"ledger": "path"}                  append a line to a file: the effect on the outside
{"result": …}                       return that
{"odd_result": "nul"}               return what cannot be stored
{"busy_db": true}                   write through job.transaction() at the end
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


@processor("other")
def other(job: RunningJob) -> dict[str, Any] | None:
    order = job.metadata.model_extra or {}
    if path := order.get("ledger"):
        with Path(path).open("a") as ledger:
            ledger.write(f"{job.id} {job.attempt} {os.getpid()}\n")
    if order.get("progress"):
        job.progress("working", 42, "half way")
    _sleep(job, order.get("sleep", 0), order.get("checkpoints", False))
    if order.get("kill") == "child":
        os.kill(os.getpid(), signal.SIGKILL)
    if "refuse" in order:
        raise PermanentError(order["refuse"])
    if "fail" in order and job.attempt <= order.get("until", 1_000):
        raise RuntimeError(order["fail"])
    if order.get("busy_db"):
        with job.transaction() as conn:
            conn.execute(
                text(
                    "insert into activity_log (activity, details) values ('drill', jsonb_build_object('job', cast(:id as text)))"
                ),
                {"id": job.id},
            )
    if kind := order.get("odd_result"):
        return _odd(kind)
    return order.get("result", {"attempt": job.attempt, "pid": os.getpid()})


def _sleep(job: RunningJob, seconds: float, checkpoints: bool) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if checkpoints:
            job.checkpoint()
        time.sleep(0.02)


def _odd(kind: str) -> Any:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    return {
        "list": [1, 2],
        "nul": {"x": "a\x00b"},
        "surrogate": {"x": "\ud800"},
        "object": {"x": object()},
        "deep": deep,
    }[kind]
