"""Who is measured: how each adds jobs, which programs run them, and when none is left."""

from __future__ import annotations

import fnmatch
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.programs import Program, python, run
from bench.servers import Place

CELERY_OPTIONS = ("-c", "2", "-l", "WARNING", "--without-mingle", "--without-gossip")


@dataclass(frozen=True)
class Contender:
    """One way to run jobs. `add` is a module that adds N jobs (its last argument) and prints the seconds it took."""

    name: str
    about: str
    package: str
    add: Sequence[str]
    workers: Sequence[Sequence[str]]
    left: Callable[[Place], int]
    env: Mapping[str, str] = field(default_factory=dict)
    migrated: bool = False
    postgres: bool = False
    share: float = 1.0  # of the jobs that others get; less for one that would need many minutes

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.package == "buildos"

    def version(self) -> str | None:
        """The installed version, or None."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return "checkout" if self.ours else None

    def fill(self, place: Place, jobs: int) -> float:
        """Add that many no-op jobs, nobody running them. Returns the seconds it took."""
        seconds = float(run(python("-m", *self.add, str(jobs)), place.env(**self.env)).split()[-1])
        if self.postgres:
            # As a table that has stood for a while: known to the planner, nothing due for cleaning, no checkpoint ahead.
            place.conn.execute("vacuum analyze")
            place.conn.execute("checkpoint")
        return seconds

    def prepare(self, place: Place) -> None:
        """Make its schema where it has one of its own."""
        if self.postgres and not self.migrated:
            run(python("-m", *self.add, "schema"), place.env(**self.env))

    def start(self, place: Place) -> list[Program]:
        """Start its programs."""
        env = place.env(**{**self.env, "RQ_REDIS_URL": place.redis_url})
        return [
            Program(python("-m", *argv), env, place.folder / f"{self.name}.{number}.log")
            for number, argv in enumerate(self.workers)
        ]


def _unfinished(place: Place) -> int:
    return int(place.value("select count(*) from queue_jobs where status in ('pending', 'processing', 'retrying')"))


def _queued_by_celery(place: Place) -> int:
    return place.redis.llen("celery") + place.redis.hlen("unacked")


def _ours(name: str, about: str, way: str, options: Sequence[str] = (), **env: str) -> Contender:
    worker = ("celery", "-A", "tasks", "--quiet", "worker", *CELERY_OPTIONS, "-n", "bench@%h", *options)
    return Contender(
        name, about, "buildos", ("bench.adding", way), (worker,), _unfinished,
        {"JOB_MODULES": "bench.noop", **env}, migrated=True, postgres=True,
    )  # fmt: skip


def _celery(name: str, about: str, results: str = "", options: Sequence[str] = ()) -> Contender:
    worker = (
        "celery",
        "-A",
        "bench.peers.celery_app",
        "--quiet",
        "worker",
        *CELERY_OPTIONS,
        "-n",
        "bench@%h",
        *options,
    )
    return Contender(
        name, about, "celery", ("bench.peers.celery_app",), (worker,), _queued_by_celery,
        {"BENCH_RESULTS": results}, postgres=results == "postgres", share=0.1 if results == "postgres" else 1.0,
    )  # fmt: skip


def _procrastinate() -> Contender:
    worker = (
        "procrastinate",
        "-a",
        "bench.peers.procrastinate_app.app",
        "--log-level",
        "warning",
        "worker",
        "--concurrency",
        "10",
    )
    return Contender(
        "procrastinate", "2 processes, 10 jobs at once each", "procrastinate", ("bench.peers.procrastinate_app",), (worker, worker),
        lambda place: int(place.value("select count(*) from procrastinate_jobs where status in ('todo', 'doing')")), postgres=True,
    )  # fmt: skip


def _pgqueuer(batch: int) -> Contender:
    worker = ("bench.peers.pgqueuer_app", "work", str(batch))
    return Contender(
        f"pgqueuer-{batch}", f"2 processes, batches of {batch}", "pgqueuer", ("bench.peers.pgqueuer_app",), (worker, worker),
        lambda place: int(place.value("select count(*) from pgqueuer")), postgres=True,
    )  # fmt: skip


def _rq(name: str, about: str, kind: str, share: float) -> Contender:
    worker = ("rq.cli", "worker", "--quiet", "-w", kind)
    return Contender(
        name, about, "rq", ("bench.peers.rq_app",), (worker, worker),
        lambda place: place.redis.llen("rq:queue:default") + place.redis.zcard("rq:wip:default"), share=share,
    )  # fmt: skip


CONTENDERS: tuple[Contender, ...] = (
    _ours("ours", "one job per message, added by SQL", "sql"),
    _ours("ours-leases", "short jobs that share messages", "sql", BENCH_JOB_TYPE="send_notification"),
    _ours("ours-http", "the same, added by POST /queue/bulk", "http"),
    _ours("ours-delay", "the same, added by .delay()", "delay"),
    _ours("ours-events", "the same, with task events on", "sql", ("-E",)),
    _celery("celery", "Redis, no results"),
    _celery("celery-events", "Redis, no results, task events on", options=("-E",)),
    _celery("celery-redis", "Redis, results in Redis", "redis"),
    _celery("celery-db", "Redis, results in Postgres (SQLAlchemy)", "postgres"),
    _procrastinate(),
    _pgqueuer(10),
    _pgqueuer(100),
    Contender(
        "dramatiq", "2 processes, 8 threads each", "dramatiq", ("bench.peers.dramatiq_app",),
        (("dramatiq", "bench.peers.dramatiq_app", "-p", "2", "-t", "8"),),
        lambda place: place.redis.hlen("dramatiq:default.msgs"),
    ),
    _rq("rq", "2 workers, a fork for each job", "rq.Worker", 0.05),
    _rq("rq-simple", "2 workers that do not fork", "rq.SimpleWorker", 0.25),
)  # fmt: skip


def choose(only: str | None) -> list[Contender]:
    """The contenders named, as in `ours,celery*`; all of them without a name. Raises ValueError for a name that fits none."""
    if not only:
        return list(CONTENDERS)
    patterns = [part.strip() for part in only.split(",") if part.strip()]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(contender.name, pattern) for contender in CONTENDERS):
            raise ValueError(f"no contender is called {pattern}; there are {', '.join(c.name for c in CONTENDERS)}")
    return [c for c in CONTENDERS if any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns)]
