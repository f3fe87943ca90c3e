"""The state machine of CONTRACT 2 in a few lines of Python, with transactions: what the SQL functions are held against.

A session's changes are an overlay on the committed jobs until it commits; a job in somebody's overlay is locked for the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from tests.support.jobs import LEGAL, TERMINAL

AGING = 300  # seconds
REFUSED = "refused"


@dataclass(frozen=True)
class Job:
    """A row, as far as the rules go. `waited`: seconds it has been due, None when it is for later."""

    id: UUID
    priority: int
    waited: float | None
    key: str | None
    status: str = "pending"
    attempts: int = 0
    token: int = 0
    silent: bool = False
    dispatched: bool = False
    max_attempts: int = 2

    @property
    def holds_key(self) -> bool:
        return self.key is not None and self.status not in ("failed", "cancelled")

    @property
    def order(self) -> tuple[float, float]:
        """Effective priority, then time."""
        assert self.waited is not None
        return max(1, self.priority - self.waited // AGING), -self.waited

    def to(self, status: str, **changes: object) -> Job:
        """The job after a legal step, with what the database keeps by itself."""
        if status == self.status:
            return replace(self, **changes)
        if status == "processing":
            changes |= {"token": self.token + 1, "silent": False}
        if status in ("pending", "retrying"):
            changes |= {"dispatched": False}
        return replace(self, status=status, **changes)


@dataclass
class Model:
    """Committed jobs and the overlays of the sessions that are in a transaction. None in an overlay: deleted."""

    committed: dict[UUID, Job] = field(default_factory=dict)
    overlays: dict[int, dict[UUID, Job | None]] = field(default_factory=dict)
    touched_keys: dict[int, set[str]] = field(default_factory=dict)

    # -- transactions

    def view(self, session: int) -> dict[UUID, Job]:
        """The jobs as a session sees them."""
        merged = {**self.committed, **self.overlays.get(session, {})}
        return {key: job for key, job in merged.items() if job is not None}

    def holder(self, job_id: UUID, session: int) -> int | None:
        """The other session that changed the job and has not committed."""
        return next((s for s, overlay in self.overlays.items() if s != session and job_id in overlay), None)

    def put(self, session: int, job_id: UUID, job: Job | None) -> None:
        """Write, into the overlay or, outside a transaction, for good."""
        if session in self.overlays:
            versions = (job, self.overlays[session].get(job_id), self.committed.get(job_id))
            self.touched_keys.setdefault(session, set()).update(v.key for v in versions if v and v.key and v.holds_key)
            self.overlays[session][job_id] = job
        else:
            self._keep(job_id, job)

    def end(self, session: int, *, commit: bool) -> None:
        """Commit or roll back."""
        overlay = self.overlays.pop(session)
        self.touched_keys.pop(session, None)
        if commit:
            for job_id, job in overlay.items():
                self._keep(job_id, job)

    def _keep(self, job_id: UUID, job: Job | None) -> None:
        if job is None:
            self.committed.pop(job_id, None)
        else:
            self.committed[job_id] = job

    # -- who would have to wait for whom

    def waits_for(self, session: int, job_id: UUID, states: tuple[str, ...]) -> int | None:
        """The session that a statement on a job in one of `states` waits for: only when what it sees matches does it wait."""
        seen = self.view(session).get(job_id)
        return self.holder(job_id, session) if seen is not None and seen.status in states else None

    def key_waits_for(self, session: int, key: str | None) -> int | None:
        """The session an insert with this key waits for: one that added, changed or removed a holder of it."""
        return next((other for other, keys in self.touched_keys.items() if other != session and key in keys), None)

    # -- the functions

    def key_owner(self, session: int, key: str | None) -> Job | None:
        """The job that holds a key."""
        return next((job for job in self.view(session).values() if key is not None and job.key == key and job.holds_key), None)

    def _free(self, session: int) -> list[Job]:
        return [job for job in self.view(session).values() if self.holder(job.id, session) is None]

    def promote(self, session: int) -> None:
        """Due retries become pending."""
        for job in self._free(session):
            if job.status == "retrying" and job.waited is not None:
                self.put(session, job.id, job.to("pending"))

    def _due(self, session: int, limit: int, *, undispatched: bool) -> list[Job]:
        self.promote(session)
        due = [
            job for job in self._free(session)
            if job.status == "pending" and job.waited is not None and not (undispatched and job.dispatched)
        ]  # fmt: skip
        return sorted(due, key=lambda job: job.order)[:limit]

    def claim(self, session: int, limit: int) -> list[tuple[UUID, int]]:
        """claim_pending_jobs."""
        claimed = [job.to("processing") for job in self._due(session, limit, undispatched=False)]
        for job in claimed:
            self.put(session, job.id, job)
        return [(job.id, job.token) for job in claimed]

    def dispatch(self, session: int, limit: int) -> list[UUID]:
        """dispatch_jobs."""
        due = self._due(session, limit, undispatched=True)
        for job in due:
            self.put(session, job.id, replace(job, dispatched=True))
        return [job.id for job in due]

    def settle(self, session: int, job_id: UUID, token: int | None, how: str) -> bool:
        """The outcome forms; `token` None: whoever holds the job."""
        job = self.view(session).get(job_id)
        if job is None or job.status != "processing" or token not in (None, job.token):
            return False
        self.put(session, job_id, self._after(job, how))
        return True

    def _after(self, job: Job, how: str) -> Job:
        again = job.attempts + 1 < job.max_attempts
        if how == "retry" and again:
            return job.to("retrying", attempts=job.attempts + 1, waited=None)
        if how in ("retry", "fail"):
            return job.to("failed", attempts=job.attempts + 1)
        if how == "stall":
            return job.to("pending" if again else "failed", attempts=job.attempts + 1)
        if how == "alive":
            return replace(job, silent=False)
        return job.to({"complete": "completed", "release": "pending"}[how])

    def sweep(self, session: int) -> set[UUID]:
        """take_back_stalled_jobs."""
        stalled = [job for job in self._free(session) if job.status == "processing" and job.silent]
        for job in stalled:
            self.put(session, job.id, self._after(job, "stall"))
        return {job.id for job in stalled}

    def cancel(self, session: int, job_id: UUID) -> bool:
        """cancel_queue_job."""
        job = self.view(session).get(job_id)
        if job is None or job.status in TERMINAL:
            return False
        self.put(session, job_id, job.to("cancelled"))
        return True

    def move(self, session: int, job_id: UUID, waited: float | None) -> bool:
        """reschedule_queue_job."""
        job = self.view(session).get(job_id)
        if job is None or job.status not in ("pending", "retrying"):
            return False
        self.put(session, job_id, replace(job, waited=waited, dispatched=False))
        return True

    def write_status(self, session: int, job_id: UUID, status: str) -> str | int:
        """A plain UPDATE of the status: number of rows, or refused."""
        job = self.view(session).get(job_id)
        if job is None:
            return 0
        if (job.status, status) not in LEGAL and (job.status != status or status in TERMINAL):
            return REFUSED
        self.put(session, job_id, job.to(status))
        return 1

    def delete(self, session: int, job_id: UUID) -> str | int:
        """A plain DELETE: number of rows, or refused."""
        job = self.view(session).get(job_id)
        if job is None:
            return 0
        if job.status not in TERMINAL:
            return REFUSED
        self.put(session, job_id, None)
        return 1
