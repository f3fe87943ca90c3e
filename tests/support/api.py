"""A real API process, and browsers that listen to it."""

from __future__ import annotations

import asyncio
import functools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import socketio

from tests.support.servers import ROOT

T = TypeVar("T")
PATIENCE = 60  # seconds anything may take before a test fails


@dataclass
class Api:
    """A running server process."""

    process: subprocess.Popen
    url: str
    log: Path


@contextmanager
def running_api(env: dict[str, str], folder: Path, name: str = "api") -> Iterator[Api]:
    """Start `python -m app.web.main` on a free port and stop it at the end."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.web.main"],
            cwd=ROOT,
            env={**env, "PORT": "0"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: process.poll() is not None or "listening on" in log.read_text())
        found = re.search(r"listening on (http://[^\s\"]+)", log.read_text())
        assert found, log.read_text()
        yield Api(process, found[1], log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until(condition, message: str = "") -> None:
    """Wait for a condition; raises AssertionError after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, message or "it did not happen"
        time.sleep(0.01)


def _await(work: Coroutine[Any, Any, T]) -> T:
    """Run it on the loop of all browsers. There they hear events in the order in which they come, which python-socketio's client with
    a thread for each event does not promise."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(PATIENCE + 5)


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="browsers", daemon=True).start()
    return loop


@dataclass
class Browser:
    """A Socket.IO client that writes down what it hears, in order."""

    url: str
    auth: Any
    heard: list[tuple[str, dict]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._client = socketio.AsyncClient(reconnection=False)
        self._changed = threading.Condition()
        self._client.on("*", self._hear)

    def connect(self, *, headers: dict[str, str] | None = None, **auth: Any) -> Browser:
        """Connect by websocket. Raises socketio.exceptions.ConnectionError when it is refused."""
        self.auth = {**self.auth, **auth} if auth else self.auth
        _await(self._client.connect(self.url, headers or {}, self.auth, ["websocket"], wait_timeout=PATIENCE))
        return self

    def subscribe(self, user_id: UUID) -> dict:
        return self.call("subscribe", {"channel": f"user:{user_id}"})

    def call(self, event: str, data: Any = None) -> Any:
        return _await(self._client.call(event, data, timeout=PATIENCE))

    def leave(self) -> None:
        _await(self._client.disconnect())

    def wait_for_the_end(self) -> None:
        """Wait until the server hangs up."""
        _await(self._client.wait())

    def wait_for(self, condition) -> None:
        """Wait until `condition(self)` holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE), self.heard

    def named(self, name: str) -> list[dict]:
        """Payloads of the events with that name."""
        return [payload for event, payload in list(self.heard) if event == name]

    def states(self, row_id: str | None = None) -> list[str]:
        """The states of a job, or of all, as they were told."""
        changes = [change for change in self.named("postgres_changes") if change["table"] == "queue_jobs"]
        return [change["new"]["status"] for change in changes if row_id in (None, change["new"]["id"])]

    def _hear(self, event: str, payload: dict) -> None:
        with self._changed:
            self.heard.append((event, payload))
            self._changed.notify_all()
