"""Processors that do nothing, loaded into a worker through JOB_MODULES.

`other` is the default lane, `send_notification` shares messages, `generate_daily_brief` is what HTTP queues. With `stamp` in its
metadata (a brief: its date) a job writes down when it began.
"""

from __future__ import annotations

import os

from app.queue.running import RunningJob
from bench.tally import STAMPS, stamp, tick
from tasks.base import processor


@processor("other")
def other(job: RunningJob) -> None:
    tick()
    if key := (job.metadata.model_extra or {}).get("stamp"):
        stamp(key)


@processor("send_notification")
def send_notification(job: RunningJob) -> None:
    tick()


@processor("generate_daily_brief")
def generate_daily_brief(job: RunningJob) -> None:
    tick()
    if STAMPS in os.environ:
        stamp(job.metadata.briefDate)
