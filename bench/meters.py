"""What work costs: CPU of process trees from /proc, statements and WAL from Postgres, memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs import Program
from bench.servers import Place

TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
PARTS = ("main", "children", "postgres", "redis")
# Statements that only bracket others are counted by themselves: most clients send them as a round trip of their own.
_BRACKETS = "^(begin|commit|rollback|savepoint|release|start transaction)"


@dataclass(frozen=True)
class Reading:
    """Counters at one moment: CPU seconds by part, statements, transaction brackets, bytes of WAL."""

    cpu: dict[str, float]
    statements: int
    brackets: int
    wal: int

    def since(self, before: Reading, jobs: int) -> dict[str, float]:
        """What each of `jobs` cost between two readings: `cpu_ms` by part, `statements`, `brackets`, `wal_bytes`."""
        cpu = {part: round((self.cpu[part] - before.cpu[part]) / jobs * 1000, 4) for part in self.cpu}
        return {
            "cpu_ms": {**cpu, "total": round(sum(cpu.values()), 4)},
            "statements": round((self.statements - before.statements) / jobs, 3),
            "brackets": round((self.brackets - before.brackets) / jobs, 3),
            "wal_bytes": round((self.wal - before.wal) / jobs),
        }


def read(place: Place, programs: Sequence[Program]) -> Reading:
    """All counters now."""
    statements, brackets = place.conn.execute(
        "select coalesce(sum(calls) filter (where query !~* %s), 0)::bigint, coalesce(sum(calls) filter (where query ~* %s), 0)::bigint "
        "from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())",
        [_BRACKETS, _BRACKETS],
    ).fetchone()
    wal = place.value("select (pg_current_wal_lsn() - '0/0')::bigint")
    roots = [program.pid for program in programs]
    servers = place.servers
    cpu = {
        "main": sum(cpu_seconds([pid]) for pid in roots),
        "children": sum(cpu_seconds(tree(pid)[1:]) + reaped_seconds(pid) for pid in roots),
        "postgres": tree_seconds(servers.postgres.process.pid),
        "redis": tree_seconds(servers.redis.process.pid),
    }
    return Reading(cpu, statements, brackets, int(wal))


def tree_seconds(pid: int) -> float:
    """CPU of a process and all it started, ended or not."""
    everyone = tree(pid)
    return cpu_seconds(everyone) + sum(reaped_seconds(one) for one in everyone)


def tree(pid: int) -> list[int]:
    """The process and its descendants that live."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes; one that is gone counts nothing."""
    return sum(sum(_times(pid)[:2]) for pid in pids)


def reaped_seconds(pid: int) -> float:
    """The same of the children of a process that ended."""
    return sum(_times(pid)[2:])


def resident_mb(pid: int) -> float | None:
    """Memory a process holds, in MB; None when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    except OSError:
        return None


def _times(pid: int) -> tuple[float, float, float, float]:
    try:
        # The name, in brackets, may hold spaces and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return (0.0, 0.0, 0.0, 0.0)
    user, system, reaped_user, reaped_system = (int(field) / TICKS for field in fields[11:15])
    return (user, system, reaped_user, reaped_system)
