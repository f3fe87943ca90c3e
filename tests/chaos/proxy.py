"""A TCP proxy whose wires can be cut, held, made deaf, or cut at the very moment of a commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

COMMIT = b"COMMIT\x00"


@dataclass(eq=False)
class _Wire:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    deaf: bool = False  # half-open: stays, and carries nothing any more
    committing: bool = False
    tasks: list[asyncio.Task] = field(default_factory=list)


class Proxy:
    """Forwards `127.0.0.1:port` to a server's port. All methods may be called from any thread."""

    def __init__(self, target: int):
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flows = asyncio.Event()
        self._flows.set()
        self._refusing = False
        self._losing: tuple[bytes, Callable[[], None]] | None = None
        self._wires: set[_Wire] = set()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, name="proxy", daemon=True).start()
        self._ready.wait()

    def pause(self) -> None:
        """Hold everything back in both directions; connections stay, new ones open and hear nothing."""
        self._call(self._flows.clear)

    def resume(self) -> None:
        """Let everything flow again, what was held back first."""
        self._call(self._flows.set)

    def cut(self) -> None:
        """Close every connection."""
        self._call(lambda: [self._close(wire) for wire in list(self._wires)])

    def deafen(self, seconds: float | None = None) -> None:
        """Make every connection half-open: neither side hears anything again, new connections work.

        After `seconds` both ends are closed, as their kernels do once keepalives go unanswered.
        """

        def deafen() -> None:
            for wire in self._wires:
                wire.deaf = True
                if seconds is not None:
                    self._loop.call_later(seconds, self._close, wire)

        self._call(deafen)

    def refuse(self, on: bool) -> None:
        """Close every new connection at once, as a server does that is not there."""
        self._refusing = on

    def lose_answer_of_commit(self, then: Callable[[], None] = lambda: None) -> None:
        """Let the next COMMIT through, lose its answer with its connection, and call `then` in between."""
        self._losing = (COMMIT, then)

    def lose_answer_of(self, words: str, then: Callable[[], None] = lambda: None) -> None:
        """The same for the next statement that holds these words."""
        self._losing = (words.encode(), then)

    def calm(self) -> None:
        """No fault is left but the wires that are deaf for good: those are closed."""
        self._losing = None
        self._refusing = False
        self._call(lambda: [self._close(wire) for wire in list(self._wires) if wire.deaf])
        self.resume()

    def close(self) -> None:
        """End the proxy and every connection through it."""
        self._flows.set()
        self.cut()
        self._call(lambda: self._loop.call_later(0.1, self._loop.stop))

    def _call(self, function: Callable) -> None:
        self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.close()
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        wire = _Wire(writer, to_server)
        self._wires.add(wire)
        wire.tasks = [
            asyncio.create_task(self._pump(wire, reader, to_server, to_client=False)),
            asyncio.create_task(self._pump(wire, from_server, writer, to_client=True)),
        ]

    async def _pump(
        self, wire: _Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to_client: bool
    ) -> None:
        try:
            while data := await reader.read(65536):
                await self._flows.wait()
                if wire.deaf:
                    continue
                if to_client and wire.committing:
                    self._answer_lost(wire)
                    return
                if not to_client and self._losing is not None and self._losing[0] in data:
                    wire.committing = True
                writer.write(data)
                await writer.drain()
            await self._flows.wait()  # an end is a message too
        except (OSError, asyncio.CancelledError):
            pass
        if not wire.deaf:
            self._close(wire)

    def _answer_lost(self, wire: _Wire) -> None:
        losing, self._losing = self._losing, None
        if losing is not None:
            losing[1]()
        self._close(wire)

    def _close(self, wire: _Wire) -> None:
        self._wires.discard(wire)
        for writer in (wire.client, wire.server):
            writer.transport.abort()
        for task in wire.tasks:
            if task is not asyncio.current_task(self._loop):
                task.cancel()
