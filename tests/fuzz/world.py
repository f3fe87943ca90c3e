"""A real API process, what is in its database, and a count of everything it was asked."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import requests

from app.embedded.redis import RedisServer
from tests.support import filling
from tests.support.api import Api, running_api
from tests.support.jobs import sql_client
from tests.support.servers import Database, migrated_template, new_database, postgres, session_binaries

PATIENCE = 15.0  # seconds; an answer that takes longer is a hang
JWT_SECRET = "a secret of thirty-two characters!"
SERVICE_KEY = "the service key of the fuzzed system"
WEBHOOK_SECRET = "the secret of webhooks"
TWILIO_TOKEN = "the token of twilio"
SETTINGS = {
    "AUTH_MODE": "jwt", "JWT_SECRET": JWT_SECRET, "SERVICE_KEY": SERVICE_KEY, "PRIVATE_BUILDOS_WEBHOOK_SECRET": WEBHOOK_SECRET,
    "PRIVATE_TWILIO_AUTH_TOKEN": TWILIO_TOKEN, "LOG_LEVEL": "INFO", "DATABASE_POOL_SIZE": "10",
}  # fmt: skip
ROWS = {
    "project_id": "projects", "task_id": "tasks", "dump_id": "brain_dumps", "notification_id": "notifications",
    "connection_id": "calendar_connections", "message_id": "sms_messages", "job_id": "queue_jobs", "event_id": "calendar_events",
}  # fmt: skip
# A stack trace in an answer or the log. 503 is an answer where it says why; anything else from 500 on is a fault.
TRACE = re.compile(rb"Traceback \(most recent|File \"[^\"]+\", line \d+")
EXPLAINED = ("llm_unavailable", "unavailable", "database_unavailable")


class Fault(AssertionError):
    """The API did what it must never do."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class World:
    """The API under fire."""

    api: Api
    database_url: str
    ids: dict[str, str]
    users: list[str]
    counts: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    slowest: float = 0.0
    _read: int = 0
    _connection: http.client.HTTPConnection | None = None

    @property
    def asked(self) -> int:
        """Requests and messages so far."""
        return sum(self.kinds.values())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.api.url)
        return parts.hostname or "", parts.port or 0

    def token(self, user: int = 0) -> str:
        """A user's token."""
        claims = {"sub": self.users[user], "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=5)}
        return jwt.encode(claims, JWT_SECRET, algorithm="HS256")

    def ask(self, kind: str, request: requests.Request | requests.PreparedRequest) -> Answer | None:
        """Send it and judge the answer; None where the client library itself refuses to. Raises Fault."""
        try:
            prepared = request.prepare() if isinstance(request, requests.Request) else request
        except (requests.RequestException, ValueError, TypeError):
            return None  # cannot be written down as HTTP
        headers = {name: value for name, value in prepared.headers.items() if name.lower() not in ("host", "connection")}
        body = prepared.body.encode("utf-8", "surrogatepass") if isinstance(prepared.body, str) else prepared.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join(body)
        began = time.monotonic()
        try:
            answer = self._send(prepared.method or "GET", prepared.path_url, body, headers)
        except (ValueError, UnicodeError, http.client.InvalidURL):
            return None
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            raise Fault(f"{prepared.method} {prepared.path_url}: no answer after {time.monotonic() - began:.1f} s: {error!r}") from error
        self.note(kind, str(answer.status), time.monotonic() - began)
        self.judge(f"{prepared.method} {prepared.path_url} {body!r}", answer)
        return answer

    def note(self, kind: str, outcome: str, seconds: float = 0.0) -> None:
        """Count one request or message."""
        self.kinds[kind] += 1
        self.counts[kind, outcome] += 1
        self.slowest = max(self.slowest, seconds)

    def judge(self, what: str, answer: Answer) -> None:
        """Raises Fault for a 500 or a stack trace."""
        if answer.status >= 500 and not (answer.status == 503 and _code(answer) in EXPLAINED):
            raise Fault(f"{what[:2000]}: {answer.status} {answer.body[:500]!r}")
        if TRACE.search(answer.body):
            raise Fault(f"{what[:2000]}: a stack trace: {answer.body[:1500]!r}")
        if answer.status >= 400 and answer.headers.get("Content-Type", "").startswith("application/json") and _code(answer) is None:
            raise Fault(f"{what[:2000]}: an error without error and code: {answer.body[:500]!r}")

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        for again in (True, False):
            fresh = self._connection is None
            self._connection = self._connection or http.client.HTTPConnection(*self.address, timeout=PATIENCE)
            try:
                self._connection.request(method, path, body, dict(headers))
                response = self._connection.getresponse()
                return Answer(response.status, response.headers, response.read())
            except (http.client.RemoteDisconnected, ConnectionError):
                self._connection.close()
                self._connection = None
                if fresh or not again:  # else it was kept too long, and the server closed it
                    raise
            except BaseException:
                self._connection.close()
                self._connection = None
                raise
        raise AssertionError("unreachable")

    def alive(self) -> None:
        """It still answers a plain question, and its log holds no stack trace. Raises Fault."""
        answer = self._send("GET", "/health", None, {})
        if answer.status != 200:
            raise Fault(f"/health: {answer.status} {answer.body!r}")
        self.read_log()

    def read_log(self) -> None:
        """Raises Fault for a stack trace that was logged since the last look."""
        with self.api.log.open("rb") as log:
            log.seek(self._read)
            said = log.read()
        self._read += len(said)
        if found := TRACE.search(said):
            raise Fault(f"a stack trace in the log: {said[max(0, found.start() - 1500) : found.end() + 2500].decode(errors='replace')}")

    def wire(self, data: bytes) -> bytes:
        """Raw bytes over a connection of their own; what comes back until it ends or is silent for a second. Raises Fault."""
        with socket.create_connection(self.address, timeout=PATIENCE) as connection:
            connection.settimeout(1.0)
            answer = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    answer += part
            except (TimeoutError, OSError):
                pass
        if TRACE.search(answer) or re.match(rb"HTTP/1\.\d 500", answer):
            raise Fault(f"{data!r}: {answer[:1000]!r}")
        return answer

    def table(self) -> str:
        """Counts by kind, in Markdown."""
        lines = ["| kind | asked | 2xx, 3xx | 4xx | explained 503 | other |", "|---|--:|--:|--:|--:|--:|"]
        for kind, asked in sorted(self.kinds.items()):
            found = Counter()
            for (of, outcome), count in self.counts.items():
                if of == kind:
                    found["503" if outcome == "503" else f"{outcome[0]}xx" if outcome.isdigit() else "other"] += count
            lines.append(f"| {kind} | {asked:,} | {found['2xx'] + found['3xx']:,} | {found['4xx']:,} | {found['503']:,} | {found['other']:,} |")
        return "\n".join([*lines, f"| all | {self.asked:,} | | | | |", "", f"slowest answer {self.slowest:.2f} s"])


def _code(answer: Answer) -> str | None:
    try:
        said = json.loads(answer.body)
        return said["code"] if "error" in said else None
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def world_on(database: Database, redis_url: str, folder: Path) -> Iterator[World]:
    """The API on this database, which gets rows of two users in every table."""
    with sql_client(database) as sql:
        users = filling.fill(sql, ["ada@example.com", "bob@example.com"])
        ids = {name: str(sql.value(f"select id from {table} where user_id = %s limit 1", users[0])) for name, table in ROWS.items()}
        sql.run("update tasks set project_id = %s where id = %s", ids["project_id"], ids["task_id"])
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "OTEL", "SENTRY"))}
    env = {**clean, **SETTINGS, "DATABASE_URL": database.url, "REDIS_URL": redis_url}
    with running_api(env, folder) as api:
        yield World(api, database.url, {"user_id": str(users[0]), **ids}, [str(user) for user in users])


@contextmanager
def own_world(folder: Path) -> Iterator[World]:
    """The same on servers of its own."""
    redis = RedisServer()
    redis.start(folder / "redis.log")
    try:
        with (
            postgres(folder, session_binaries()) as server,
            new_database(server, migrated_template(server)) as database,
            world_on(database, redis.url, folder) as world,
        ):
            yield world
    finally:
        redis.stop()


