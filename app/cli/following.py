"""Following one job to its end: over Socket.IO as it happens, by asking again and again where that is not to be had."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self
from uuid import UUID

import socketio
from socketio.exceptions import SocketIOError

from app.client import Client, ClientError
from app.web.schemas import Job

ENDED = ("completed", "failed", "cancelled")
ASK = 0.5  # seconds between questions without Socket.IO
ASK_ANYWAY = 5.0  # with it: an event that is lost costs this much at most
AWAY = 20.0  # seconds the API may be away while a job is followed
CONNECT = 5  # seconds


class Follower:
    """Hears of a user's jobs from the moment it is made, so make it before the job is queued."""

    def __init__(self, client: Client, user_id: UUID, token: str | None):
        self._client = client
        self._answered = time.monotonic()
        self._changes: queue.Queue[dict[str, Any]] = queue.Queue()
        self._socket = socketio.Client(reconnection_delay=1, reconnection_delay_max=10)
        self._socket.on("postgres_changes", self._changes.put)
        auth = {"userId": str(user_id), "token": token}
        with suppress(SocketIOError, OSError):
            self._socket.connect(client.url, auth=auth, transports=["websocket"], wait_timeout=CONNECT)
            self._socket.call("subscribe", {"channel": f"user:{user_id}"}, timeout=CONNECT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.disconnect()

    @property
    def live(self) -> bool:
        """Whether events come in by themselves."""
        return self._socket.connected

    def follow(self, job_id: str, seconds: float) -> Iterator[Job]:
        """The job with that jobId as it is, about twice a second and at every change, up to its end.

        Raises TimeoutError after `seconds`, and ClientError when the API refuses or is away for longer than `AWAY`.
        """
        began = asked = time.monotonic()
        job = self._heard(job_id) or self._client.job(job_id)
        yield job
        while job.status not in ENDED:
            if time.monotonic() - began > seconds:
                raise TimeoutError
            heard = self._heard(job_id)
            if heard is not None:
                if heard.updated_at < job.updated_at:  # told late: we asked in the meantime
                    continue
                job = heard
            elif not self.live or time.monotonic() - asked > ASK_ANYWAY:
                job = self._asked(job)
                asked = time.monotonic()
            yield job

    def _heard(self, job_id: str) -> Job | None:
        with suppress(queue.Empty):
            change = self._changes.get(timeout=ASK)
            if change.get("table") == "queue_jobs" and change.get("new", {}).get("queue_job_id") == job_id:
                return Job(**change["new"])
        return None

    def _asked(self, job: Job) -> Job:
        try:
            job = self._client.job(job.id)
        except ClientError as error:
            passing = error.status in (None, 503)  # a restart; the job does not mind
            if not passing or time.monotonic() - self._answered > AWAY:
                raise
        else:
            self._answered = time.monotonic()
        return job
