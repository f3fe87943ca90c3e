"""HTTP to an address that somebody else chose, without being led astray: no redirects, no proxies, no inner network.

The name is looked up once, the address found is checked, and the connection goes to that very address, so that a name
which changes its mind between check and use gains nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
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
    """A status and the beginning of a body. `headers` are by lower-case name."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


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
    target = _target(url, allow_insecure, own_machine=allow_this_machine)
    return _exchange("POST", target, body, headers, timeout, tls, LARGEST_REPLY)


def get(
    url: str,
    headers: dict[str, str],
    *,
    timeout: float,
    largest: int,
    allow_insecure: bool = False,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """GET, likewise, with at most `largest` bytes of the body and one more where there is more.

    Without `allow_insecure` the target is https on a public address: never this machine, as anybody may ask for it. Raises
    NoReply also where the body stops before its end.
    """
    return _exchange("GET", _target(url, allow_insecure, own_machine=False), None, headers, timeout, tls, largest + 1)


@dataclass(frozen=True, slots=True)
class _Target:
    """An address that was checked, and what is asked of it."""

    host: str
    address: tuple[str, int]
    secure: bool
    path: str
    host_header: str


def _target(url: str, allow_insecure: bool, *, own_machine: bool) -> _Target:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ForbiddenTarget("it is no http or https address") from None
    secure = parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or any(char <= " " for char in url):
        raise ForbiddenTarget("it is no http or https address")
    if not secure and not (own_machine and is_loopback(host)) and not allow_insecure:
        raise ForbiddenTarget("it is not https")
    address = _address(host, port or (443 if secure else 80), allow_insecure, own_machine)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(host, address, secure, path, parts.netloc.rpartition("@")[2])


def _exchange(
    method: str,
    target: _Target,
    body: bytes | None,
    headers: dict[str, str],
    timeout: float,
    tls: ssl.SSLContext | None,
    largest: int,
) -> Reply:
    deadline = time.monotonic() + timeout
    context = (tls or ssl.create_default_context()) if target.secure else None
    connection = _Pinned(target.host, target.address, timeout, context)
    sent = False
    try:
        connection.connect()
        sent = True
        connection.request(method, target.path, body, {"Host": target.host_header, **headers})
        connection.sock.settimeout(max(0.1, deadline - time.monotonic()))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, _read(response, connection, deadline, largest, whole=method == "GET"), found)
    except ssl.SSLCertVerificationError as error:
        raise NoReply(f"its certificate is not valid: {error.verify_message}", handed_over=False) from None
    except (OSError, http.client.HTTPException) as error:
        raise NoReply(_in_words(error), handed_over=sent) from None
    finally:
        connection.close()


def _address(host: str, port: int, allow_insecure: bool, own_machine: bool) -> tuple[str, int]:
    """The address to connect to, checked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoReply("its name cannot be found", handed_over=False) from None
    addresses = [entry[4][0] for entry in found]
    for address in addresses:
        ip = _meant(ip_address(address.split("%")[0]))
        # A name that is not this machine's has no business leading here.
        allowed = own_machine and ip.is_loopback if is_loopback(host) else ip.is_global and not ip.is_multicast
        if not (allowed or (allow_insecure and not (ip.is_link_local or ip.is_multicast or ip.is_unspecified))):
            raise ForbiddenTarget("it leads into an inner network")
    return addresses[0], port


NAT64 = ip_network("64:ff9b::/96")


def _meant(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does: a gateway would lead there."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


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


def _read(
    response: http.client.HTTPResponse, connection: _Pinned, deadline: float, largest: int, *, whole: bool
) -> bytes:
    """The beginning of the body. Unless the `whole` is wanted, a reply whose status came counts also when its body never ends."""
    chunks, size = [], 0
    try:
        while size < largest:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            chunk = response.read1(min(65536, largest - size))
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
    except (OSError, http.client.HTTPException):
        if whole:
            raise
    if whole and size < largest and response.length:  # fewer bytes than were announced
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(chunks)


def _in_words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, http.client.HTTPException):
        return "its answer is no HTTP"
    return f"it cannot be reached ({type(error).__name__})"
