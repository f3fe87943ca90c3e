"""An identity provider: keys of its own, their public halves at an address on this machine, and tokens signed with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://id.example.com/auth/v1"


@cache
def private_key(name: str) -> Any:
    """A key pair by name: `weak…` is RSA of 1024 bits, `rsa…` RSA, every other is on P-256."""
    if name.startswith(("rsa", "weak")):
        return rsa.generate_private_key(65537, 1024 if name.startswith("weak") else 2048)
    return ec.generate_private_key(ec.SECP256R1())


def algorithm(name: str) -> str:
    return "RS256" if name.startswith(("rsa", "weak")) else "ES256"


def public_jwk(name: str) -> dict[str, Any]:
    """What is published of it."""
    of = RSAAlgorithm if algorithm(name) == "RS256" else ECAlgorithm
    return {**of.to_jwk(private_key(name).public_key(), as_dict=True), "kid": name, "use": "sig", "alg": algorithm(name)}


def signed(name: str, user_id: Any, *, kid: str | None = None, alg: str | None = None, key: Any = None, **claims: Any) -> str:
    """A token of a user; each part can be made wrong. A claim that is None is left out."""
    said = {"sub": str(user_id), "aud": "authenticated", "role": "authenticated", "iss": ISSUER,
            "exp": datetime.now(UTC) + timedelta(hours=1)} | claims  # fmt: skip
    said = {claim: value for claim, value in said.items() if value is not None}
    return jwt.encode(said, key or private_key(name), algorithm=alg or algorithm(name), headers={"kid": kid or name})


class Provider:
    """`published`: names of keys, or whole entries of the set. `asked` counts the looks; `away` answers 500, `held` nothing."""

    def __init__(self, url: str) -> None:
        self.url, self.published, self.asked, self.away = url, ["rsa-1", "ec-1"], 0, False
        self.held = threading.Event()
        self.held.set()

    def answer(self) -> tuple[int, bytes]:
        self.asked += 1
        self.held.wait(20)
        keys = [public_jwk(one) if isinstance(one, str) else one for one in self.published]
        return (500, b"away") if self.away else (200, json.dumps({"keys": keys}).encode())


@contextmanager
def identity_provider() -> Iterator[Provider]:
    """Serve the keys until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = provider.answer()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}/jwks.json")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        provider.held.set()
        server.shutdown()
        server.server_close()
