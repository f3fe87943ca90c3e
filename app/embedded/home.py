"""The data folder of `buildos up`: one supervisor at a time, its state for the other commands, its logs.

lock          held by the running supervisor; the kernel lets go of it however that ends
state.json    what runs (`State`), written by the supervisor alone, readable by its owner alone
off/PART      there while a part is to be off; made and removed by `buildos stop` and `buildos start`
logs/         one file a part
postgres/     the embedded database
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.embedded.processes import ProcessId, StartError

CHECKOUT = Path(__file__).parents[2]
LOG_BYTES = 10_000_000  # a larger log is put aside at the next start


@dataclass
class PartState:
    """One part as `buildos status` shows it. `since` is seconds since 1970."""

    name: str
    state: str
    address: str = ""
    process: ProcessId | None = None
    since: float = 0.0
    restarts: int = 0


@dataclass
class State:
    """A run: who supervises it, its parts and addresses; ports and passwords outlive it."""

    supervisor: ProcessId | None = None
    run: str = ""  # in the environment of every process of the run, as BUILDOS_RUN
    ready: bool = False
    parts: dict[str, PartState] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


class Home:
    """The folder, at `path` or in the checkout."""

    def __init__(self, path: str | None = None) -> None:
        self.folder = Path(os.path.abspath(Path(path).expanduser())) if path else CHECKOUT / ".buildos"
        self.logs = self.folder / "logs"
        self.off = self.folder / "off"
        self.postgres = self.folder / "postgres"
        self._state = self.folder / "state.json"
        self._lock = self.folder / "lock"

    def prepare(self) -> None:
        """Make the folder where it is missing. Raises StartError when it cannot be used."""
        try:
            for folder in (self.folder, self.logs, self.off):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except FileExistsError as error:
            raise self._broken(f"{error.filename} is not a folder") from None
        except OSError as error:
            raise self._broken(f"{(error.strerror or 'error').lower()}: {error.filename}") from None

    def _broken(self, why: str) -> StartError:
        return StartError(f"the data folder {self.folder} cannot be used ({why}); set BUILDOS_HOME to another one")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the one supervisor of this folder. Raises StartError when there is one already."""
        with self._open_lock() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = self.read().supervisor
                number = f" (process {who.pid})" if who else ""
                raise StartError(
                    f"already running{number} on {self.folder}: `buildos status` shows it, `buildos down` stops it"
                ) from None
            yield

    def running(self) -> bool:
        """Whether a supervisor holds the folder now."""
        if not self._lock.exists():
            return False
        with self._open_lock() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _open_lock(self):
        try:
            return self._lock.open("ab")
        except OSError as error:
            raise self._broken(f"{(error.strerror or 'error').lower()}: {error.filename}") from None

    def read(self) -> State:
        """What the last supervisor wrote; an empty state when there was none. Raises StartError when it is unreadable."""
        try:
            raw = json.loads(self._state.read_text(encoding="utf-8"))
            parts = {
                name: PartState(**{**part, "process": _process(part.get("process"))})
                for name, part in raw.get("parts", {}).items()
            }
            return State(**{**raw, "supervisor": _process(raw.get("supervisor")), "parts": parts})
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise self._broken(f"{(error.strerror or 'error').lower()}: {error.filename}") from None
        except (ValueError, TypeError, AttributeError):
            raise self._broken(f"{self._state} is damaged") from None

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        fresh = self._state.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=1)
        fresh.replace(self._state)

    def log(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.logs / f"{part}.log"

    def fresh_log(self, part: str) -> Path:
        """The same, after putting a large old one aside."""
        path = self.log(part)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def turned_off(self) -> set[str]:
        """Names of the parts that are to be off."""
        return set(os.listdir(self.off)) if self.off.is_dir() else set()

    def turn(self, part: str, *, on: bool) -> None:
        """Ask the supervisor to start or stop a part."""
        if on:
            (self.off / part).unlink(missing_ok=True)
        else:
            (self.off / part).touch()


def _process(raw: dict | None) -> ProcessId | None:
    return ProcessId(**raw) if raw else None
