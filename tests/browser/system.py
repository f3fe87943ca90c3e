"""A whole running system for the browser: API, worker and beat on a database of its own, with a language model that waits when told."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.embedded import sample
from tests.browser.model import REPLIES
from tests.support.llm_server import LLMServer
from tests.support.processes import Process, Workers, wait_for, workers_on
from tests.support.servers import Database

MODEL = "openai/gpt-4o"
ASKED = "gpt-4o"  # what the provider is asked for
SETTINGS = {
    "RETRY_BACKOFF_BASE": "0.05", "QUEUE_POLL_INTERVAL": "500", "QUEUE_HEARTBEAT_INTERVAL": "300",
    "OPENAI_API_KEY": "sk-test", "LLM_MODELS": MODEL, "LLM_TIMEOUT": "600",  # a model that is held back is no model that failed
}  # fmt: skip


@dataclass
class System:
    """What runs, and the sample user in it."""

    database: Database
    env: dict[str, str]
    folder: Path
    workers: Workers
    model: LLMServer
    user: UUID
    began: datetime  # what the sample has for today is for this day
    url: str = ""
    _api: Process | None = field(default=None, repr=False)

    def start_api(self, **env: str) -> None:
        """Start the API: the first time on a free port, then on the same one."""
        port = self.url.rpartition(":")[2] or "0"
        log = self.folder / "api.log"
        log.write_text("")
        self._api = Process(["-m", "app.web.main"], {**self.env, "PORT": port, **env}, log)
        wait_for(lambda: "listening on" in log.read_text() or not self._api.running, "the API listens")
        found = re.search(r"listening on (http://\S+)", log.read_text())
        assert found, log.read_text()[-3000:]
        self.url = found[1]

    def stop_api(self) -> None:
        """End the API at once, as a crash does."""
        self._api.signal_all(signal.SIGKILL)
        self._api.wait()

    def end(self) -> None:
        if self._api is not None:
            self._api.end()

    def day(self, later: int = 0) -> date:
        """The day on which it began, where the sample user is, or one `later`; never a day that the calendar of this machine decides."""
        return self.began.astimezone(ZoneInfo(sample.TIMEZONE)).date() + timedelta(days=later)

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement as its own transaction; its rows, or nothing."""
        with self.database.engine.begin() as conn:
            done = conn.execute(text(statement), values)
            return list(done) if done.returns_rows else []

    def add_job(self, job_type: str, metadata: dict[str, Any], **more: Any) -> UUID:
        """Add a job of the sample user by SQL, as any client of the database may."""
        values = {"user": self.user, "type": job_type, "metadata": json.dumps(metadata), "priority": 5} | more
        return self.sql("select add_queue_job(:user, :type, cast(:metadata as jsonb), :priority) as id", **values)[0].id

    def statuses(self, job_type: str) -> list[str]:
        rows = self.sql("select status::text from queue_jobs where job_type = cast(:t as queue_type) order by created_at", t=job_type)
        return [row.status for row in rows]

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts the language model does not answer: who asks it waits."""
        go = threading.Event()

        def waits(handler: Any, request: Any) -> None:
            self.model.wait(go)
            REPLIES(handler, request)

        self.model.behave(ASKED, waits)
        try:
            yield
        finally:
            go.set()
            self.model.behave(ASKED, REPLIES)


@contextmanager
def running_system(database: Database, redis_url: str, env: dict[str, str], folder: Path) -> Iterator[System]:
    """Start everything, and end it."""
    env = {**env, **SETTINGS, "DATABASE_URL": database.url, "REDIS_URL": redis_url, "BUILDOS_HOME": str(folder)}
    with LLMServer(default=REPLIES) as model:
        env["OPENAI_BASE_URL"] = model.base_url
        with workers_on(database, env, folder) as workers:
            began = datetime.now(UTC)
            system = System(database, env, folder, workers, model, sample.ensure(database.engine, began), began)
            try:
                beat = ["-m", "celery", "-A", "tasks", "beat", "-s", str(folder / "beat-schedule")]
                workers.run(*beat)
                worker = workers.start("-c", "2", ready=False)
                system.start_api()
                wait_for(lambda: system.sql("select 1 from queue_processes where kind = 'worker'"), f"the worker reports itself: {worker.log}")
                yield system
            finally:
                system.end()
