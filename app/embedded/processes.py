"""Starting a process that cannot outlive us, knowing it again later, and ending it with all its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CHILD = Path(__file__).with_name("child.py")


class StartError(Exception):
    """Something could not be started. The message is one line for people."""


@dataclass(frozen=True)
class ProcessId:
    """A process for all time: a number alone is given away again, after a reboot even at once."""

    pid: int
    born: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this number now, or None."""
        born = _birth(pid)
        return None if born is None else cls(pid, born)

    def alive(self) -> bool:
        """Whether this very process is still running; a zombie is not."""
        return _birth(self.pid) == self.born


def launch(
    argv: Sequence[str],
    *,
    output: IO[bytes] | int,
    orphan_signal: int = signal.SIGTERM,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    shed_root: Sequence[str] = (),
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that a terminal's Ctrl-C reaches us alone.

    When the calling thread ends without stopping it, the kernel sends it `orphan_signal` (Linux): call this from a
    thread that lives as long as the program should. `shed_root` are options of `child.py`.
    """
    wrapper = [sys.executable, "-I", "-S", str(CHILD), "--parent", str(os.getpid())]
    wrapper += ["--orphan-signal", str(int(orphan_signal)), *shed_root, "--"]
    return subprocess.Popen(
        [*wrapper, *argv],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )


def exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program ended. What its dead leader left behind in its group is killed before the number is free again."""
    if process.returncode is not None:
        return True
    if hasattr(os, "waitid"):
        try:
            if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return False
        except ChildProcessError:
            pass
    elif process.poll() is None:
        return False
    kill_group(process.pid)
    process.wait()
    return True


def stop(process: subprocess.Popen[bytes], signals: Sequence[tuple[int, float]]) -> bool:
    """Send each signal in turn and wait its seconds, in the end kill the whole group. False when it had to be killed."""
    for number, seconds in signals:
        if exited(process):
            return True
        os.kill(process.pid, number)  # not send_signal(), which would reap it before exited() saw its group
        if wait_until(lambda: exited(process), seconds):
            return True
    kill_group(process.pid)
    process.wait()
    return False


def stop_stranger(who: ProcessId, signals: Sequence[tuple[int, float]]) -> None:
    """The same for a process that is not our child, left over from a run that was killed."""
    for number, seconds in signals:
        if not who.alive():
            break
        os.kill(who.pid, number)
        if wait_until(lambda: not who.alive(), seconds):
            break
    if who.alive():
        kill_group(who.pid)
        wait_until(lambda: not who.alive(), 5)


def kill_group(pid: int) -> None:
    """SIGKILL for a group whose leader is, or was, `pid`."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_marked(mark: str) -> None:
    """SIGKILL for every process of this machine that was started with `mark` (NAME=value) in its environment (Linux)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue  # gone meanwhile, or another user's


def wait_until(done: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Look until `done()` or the time is over; the answer is the last look."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(every)
    return True


def free_port(preferred: int | None = None) -> int:
    """A TCP port of loopback that is free now: the preferred one where possible."""
    for port in [preferred, 0] if preferred else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise StartError("no TCP port is free on 127.0.0.1")


def command_line(pid: int) -> str:
    """How a process was called, or an empty text when it is gone or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return _ps(pid, "command=")


def _birth(pid: int) -> str | None:
    if sys.platform != "linux":
        return None if _ps(pid, "state=").startswith("Z") else _ps(pid, "lstart=") or None
    try:
        # The name, in brackets, may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{_boot()}:{ticks}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _ps(pid: int, column: str) -> str:
    try:
        done = subprocess.run(["ps", "-p", str(pid), "-o", column], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
