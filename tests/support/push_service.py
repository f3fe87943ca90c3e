"""Where pushes go in tests: a browser with its keys, and a push service on this machine that checks who sends and decrypts."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass
class Browser:
    """A browser that has subscribed at `endpoint`."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def p256dh(self) -> str:
        return base64url(self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @property
    def auth(self) -> str:
        return base64url(self.secret)

    def as_json(self) -> dict[str, Any]:
        """What `JSON.stringify(subscription)` gives."""
        keys = {"p256dh": self.p256dh, "auth": self.auth}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> dict[str, Any]:
        """Decrypt what was pushed."""
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm")
        return json.loads(plain)


@dataclass
class Arrived:
    """A request: to which path, with which headers, and who signed it."""

    path: str
    headers: dict[str, str]
    body: bytes
    claims: dict[str, Any]


@dataclass
class PushService:
    """Takes pushes. `answers` by path, used one by one, the last one again and again; 201 where nothing is said.

    "silence" takes the push and never answers.
    """

    url: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    answers: dict[str, list[int | str]] = field(default_factory=dict)
    taken: list[tuple[str, bytes]] = field(default_factory=list)

    def browser(self, name: str = "ada", *answers: int | str) -> Browser:
        """A browser whose pushes are answered like this."""
        if answers:
            self.answers[f"/push/{name}"] = list(answers)
        return Browser(f"{self.url}/push/{name}")

    def answer(self, path: str) -> int | str:
        answers = self.answers.get(path, [201])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def signer(authorization: str, audience: str) -> dict[str, Any]:
    """The claims of a VAPID header (RFC 8292). Raises jwt's errors when the signature is not its key's."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid", authorization
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    point = base64.urlsafe_b64decode(parts["k"] + "==")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    return {**jwt.decode(parts["t"], key, algorithms=["ES256"], audience=audience), "key": parts["k"].rstrip("=")}


@contextmanager
def push_service() -> Iterator[PushService]:
    """A push service on a free port of 127.0.0.1."""
    service = PushService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                claims = signer(headers.get("authorization", ""), service.url)
                answer = service.answer(self.path) if len(body) <= 4096 else 413
            except (jwt.PyJWTError, AssertionError, KeyError, ValueError):
                claims, answer = {}, 401
            service.arrived.append(Arrived(self.path, headers, body, claims))
            if answer in (201, "silence"):
                service.taken.append((self.path, body))
            if isinstance(answer, str):
                self.close_connection = True
                return
            self.send_response(answer)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
