"""The part of the client that operators use: looking at everybody's work and acting on it (CONTRACT 5, 10). It needs the service key."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from app.web import access as a
from app.web import figures as f
from app.web import job_list as j
from app.web import mail as m
from app.web import schemas as s
from app.web import workers as w

LONG_WORK = 600.0  # seconds; for what goes through many jobs, and for phases that are made at once

R = TypeVar("R", bound=BaseModel)


class OperatorCalls(ABC):
    """Calls of the client's class, which says how one is made."""

    @abstractmethod
    def _call(self, method: str, path: str, reply: type[R], also: tuple[int, ...] = (), **parts: Any) -> R: ...

    def access(self) -> a.AccessReply:
        """Who the API takes us for, and what is open to us."""
        return self._call("GET", "/access", a.AccessReply)

    def find_users(self, text: str | None = None, *, limit: int = 20) -> list[a.KnownUser]:
        """Users by a part of their name or address, or by id."""
        return self._call("GET", "/users", a.UsersReply, params=given(text=text, limit=limit)).users

    def jobs(
        self, *, limit: int = 20, cursor: str | None = None, archived: bool = False, **filter: Any
    ) -> j.AllJobsReply:
        """Everybody's jobs, or those of the archive, newest first, by type, status, userId, text, before and after (aware)."""
        params = given(limit=limit, cursor=cursor, archived="true" if archived else None, **_written(filter))
        return self._call("GET", "/jobs", j.AllJobsReply, params=params)

    def related_jobs(self, job_id: str) -> list[s.Job]:
        """The jobs that one led to or came from, oldest first; a user's token does for its own."""
        return self._call("GET", f"/jobs/{part(job_id)}/related", j.RelatedJobsReply).jobs

    def figures(self, range: str = "hour", *, job_type: str | None = None) -> f.FiguresReply:
        """Jobs over the last `hour`, `day` or `week`: how many, how long they waited and ran."""
        return self._call("GET", "/queue/figures", f.FiguresReply, params=given(range=range, type=job_type))

    def failures(self, hours: int = 24) -> list[f.FailureShown]:
        """Failed attempts of the last hours by what they said, the most frequent first."""
        return self._call("GET", "/queue/failures", f.FailuresReply, params={"hours": hours}).failures

    def waiting(self) -> list[f.WaitingShown]:
        """The job of each type that has been due the longest, the longest first."""
        return self._call("GET", "/queue/waiting", f.WaitingReply).waiting

    def workers(self) -> list[w.Process]:
        """Workers and beats that are alive."""
        return self._call("GET", "/workers", w.WorkersReply).processes

    def drain_worker(self, worker: str) -> bool:
        """Have a worker finish what it runs and take nothing more, until `resume_worker`. Returns whether it drains."""
        return self._call("POST", "/workers/drain", w.DrainReply, json={"worker": worker}).draining

    def resume_worker(self, worker: str) -> bool:
        """Have a draining worker take jobs again. Returns whether it drains."""
        return self._call("POST", "/workers/resume", w.DrainReply, json={"worker": worker}).draining

    def mails(self, *, limit: int = 20, cursor: str | None = None) -> m.MailsReply:
        """The mail that was sent or is about to be, newest first."""
        return self._call("GET", "/mail", m.MailsReply, params=given(limit=limit, cursor=cursor))

    def mail(self, mail_id: str) -> m.MailReply:
        """A mail with its text, its tries and its marks."""
        return self._call("GET", f"/mail/{part(mail_id)}", m.MailReply)

    def pause(self, job_type: str) -> bool:
        """Begin no more jobs of a type, until `resume`. Returns whether it is paused."""
        return self._call("POST", "/queue/pause", s.PauseReply, json={"jobType": job_type}).paused

    def resume(self, job_type: str) -> bool:
        """Begin jobs of a paused type again. Returns whether it is paused."""
        return self._call("POST", "/queue/resume", s.PauseReply, json={"jobType": job_type}).paused

    def schedules(self) -> list[s.Schedule]:
        """Every schedule with its last and next run."""
        return self._call("GET", "/schedules", s.SchedulesReply).schedules

    def run_schedule(self, name: str) -> int:
        """Run a schedule now; how many jobs it added."""
        return self._call("POST", f"/schedules/{part(name)}/run", s.RunScheduleReply).queued

    def stale_stats(self, threshold_hours: float = 24) -> s.StaleStatsReply:
        """Jobs that were due that long ago and neither ended nor run."""
        return self._call("GET", "/queue/stale-stats", s.StaleStatsReply, params={"thresholdHours": threshold_hours})

    def cleanup(
        self, *, stale_threshold_hours: float = 24, old_failed_jobs_days: float = 7, dry_run: bool = False
    ) -> s.CleanupReply:
        """Cancel stale jobs and archive old failed ones, now."""
        body = {
            "staleThresholdHours": stale_threshold_hours, "oldFailedJobsDays": old_failed_jobs_days, "dryRun": dry_run,
        }  # fmt: skip
        return self._call("POST", "/queue/cleanup", s.CleanupReply, json=body, timeout=LONG_WORK)

    def steer_jobs(self, action: str, *, dry_run: bool = False, **filter: Any) -> s.BulkSteerReply:
        """`cancel` or `retry` all jobs of a filter: type, status, userId, before, after (aware), text, or all=True."""
        body = {"action": action, "filter": _written(filter), "dryRun": dry_run}
        return self._call("POST", "/jobs/bulk", s.BulkSteerReply, json=body, timeout=LONG_WORK)


def given(**values: Any) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in values.items() if value is not None}


def part(value: Any) -> str:
    """A value as a part of a path."""
    return quote(str(value), safe="")


def _written(filter: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in filter.items()}
