"""The progress of a brief: named steps, a percentage that only grows, and a sign of life while something is slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.queue.running import RunningJob
from app.queue.waiting import while_waiting

T = TypeVar("T")


class Steps:
    """Reports to the job. Every report notices that the job was cancelled or taken away, and raises LeaseLost."""

    def __init__(self, job: RunningJob, *, every: float) -> None:
        self._job = job
        self._every = every
        self._percent = 0
        self._projects: dict[str, int] | None = None

    def at(self, step: str, percent: int, message: str) -> None:
        """Report a step. A percentage below the last one is raised to it."""
        self._percent = max(self._percent, percent)
        self._job.progress(step, self._percent, message, self._projects)

    def project(self, done: int, total: int, failed: int) -> None:
        """Report how many projects are through, from 10 to 60 %; with very many, only where the percentage moves."""
        percent = 10 + (50 * done // total if total else 50)
        first = self._projects is None
        self._projects = {"completed": done - failed, "total": total, "failed": failed}
        if first or percent > self._percent or done == total:
            message = (
                f"Writing project {done + 1} of {total}" if done < total else f"{total} of {total} projects are through"
            )
            self.at("projects", percent, message)

    def while_waiting(self, step: str, percent: int, message: str, call: Callable[[], T]) -> T:
        """Run something slow and report it again and again until it is there."""
        self.at(step, percent, message)
        return while_waiting(
            call, lambda seconds: self.at(step, percent, f"{message} ({seconds} s)"), every=self._every
        )
