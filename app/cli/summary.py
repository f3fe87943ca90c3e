"""What people see of a running system: the summary of `up`, the table of `status`."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from app.embedded.home import Home, State

STARTED_IN = os.getcwd()  # `up` goes elsewhere
NAMES = ("postgres", "redis", "api", "worker", "beat")


def summary(state: State) -> str:
    """Where everything is and what to do next."""
    at = state.addresses
    off = [name for name in ("api", "worker", "beat") if name in state.parts and state.parts[name].state == "off"]
    lines = [
        "",
        f"BuildOS is up{' without ' + ' and '.join(off) if off else ''}.",
        "",
        f"  Console    {at['api']}/",
        f"  API        {at['api']}",
        f"  Docs       {at['api']}/docs",
        f"  Database   {at['database']}",
        f"  Redis      {at['redis']}",
        f"  Logs       {at['logs']}/*.log",
    ]
    lines += [f"  User       {at['sample']}"] if "sample" in at else []
    us = command_name()
    if "BUILDOS_HOME" in os.environ and at["home"] != str(Home().folder):
        us = f"BUILDOS_HOME={shlex.quote(at['home'])} {us}"  # another terminal does not know it
    commands = {f"{us} brief --user {at['sample']}": "a brief, now"} if "sample" in at else {}
    commands |= {
        f"{us} status": "what is running",
        f'eval "$({us} env)"': "addresses and process numbers for your shell",
    }
    width = max(map(len, commands)) + 3
    lines += ["", *(f"  {command:<{width}}{what}" for command, what in commands.items()), ""]
    return "\n".join(lines)


def command_name() -> str:
    """What to type for this command, here: its name where the shell finds it, else its path."""
    ours = Path(sys.executable).parent / "buildos"
    found = shutil.which("buildos")
    if not ours.exists() or (found and Path(found).parent == ours.parent):
        return "buildos"
    return shlex.quote(min(str(ours), os.path.relpath(ours, STARTED_IN), key=len))


def table(state: State, now: float) -> str:
    """One line a part: state, process, address, for how long. `now` is seconds since 1970."""
    rows = [("PART", "STATE", "PID", "ADDRESS", "FOR", "RESTARTS")]
    for name in sorted(state.parts, key=lambda name: NAMES.index(name) if name in NAMES else len(NAMES)):
        part = state.parts[name]
        pid = str(part.process.pid) if part.process else "-"
        rows.append((name, part.state, pid, part.address or "-", duration(now - part.since) if part.since else "-", str(part.restarts)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def duration(seconds: float) -> str:
    """`seconds` in its two largest units."""
    left = max(0, int(seconds))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])
