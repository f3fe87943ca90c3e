"""Twilio on this machine: takes messages over its REST API, remembers them, and misbehaves on demand.

with twilio_server() as twilio:
    twilio.answers.append(429)                        # the next request; then good ones again
    TwilioSms(plain_settings(**twilio.settings()))
    twilio.messages[0].body
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ACCOUNT, TOKEN, SERVICE = "AC" + "a" * 32, "twilio-test-token", "MG" + "b" * 32
# What Twilio says with each status: (code, message).
SAID = {
    400: (21211, "The 'To' number is not a valid phone number."),
    401: (20003, "Authenticate"),
    403: (20003, "Permission Denied"),
    404: (20404, "The requested resource was not found"),
    429: (20429, "Too Many Requests"),
    500: (20500, "An internal server error has occurred"),
    503: (20503, "Service unavailable"),
    21610: (21610, "Attempt to send to unsubscribed recipient"),
}


@dataclass
class Taken:
    """A message that Twilio has."""

    sid: str
    to: str
    body: str
    service: str
    callback: str | None
    made: datetime
    status: str = "accepted"

    def as_json(self) -> dict[str, Any]:
        return {
            "sid": self.sid, "account_sid": ACCOUNT, "to": self.to, "body": self.body, "messaging_service_sid": self.service,
            "status": self.status, "date_created": format_datetime(self.made), "date_updated": format_datetime(self.made),
            "date_sent": None, "direction": "outbound-api", "error_code": None, "error_message": None, "num_segments": "0",
            "num_media": "0", "price": None, "price_unit": "USD", "from": None, "api_version": "2010-04-01",
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{self.sid}.json", "subresource_uris": {},
        }  # fmt: skip


@dataclass
class TwilioServer:
    """`answers` are used up one by one: a status, 21610, "silence" (taken, no answer), "lost" (not taken, no answer), "html"."""

    url: str = ""
    messages: list[Taken] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    requests: int = 0
    clock: datetime | None = None

    def settings(self, **more: Any) -> dict[str, Any]:
        """The settings that lead here."""
        return {
            "private_twilio_account_sid": ACCOUNT, "private_twilio_auth_token": TOKEN,
            "private_twilio_messaging_service_sid": SERVICE, "twilio_base_url": self.url, **more,
        }  # fmt: skip

    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        return {name.upper(): str(value) for name, value in self.settings().items()}

    def take(self, form: dict[str, list[str]]) -> Taken:
        taken = Taken(
            f"SM{len(self.messages) + 1:032x}", form["To"][0], form["Body"][0], form["MessagingServiceSid"][0],
            form.get("StatusCallback", [None])[0], self.clock or datetime.now(UTC),
        )  # fmt: skip
        self.messages.append(taken)
        return taken


@contextmanager
def twilio_server() -> Iterator[TwilioServer]:
    """Twilio's API on a free port of 127.0.0.1."""
    twilio = TwilioServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            twilio.requests += 1
            answer = twilio.answers.pop(0) if twilio.answers else 201
            if not self._known():
                answer = 401
            elif not re.fullmatch(rf"/2010-04-01/Accounts/{ACCOUNT}/Messages\.json", self.path):
                answer = 404
            if answer == 201:
                self._send(201, twilio.take(form).as_json())
            elif answer == "silence":
                twilio.take(form)
                self._hang_up()
            elif answer == "lost":
                self._hang_up()
            elif answer == "html":
                self._send(502, "<html>Bad Gateway</html>")
            else:
                code, message = SAID[int(answer)]
                status = 400 if int(answer) > 999 else int(answer)
                self._send(status, {"code": code, "message": message, "more_info": "", "status": status})

        def do_GET(self) -> None:
            twilio.requests += 1
            if twilio.answers and isinstance(twilio.answers[0], int):
                self._send(int(twilio.answers.pop(0)), {"code": 20500, "message": "no", "status": 500})
                return
            to = parse_qs(urlsplit(self.path).query).get("To", [None])[0]
            found = [each.as_json() for each in reversed(twilio.messages) if each.to == to]
            self._send(200, {"messages": found, "page": 0, "page_size": 50, "next_page_uri": None, "uri": self.path})

        def _known(self) -> bool:
            expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
            return self.headers.get("Authorization") == f"Basic {expected}"

        def _send(self, status: int, body: dict[str, Any] | str) -> None:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if isinstance(body, dict) else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    twilio.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield twilio
    finally:
        server.shutdown()
        server.server_close()
