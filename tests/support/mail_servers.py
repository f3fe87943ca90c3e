"""Where mail goes in tests: an SMTP server and a web app's webhook, both on this machine and speaking the real protocol."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class SmtpServer:
    """Collects what it is sent. `answers` gives the reply to a stage (`MAIL`, `RCPT`, `DATA`); `after_data` runs before the last one."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}
        self.tls_seen: list[bool] = []
        self.after_data: Callable[[], None] = lambda: None
        self.port = 0

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if "MAIL" not in self.answers:
            envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.tls_seen.append(session.ssl is not None)
        self.after_data()
        if self.answers.get("END") == "silence":
            server.transport.close()
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        login = data.login.decode(), data.password.decode()
        self.logins.append(login)
        return AuthResult(success=login == ("ada", "s3cret"), handled=False)


@contextmanager
def smtp_server(**options: Any) -> Iterator[SmtpServer]:
    """An SMTP server on a free port of 127.0.0.1; `options` are aiosmtpd's."""
    server = SmtpServer()

    class OnAnyPort(Controller):
        def _trigger_server(self) -> None:  # the port is known only now
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = OnAnyPort(server, hostname="127.0.0.1", port=0, authenticator=server.authenticate, **options)
    controller.start()
    server.port = controller.port
    try:
        yield server
    finally:
        controller.stop()


@dataclass
class Call:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """The other side of the webhook. `answers` are used one by one, the last one again and again; it sends a delivery id once."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=lambda: [200])
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self) -> int | str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def webhook_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """An HTTP server on a free port of 127.0.0.1."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            receiver.calls.append(call)
            answer = receiver.answer()
            if answer in (200, "accept and fall silent"):
                receiver.sent.setdefault(call.json["deliveryId"], call.json)
            if isinstance(answer, str):
                self.close_connection = True
                return
            reply = json.dumps({"success": answer == 200, "messageId": f"<there-{call.json['deliveryId']}>"}).encode()
            self.send_response(answer)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that only `client` trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    file: Path


def make_certificate(folder: Path) -> Certificate:
    """A self-signed certificate and its two sides."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, private = folder / "mail.crt", folder / "mail.key"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(crt, private)
    return Certificate(server, ssl.create_default_context(cafile=str(crt)), crt)
