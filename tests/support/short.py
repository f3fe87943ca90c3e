"""Processors of short jobs, for tests of leases: a `send_notification` job does what its payload says.

    {"fail": "text"}  {"refuse": "text"}  {"kill": true}  {"sleep": 0.5}  {"ledger": "path"}
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from app.queue.errors import PermanentError
from app.queue.running import RunningJob
from tasks.base import processor


@processor("send_notification")
def send_notification(job: RunningJob) -> dict[str, Any]:
    order = job.metadata.payload
    if path := order.get("ledger"):
        with Path(path).open("a") as ledger:
            ledger.write(f"{job.id} {job.attempt}\n")
    time.sleep(order.get("sleep", 0))
    if order.get("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if "refuse" in order:
        raise PermanentError(order["refuse"])
    if "fail" in order:
        raise RuntimeError(order["fail"])
    return {"deliveryId": str(job.id), "status": "sent", "channel": job.metadata.channel}
