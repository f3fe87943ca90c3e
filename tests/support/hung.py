"""An `other` job that hangs, with limits of a second or two: `{"stubborn": true}` ignores the soft one."""

from __future__ import annotations

import time

from billiard.exceptions import SoftTimeLimitExceeded

from app.queue.running import RunningJob
from tasks.base import processor


@processor("other", soft_limit=1, hard_limit=2)
def other(job: RunningJob) -> None:
    while True:
        try:
            time.sleep(300)
        except SoftTimeLimitExceeded:
            if not (job.metadata.model_extra or {}).get("stubborn"):
                raise
