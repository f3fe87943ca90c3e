"""Processors that do nothing, loaded into a worker through JOB_MODULES: `other` in the default lane, `send_notification` beside it."""

from __future__ import annotations

from app.queue.running import RunningJob
from bench.tally import tick
from tasks.base import processor


@processor("other")
def other(job: RunningJob) -> None:
    tick()


@processor("send_notification")
def send_notification(job: RunningJob) -> None:
    tick()
