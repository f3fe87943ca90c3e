"""Postgres refuses to run as root: who it runs as, and where it then finds its binaries and its data.

An ordinary user runs it as themselves. Root has two ways: a user namespace, in which root is an ordinary user and
nothing has to be moved; and, where the machine forbids those, an unprivileged account, for which binaries and data are
moved to a folder it can reach.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.embedded import processes
from app.embedded.processes import StartError

SHARED = Path("/var/lib/buildos")  # reachable by every account


@dataclass(frozen=True)
class Runner:
    """How to run Postgres: options for `child.py`, its binaries, its data folder, the account where it is not ours."""

    options: tuple[str, ...]
    binaries: Path
    data: Path
    account: pwd.struct_passwd | None = None


def find_runner(binaries: Path, data: Path, *, namespaces: bool = True) -> Runner:
    """Choose for `data`, which need not exist yet; its parent does. `namespaces=False` rules the first way of root out.

    Raises StartError when root finds no way.
    """
    if os.geteuid() != 0:
        return Runner((), binaries, data)
    owner = data.stat().st_uid if data.exists() else 0
    if owner == 0 and namespaces:
        runner = Runner(("--userns",), binaries, data)
        if _works(runner):
            return runner
    return _as_account(_account(owner), binaries, data)


def _account(owner: int) -> pwd.struct_passwd:
    """Whoever owns the data already, else Postgres' usual account, else nobody in particular."""
    for look, key in ((pwd.getpwuid, owner), (pwd.getpwnam, "postgres"), (pwd.getpwnam, "nobody")):
        try:
            found = look(key)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return found
    raise StartError("Postgres does not run as root and there is no other account; start as an ordinary user")


def _as_account(account: pwd.struct_passwd, binaries: Path, data: Path) -> Runner:
    options = ("--user", f"{account.pw_uid}:{account.pw_gid}")
    data.mkdir(mode=0o700, exist_ok=True)
    _give(data, account)
    if not _works(Runner(options, Path("/bin"), data), "sh"):
        data = _moved(data)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give(data, account)
    if not _works(Runner(options, binaries, data)):
        binaries = _copied(binaries)
    runner = Runner(options, binaries, data, account)
    if not _works(runner):
        raise StartError(f"Postgres does not run as root, and as {account.pw_name} it cannot use {data}")
    return runner


def _works(runner: Runner, program: str = "postgres") -> bool:
    """Whether such a process may run the program and write the data (or make the folder)."""
    where = runner.data if runner.data.exists() else runner.data.parent
    process = processes.launch(
        ["/bin/sh", "-c", '[ -x "$1" ] && [ -w "$2" ]', "-", str(runner.binaries / program), str(where)],
        output=subprocess.DEVNULL,
        shed_root=runner.options,
    )
    return process.wait() == 0


def _moved(data: Path) -> Path:
    return SHARED / f"data-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]}"


def _copied(binaries: Path) -> Path:
    """The whole installation beside `bin`, copied once: the binaries find their libraries and `share` relative to themselves."""
    source = binaries.parent
    mark = f"{source}:{(binaries / 'postgres').stat().st_mtime_ns}"
    target = SHARED / f"postgres-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"
    if not target.exists():
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        half = target.with_suffix(f".{os.getpid()}")
        shutil.copytree(source, half, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) and path.parent.name == "bin" else 0o644)
        half.rename(target)
    return target / "bin"


def _give(folder: Path, account: pwd.struct_passwd) -> None:
    if folder.stat().st_uid == account.pw_uid:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
