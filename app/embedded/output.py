"""What the parts say: each line into the part's log file, and, in the foreground, to the terminal behind the part's name."""

from __future__ import annotations

import os
import selectors
import sys
from dataclasses import dataclass
from typing import BinaryIO

from app.embedded.home import Home

COLOURS = {"api": 32, "worker": 36, "beat": 35, "buildos": 1}
QUIET = {"postgres", "redis", "migrate"}  # heard in their log files alone
LONGEST_LINE = 64 * 1024  # bytes; a longer one is cut for the terminal


@dataclass
class _Stream:
    part: str
    log: BinaryIO
    rest: bytes = b""


class Output:
    """The pipes of all parts, read in one place. `echo` shows them on the terminal too."""

    def __init__(self, home: Home, *, echo: bool) -> None:
        self._home = home
        self._echo = echo
        self._colour = echo and sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._selector = selectors.DefaultSelector()
        self._own = home.fresh_log("buildos").open("ab")

    def open(self, part: str) -> int:
        """A pipe for a process of `part`: the end to write to, which the caller closes after the start."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._selector.register(reader, selectors.EVENT_READ, _Stream(part, self._home.fresh_log(part).open("ab")))
        return writer

    def say(self, line: str) -> None:
        """A line of our own."""
        self._own.write(line.encode() + b"\n")
        self._own.flush()
        self._show("buildos", line.encode())

    def pump(self, seconds: float) -> None:
        """Pass on what has come in; wait at most `seconds` for more."""
        for key, _ in self._selector.select(seconds):
            self._read(key.fd, key.data)

    def drain(self) -> None:
        """Pass on all that is waiting in the pipes, without waiting for more."""
        while ready := self._selector.select(0):
            for key, _ in ready:
                self._read(key.fd, key.data)

    def _read(self, fd: int, stream: _Stream) -> None:
        try:
            block = os.read(fd, 65536)
        except BlockingIOError:
            return
        if not block:
            self._selector.unregister(fd)
            os.close(fd)
            if stream.rest:
                self._show(stream.part, stream.rest)
            stream.log.close()
            return
        stream.log.write(block)
        stream.log.flush()
        *lines, stream.rest = (stream.rest + block).split(b"\n")
        for line in lines:
            self._show(stream.part, line)
        if len(stream.rest) > LONGEST_LINE:
            self._show(stream.part, stream.rest)
            stream.rest = b""

    def _show(self, part: str, line: bytes) -> None:
        if not self._echo or part in QUIET or not line.strip():
            return
        label = f"{part:<8} │ "
        if self._colour:
            label = f"\033[{COLOURS.get(part, 33)}m{label}\033[0m"
        try:
            sys.stdout.write(label + line.decode(errors="replace").rstrip("\r") + "\n")
            sys.stdout.flush()
        except (BrokenPipeError, OSError):
            self._echo = False  # the terminal is gone; the log files go on
