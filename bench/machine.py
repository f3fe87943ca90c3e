"""Where a measurement was made: without it a number says nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from app.embedded.home import CHECKOUT

_ALWAYS = ("celery", "kombu", "redis", "psycopg", "sqlalchemy", "flask", "gevent")


def describe() -> dict[str, object]:
    """Processor, cores, memory, kernel, Python, the load when we began and the commit that is measured."""
    return {
        "cpu": _from("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(int((_from("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1e6, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_1m": round(os.getloadavg()[0], 2),
        "commit": _commit(),
    }


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of the packages that matter, those that are installed."""
    found = {}
    for name in (*_ALWAYS, *packages):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _from(path: str, key: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
