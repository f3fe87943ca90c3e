"""What a worker's main process does with each job's message: gives it its claim, and learns when it ends."""

from __future__ import annotations

import time
from typing import Any

from celery.worker.request import Request

from tasks.runway import RUNWAY
from tasks.timers import run_ended


class JobRequest(Request):
    """A request that takes its claim from the runway, and tells the runway of its end."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Celery makes a subclass for each task and gives it an `on_success` that does not call ours: so it is wrapped there.
        super().__init_subclass__(**kwargs)
        inner = cls.on_success

        def on_success(self: Any, outcome: Any, **options: Any) -> Any:
            try:
                return inner(self, outcome, **options)
            finally:
                RUNWAY.ended(self.id, outcome[2])
                run_ended()

        cls.on_success = on_success

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request_dict["claims"] = RUNWAY.take(self.id)
        self._request_dict["taken_at"] = time.time()

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        RUNWAY.began(self.id)
        super().on_accepted(pid, time_accepted)

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().on_failure(*args, **kwargs)
        finally:
            RUNWAY.ended(self.id, None)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        super().on_timeout(soft, timeout)
        if not soft:
            RUNWAY.ended(self.id, None)
