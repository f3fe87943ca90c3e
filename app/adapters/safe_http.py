"""POST to an address that somebody else chose, without being led astray: no redirects, no proxies, no inner network.

The name is looked up once, the address found is checked, and the connection goes to that very address, so that a name
which changes its mind between check and use gains nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.settings import is_loopback

LARGEST_REPLY = 64 * 1024  # bytes read of a reply; the rest is nobody's business


class ForbiddenTarget(Exception):
    """An address we do not post to. The message says why."""


class NoReply(Exception):
    """The other side cannot be reached, or fell silent. `handed_over`: the request may have arrived."""

    def __init__(self, message: str, *, handed_over: bool):
        super().__init__(message)
        self.handed_over = handed_over


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the beginning of a body."""

    status: int
    body: bytes


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    *,
    timeout: float,
    allow_insecure: bool = False,
    allow_this_machine: bool = True,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """POST `body`, all in `timeout` seconds. Raises ForbiddenTarget or NoReply; any status is a reply.

    Without `allow_insecure` the target is https on a public address, or this machine where an operator chose the address;
    where users do, `allow_this_machine` is False.
    """
    deadline = time.monotonic() + timeout
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not host:
        raise ForbiddenTarget("it is no http or https address")
    here = allow_this_machine and is_loopback(host)
    if not secure and not here and not allow_insecure:
        raise ForbiddenTarget("it is not https")
    address = _address(host, parts.port or (443 if secure else 80), here, allow_insecure)
    connection = _Pinned(host, address, timeout, (tls or ssl.create_default_context()) if secure else None)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = False
    try:
        connection.connect()
        sent = True
        connection.request("POST", path, body, {"Host": parts.netloc.rpartition("@")[2], **headers})
        connection.sock.settimeout(max(0.1, deadline - time.monotonic()))
        response = connection.getresponse()
        return Reply(response.status, _read(response, connection, deadline))
    except ssl.SSLCertVerificationError as error:
        raise NoReply(f"its certificate is not valid: {error.verify_message}", handed_over=False) from None
    except (OSError, http.client.HTTPException) as error:
        raise NoReply(_in_words(error), handed_over=sent) from None
    finally:
        connection.close()


def _address(host: str, port: int, here: bool, allow_insecure: bool) -> tuple[str, int]:
    """The address to connect to, checked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise NoReply("its name cannot be found", handed_over=False) from None
    addresses = [entry[4][0] for entry in found]
    for address in addresses:
        ip = ip_address(address.split("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        # A name that is not this machine's has no business leading here.
        allowed = ip.is_loopback if here else ip.is_global and not ip.is_multicast
        if not (allowed or (allow_insecure and not (ip.is_link_local or ip.is_multicast or ip.is_unspecified))):
            raise ForbiddenTarget("it leads into an inner network")
    return addresses[0], port


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name it was looked up by."""

    def __init__(self, host: str, address: tuple[str, int], timeout: float, tls: ssl.SSLContext | None):
        super().__init__(host, address[1], timeout=timeout)
        self._address, self._tls_context = address, tls

    def connect(self) -> None:
        self.sock = socket.create_connection(self._address, self.timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls_context is not None:
            self.sock = self._tls_context.wrap_socket(self.sock, server_hostname=self.host)


def _read(response: http.client.HTTPResponse, connection: _Pinned, deadline: float) -> bytes:
    """The beginning of the body; a reply whose status came counts also when its body never ends."""
    body = b""
    try:
        while len(body) < LARGEST_REPLY and (left := deadline - time.monotonic()) > 0:
            if connection.sock is not None:
                connection.sock.settimeout(left)
            chunk = response.read1(8192)
            if not chunk:
                break
            body += chunk
    except (OSError, http.client.HTTPException):
        pass
    return body


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, http.client.HTTPException):
        return "its answer is no HTTP"
    return f"it cannot be reached ({type(error).__name__})"
