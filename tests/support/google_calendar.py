"""Google's Calendar API and OAuth on this machine: pages, sync tokens that are forgotten, versions, channels that call back.

It knows one account with one calendar. What is written here, by the API or by `put` and `drop` (another device of the user), gets a
new version, an etag and an `updated` time, and every open channel is called.
"""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import requests

CALENDAR = "ada@example.com"
CLIENT = {"google_client_id": "client-1", "google_client_secret": "client-secret-1"}
BASE = "/calendar/v3"


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass
class Google:
    """The other side. `failures` are answered one by one, before anything else is looked at."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    url: str = ""
    page_size: int = 250
    channel_life: float = 7 * 86400
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    version: int = 0
    oldest_token: int = 0
    access: set[str] = field(default_factory=set)
    refresh: set[str] = field(default_factory=set)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # METHOD path?query
    called: list[tuple[dict[str, str], int]] = field(default_factory=list)  # headers of a call, and the answer
    before: Callable[[str, str], None] = lambda method, path: None
    number: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: queue.Queue = queue.Queue()

    def settings(self) -> dict[str, str]:
        """What points our adapter here."""
        addresses = {"consent": "/auth", "token": "/token", "revoke": "/revoke", "calendar": BASE}
        return {**CLIENT, **{f"google_{name}_url": self.url + path for name, path in addresses.items()}}

    def put(self, event_id: str, **event: Any) -> dict[str, Any]:
        """Another device of the user's makes or changes an event."""
        with self.lock:
            said = {} if event.get("status") == "cancelled" else {"summary": event_id, "status": "confirmed"}
            return self._write(event_id, {**said, **event})

    def change(self, event_id: str, **fields: Any) -> dict[str, Any]:
        """Another device changes some fields."""
        with self.lock:
            return self._write(event_id, {**self.events[event_id], **fields})

    def drop(self, event_id: str) -> None:
        """Another device deletes an event."""
        with self.lock:
            kept = {key: self.events[event_id][key] for key in ("recurringEventId", "originalStartTime") if key in self.events[event_id]}
            self._write(event_id, {**kept, "status": "cancelled"})

    def forget(self) -> None:
        """Sync tokens given out so far are worth nothing any more (410)."""
        self.oldest_token = self.version + 1
        self.version += 1

    def settle(self) -> None:
        """Wait until every channel has been called."""
        self.calls.join()

    def consent(self, url: str) -> str:
        """The user says yes on Google's page: where the browser is sent back to."""
        return requests.get(url, allow_redirects=False, timeout=10).headers["Location"]

    def _write(self, event_id: str, event: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.versions[event_id] = self.version
        stamp = self.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.events[event_id] = {**event, "id": event_id, "etag": f'"{self.version}"', "updated": stamp, "kind": "calendar#event"}
        for channel in list(self.channels.values()):
            self._call(channel, "exists")
        return self.events[event_id]

    def _call(self, channel: dict[str, Any], state: str) -> None:
        if channel["ends"] > self.now().timestamp():
            channel["number"] += 1
            headers = {
                "X-Goog-Channel-ID": channel["id"], "X-Goog-Channel-Token": channel.get("token", ""), "X-Goog-Resource-State": state,
                "X-Goog-Resource-ID": channel["resource"], "X-Goog-Message-Number": str(channel["number"]),
            }  # fmt: skip
            self.calls.put((channel["address"], headers))

    def call_back(self) -> None:
        """The thread that calls channels."""
        while (item := self.calls.get()) is not None:
            try:
                answer = requests.post(item[0], headers=item[1], timeout=10)
                self.called.append((item[1], answer.status_code))
            except requests.RequestException:
                self.called.append((item[1], 0))
            finally:
                self.calls.task_done()
        self.calls.task_done()

    # OAuth

    def authorize(self, query: dict[str, str]) -> str:
        assert query["client_id"] == CLIENT["google_client_id"] and query["response_type"] == "code"
        self.number += 1
        code = f"code-{self.number}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code, 'scope': query['scope']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        if (form.get("client_id"), form.get("client_secret")) != tuple(CLIENT.values()):
            raise Refusal(401, "invalid_client")
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh:
                raise Refusal(400, "invalid_grant")
            return self._tokens("")
        asked = self.codes.pop(form["code"], None)
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            raise Refusal(400, "invalid_grant")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or asked["code_challenge_method"] != "S256":
            raise Refusal(400, "invalid_grant")
        lasting = asked.get("access_type") == "offline" and asked.get("prompt") == "consent"
        return {**self._tokens("refresh-1" if lasting else ""), "scope": asked["scope"]}

    def _tokens(self, refresh: str) -> dict[str, Any]:
        self.number += 1
        access = f"access-{self.number}"
        self.access.add(access)
        if refresh:
            self.refresh.add(refresh)
        return {"access_token": access, "expires_in": 3599, "token_type": "Bearer", **({"refresh_token": refresh} if refresh else {})}

    # The API

    def api(self, method: str, path: str, query: dict[str, str], body: dict[str, Any], if_match: str | None) -> dict[str, Any] | None:
        if path == "/channels/stop":
            if self.channels.pop(body["id"], None) is None:
                raise Refusal(404, "notFound")
            self.stopped.append(body["id"])
            return None
        parts = [unquote(part) for part in path.split("/")[1:]]
        if parts[0] != "calendars" or parts[1] not in (CALENDAR, "primary"):
            raise Refusal(404, "notFound")
        if len(parts) == 2:
            return {"id": CALENDAR, "summary": "Ada", "timeZone": "Europe/Berlin"}
        if parts[2:] == ["events"]:
            return self._list(query) if method == "GET" else self._insert(body)
        if parts[2:] == ["events", "watch"]:
            return self._watch(body)
        return self._one(method, parts[3], body, if_match)

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["singleEvents"] == "false"
        since, full = -1, "syncToken" not in query
        if not full:
            if "timeMin" in query:
                raise Refusal(400, "invalid")
            since = int(query["syncToken"].removeprefix("sync-"))
            if since < self.oldest_token:
                raise Refusal(410, "fullSyncRequired")
        conditions = hashlib.sha256(json.dumps({k: v for k, v in query.items() if k != "pageToken"}, sort_keys=True).encode()).hexdigest()[:8]
        start, upto = -1, self.version
        if "pageToken" in query:
            start, upto, same = query["pageToken"].split(".")
            start, upto = int(start), int(upto)
            if same != conditions or upto < self.oldest_token:
                raise Refusal(400, "invalid")
        found = [
            event for event_id, event in sorted(self.events.items(), key=lambda item: self.versions[item[0]])
            if max(since, start) < self.versions[event_id] <= upto and not (full and event["status"] == "cancelled" and "recurringEventId" not in event)
        ]  # fmt: skip
        size = min(self.page_size, int(query.get("maxResults", 250)))
        page = {"kind": "calendar#events", "timeZone": "Europe/Berlin", "items": found[:size]}
        if size < len(found):
            return {**page, "nextPageToken": f"{self.versions[found[size - 1]['id']]}.{upto}.{conditions}"}
        return {**page, "nextSyncToken": f"sync-{upto}"}

    def _insert(self, body: dict[str, Any]) -> dict[str, Any]:
        event_id = body.get("id") or f"made{self.version}"
        if not re.fullmatch(r"[a-v0-9]{5,1024}", event_id) or not {"start", "end"} <= body.keys():
            raise Refusal(400, "invalid")
        if event_id in self.events:
            raise Refusal(409, "duplicate")
        return self._write(event_id, {"status": "confirmed", **body})

    def _one(self, method: str, event_id: str, body: dict[str, Any], if_match: str | None) -> dict[str, Any] | None:
        if event_id not in self.events:
            raise Refusal(404, "notFound")
        event = self.events[event_id]
        if method == "GET":
            return event
        if if_match and if_match != event["etag"]:
            raise Refusal(412, "conditionNotMet")
        if event["status"] == "cancelled" and (method == "DELETE" or body.get("status") != "confirmed"):
            raise Refusal(410 if method == "DELETE" else 404, "deleted")
        if method == "DELETE":
            self._write(event_id, {"status": "cancelled"})
            return None
        return self._write(event_id, _patched(event, body))

    def _watch(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["id"] in self.channels:
            raise Refusal(400, "channelIdNotUnique")
        asked = int(body["expiration"]) / 1000
        ends = min(asked, self.now().timestamp() + self.channel_life)
        self.channels[body["id"]] = {**body, "resource": "resource-1", "number": 0, "ends": ends}
        self._call(self.channels[body["id"]], "sync")
        return {"kind": "api#channel", "id": body["id"], "resourceId": "resource-1", "expiration": str(int(ends * 1000))}


def _patched(event: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """JSON merge: null removes, objects go into each other."""
    result = dict(event)
    for name, value in body.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _patched(result.get(name) or {}, value) if isinstance(value, dict) else value
    return result


def _handler(google: Google) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            google.asked.append(f"{self.command} {self.path}")
            google.before(self.command, parts.path)
            try:
                if google.failures and parts.path != "/auth":
                    raise Refusal(*google.failures.pop(0))
                with google.lock:
                    self.reply(200, self.handle_path(parts.path, query, raw))
            except Refusal as refusal:
                said: Any = refusal.reason
                if parts.path.startswith(BASE):
                    said = {"code": refusal.status, "errors": [{"domain": "global", "reason": refusal.reason}], "message": "No."}
                self.reply(refusal.status, {"error": said})

        do_GET = do_POST = do_PATCH = do_DELETE = answer

        def handle_path(self, path: str, query: dict[str, str], raw: bytes) -> Any:
            form = {name: values[0] for name, values in parse_qs(raw.decode()).items()} if not path.startswith(BASE) else {}
            if path == "/auth":
                self.send_response(302)
                self.send_header("Location", google.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return ...
            if path == "/token":
                return google.token(form)
            if path == "/revoke":
                google.refresh.discard(form["token"])
                google.access.clear()
                return {}
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in google.access:
                raise Refusal(401, "authError")
            body = json.loads(raw) if raw else {}
            return google.api(self.command, path.removeprefix(BASE), query, body, self.headers.get("If-Match"))

        def reply(self, status: int, body: Any) -> None:
            if body is ...:
                return
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(204 if status == 200 and body is None else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def google_calendar(now: Callable[[], datetime] | None = None) -> Iterator[Google]:
    """The server, on a free port of 127.0.0.1; `now` is its clock."""
    google = Google(now=now) if now else Google()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(google))
    server.daemon_threads = True
    google.url = f"http://127.0.0.1:{server.server_port}"
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True),
        threading.Thread(target=google.call_back, daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield google
    finally:
        google.calls.put(None)
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
