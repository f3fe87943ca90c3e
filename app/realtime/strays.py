"""What no browser of ours sends over Socket.IO: it costs its sender the connection at most, and us one line of the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from engineio.packet import Packet as Frame
from socketio import Server
from socketio.packet import BINARY_EVENT, EVENT, Packet

RESERVED = frozenset({"connect", "connect_error", "disconnect", "__disconnect_final"})  # what the library calls handlers by


class Message(Packet):
    """A packet of Socket.IO whose event has a name that a browser may use: the library would look up whatever stands in its place,
    and call the handler of `connect` for an event of that name."""

    def decode(self, encoded_packet: Any) -> int:
        attachments = super().decode(encoded_packet)
        if self.packet_type in (EVENT, BINARY_EVENT):
            name = self.data[0] if isinstance(self.data, list) and self.data else None
            if not isinstance(name, str) or name in RESERVED:
                raise ValueError("not the name of an event")
        return attachments


def expect_strays(server: Server) -> None:
    """Have a server cope with what is no packet, and with who speaks out of turn. Left to itself, Engine.IO

    - lets a malformed frame of a websocket escape to the web server, with a stack trace and the session left behind;
    - answers a malformed request by closing the session and waiting until its sender has fetched the goodbye, for ever if need be;
    - answers 500 to a request on a session that is closed and not yet swept away;
    - logs a stack trace for anything it cannot read.
    """
    eio, handle = server.eio, server.eio.handle_request
    eio._async = {**eio._async, "websocket": _careful(eio._async["websocket"])}

    def disconnect(sid: str | None = None) -> None:
        """As Engine.IO's own, but nobody waits for the other side."""
        for session in [eio.sockets.get(sid)] if sid is not None else list(eio.sockets.values()):
            if session is not None:
                session.close(wait=False, reason=eio.reason.SERVER_DISCONNECT)

    def handle_request(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """As Engine.IO's own, which answers 400 for sessions that it does not find."""
        for sid in parse_qs(environ.get("QUERY_STRING", "")).get("sid", ()):
            if (session := eio.sockets.get(sid)) is not None and session.closed:
                eio.sockets.pop(sid, None)
        return handle(environ, start_response)

    eio.disconnect, eio.handle_request = disconnect, handle_request
    for logger in (eio.logger, server.logger):
        logger.handlers.clear()  # what it says goes where all goes
        logger.addFilter(_in_one_line)


def _careful(inner: type) -> type:
    """A websocket that ends at the first frame that is no packet: Engine.IO clears up after one whose reading fails."""

    class Careful(inner):  # type: ignore[misc,valid-type]
        def wait(self) -> Any:
            frame = super().wait()
            if frame is not None:
                Frame(encoded_packet=frame)
            return frame

    return Careful


def _in_one_line(record: logging.LogRecord) -> bool:
    """Say what was wrong with a stray without a stack trace; one that leads through our own code is a fault of ours and stays."""
    if record.exc_info and (error := record.exc_info[1]) is not None and not _is_ours(error):
        record.msg, record.args = "a stray on a socket: %s: %s", (record.getMessage(), type(error).__name__)
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.exc_info = record.exc_text = None
    return True


def _is_ours(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.startswith("app.") and name != __name__:
            return True
        trace = trace.tb_next
    return False
