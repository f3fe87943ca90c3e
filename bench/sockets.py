"""Browsers without a browser: just enough of WebSocket, Engine.IO 4 and Socket.IO 5 to hold thousands of connections in one process."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

Heard = Callable[[str, float, str, Any], None]  # user, moment, event, payload

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Socket:
    """One browser of one user. `heard` is called for every event."""

    def __init__(self, url: str, user: str, heard: Heard):
        self._url, self._user, self._heard = urlsplit(url), user, heard

    async def open(self) -> None:
        """Connect and subscribe. Raises OSError when the server refuses."""
        host, port = self._url.hostname, self._url.port
        self._reader, self._writer = await asyncio.open_connection(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        self._writer.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise OSError(head.decode(errors="replace"))
        await self._until("0")
        self._send("40" + json.dumps({"userId": self._user}))
        await self._until("40")
        self._send("421" + json.dumps(["subscribe", {"channel": f"user:{self._user}"}]))
        answer = await self._until("431")
        if "SUBSCRIBED" not in answer:
            raise OSError(answer)

    async def listen(self) -> None:
        """Hear events until the connection ends."""
        try:
            while True:
                self._take(await self._read())
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def _take(self, text: str) -> None:
        if text == "2":
            self._send("3")
        elif text.startswith("42"):
            event, payload = json.loads(text[2:])
            self._heard(self._user, time.time(), event, payload)

    async def _until(self, prefix: str) -> str:
        while not (text := await self._read()).startswith(prefix):
            self._take(text)
        return text

    async def _read(self) -> str:
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 127
            if length == 126:
                (length,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
            body = await self._reader.readexactly(length)
            kind = first & 15
            if kind == _TEXT:
                return body.decode()
            if kind == _PING:
                self._frame(_PONG, body)
            elif kind == _CLOSE:
                raise ConnectionError("closed by the server")

    def _send(self, text: str) -> None:
        self._frame(_TEXT, text.encode())

    def _frame(self, kind: int, body: bytes) -> None:
        length = bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0xFE]) + struct.pack(">H", len(body))
        # A mask of zeros is a mask: the server undoes it all the same.
        self._writer.write(bytes([0x80 | kind]) + length + bytes(4) + body)


class Crowd:
    """Many browsers on a loop of their own thread; everything heard lands in `heard` as (user, moment, event, payload)."""

    def __init__(self, url: str, users: list[str]):
        self.heard: list[tuple[str, float, str, Any]] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="crowd", daemon=True).start()
        self._listening: list[asyncio.Future[None]] = []
        self._sockets = [Socket(url, user, lambda *event: self.heard.append(event)) for user in users]

    def connect(self, at_once: int = 50) -> float:
        """Open all, some at a time; returns the seconds it took."""
        begun = time.perf_counter()
        asyncio.run_coroutine_threadsafe(self._connect(at_once), self._loop).result(300)
        return time.perf_counter() - begun

    async def _connect(self, at_once: int) -> None:
        gate = asyncio.Semaphore(at_once)

        async def one(socket: Socket) -> None:
            async with gate:
                await socket.open()

        await asyncio.gather(*(one(socket) for socket in self._sockets))
        self._listening = [asyncio.ensure_future(socket.listen()) for socket in self._sockets]

    def close(self) -> None:
        """Hang up on all."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _close(self) -> None:
        for socket in self._sockets:
            socket.close()
        await asyncio.gather(*self._listening, return_exceptions=True)
