"""The run: jobs flow in over SQL and through the proxy, one host after the other is cut off and comes back, then the judgement."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.chaos.buildos import SETUP, Buildos
from tests.chaos.campaign import say
from tests.chaos.fleet import Pace
from tests.chaos.stream import Stream, http_client, sql_client
from tests.chaos.verdict import PROMISES, Verdict
from tests.support.compose import Compose
from tests.topology.town import Container, Town

WHOLE = {
    "postgres": 1, "redis": 1, "pgbouncer": 1, "migrate": 1, "api": 2, "proxy": 1, "flower": 1, "beat": 2, "worker-briefs": 2,
    "worker-upkeep": 3, "worker-email": 1, "worker-planning": 1, "worker-notify": 1,
}  # fmt: skip
SMALL = {"postgres": 1, "redis": 1, "migrate": 1, "api": 2, "proxy": 1, "beat": 1, "worker-upkeep": 2, "worker-briefs": 1}
CUTS = ("worker-briefs", "worker-upkeep", "api", "beat", "redis", "postgres", "proxy", "pgbouncer")
DONE = "select count(*) from queue_jobs where completed_at is not null"


class Deployed(Buildos):
    """BuildOS as the town runs it."""

    def prepare(self) -> None:
        """People, and the tables of the drill."""
        with self.fleet.connect() as conn:
            conn.execute(SETUP)
            self.users = [row[0] for row in conn.execute("select id from users order by email")]

    def stream(self, seed: int) -> Stream:
        """One SQL client and two that go through the proxy."""
        return Stream(self.fleet, self.users, seed, [sql_client, http_client, http_client])

    def verdict(self, stream: Stream) -> Verdict:
        """Of rows and effects: nobody listens here."""
        return self.judgement(stream)


@dataclass
class Cut:
    """One host's absence, in seconds and jobs."""

    host: str
    off: float
    accepted: int = 0
    done: int | None = None  # None: the database was not there to be asked
    api: float | None = None  # until the API answered through the proxy, from the cut on; None: not while it was off
    job: float | None = None  # until a job that was added after the cut was done; None: not while it was off
    back: float | None = None  # until one that was added after the return was done


@dataclass
class Outcome:
    """What the run found."""

    hosts: int = 0
    seconds: float = 0.0
    quiet: bool = False
    cuts: list[Cut] = field(default_factory=list)
    stops: dict[str, tuple[float | None, float]] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, service came back each time, and all stopped within their grace."""
        return (
            self.quiet and self.verdict.clean and all(cut.back is not None for cut in self.cuts)
            and all(took is not None for took, _ in self.stops.values())
        )  # fmt: skip


def travel(folder: Path, *, jobs: int, seed: int, off: float, pace: Pace, whole: bool, pooled: bool, patience: float) -> Outcome:
    """Run it inside the run's namespaces, in an empty folder. Raises RuntimeError where the town does not come up."""
    began = time.monotonic()
    compose = Compose({"DATABASE_POOLED": "pooled_"} if pooled else {})
    replicas = {name: count for name, count in (WHOLE if whole else SMALL).items() if pooled or name != "pgbouncer"}
    town, outcome = Town(folder, pace, compose), Outcome(hosts=sum(replicas.values()))
    town.lay_out(replicas, {"JOB_MODULES": "tests.chaos.drill", "CHAOS_LEDGER": "/var/lib/buildos/ledger", "CHAOS_TRAPS": "/tmp/traps"})
    (folder / "ledger").symlink_to(folder / "volumes/home/ledger")
    town.start()
    say(f"{outcome.hosts} hosts are up after {time.monotonic() - began:.0f} s")
    tested = Deployed(town)
    tested.prepare()
    cuts = [one for name in (CUTS if whole else CUTS[1:2]) for one in town.of(name)[:1]]
    with town.supervised():
        stream = tested.stream(seed)
        stream.start()
        for number, one in enumerate(cuts):
            stream.allow(jobs * (number + 1) // (len(cuts) + 1))
            outcome.cuts.append(_cut(town, tested, stream, one, off, patience))
            say(_line(outcome.cuts[-1]))
        stream.allow(jobs)
        stream.finish()
        outcome.quiet = tested.quiet(patience)
    outcome.restarts = {one.host.name: one.starts - 1 for one in town.containers if one.starts > 1}
    unwell = [one.host.name for one in town.containers if "healthcheck" in one.service.given and not one.healthy()]
    outcome.verdict = tested.verdict(stream)
    for name in unwell:
        outcome.verdict.blame("jobs in a wrong or half state", f"{name} is not healthy in the end")
    _stop(town, outcome)
    left_out = [name for name in compose.services if name not in replicas and name != "pgbouncer"]
    outcome.notes += [*town.notes, *([f"not started: {', '.join(left_out)}"] if left_out else [])]
    outcome.seconds = time.monotonic() - began
    return outcome


def _cut(town: Town, tested: Deployed, stream: Stream, one: Container, off: float, patience: float) -> Cut:
    cut = Cut(one.host.name, off)
    before, done = _accepted(stream), _done(town)
    one.host.cut()
    began = time.monotonic()
    if one.service.name != "proxy":
        cut.api = _until_the_api_answers(town, began, off)
    if one.service.name != "postgres":
        cut.job = tested.probe(f"during-{one.host.name}", off)
    time.sleep(max(0.0, off - (time.monotonic() - began)))
    now = _done(town) if one.service.name != "postgres" else None
    cut.accepted, cut.done = _accepted(stream) - before, None if now is None or done is None else now - done
    one.host.reconnect()
    cut.back = tested.probe(f"after-{one.host.name}", patience)
    return cut


def _accepted(stream: Stream) -> int:
    return sum(entry.answer == "accepted" for entry in list(stream.entries))


def _done(town: Town) -> int | None:
    try:
        with town.connect() as conn:
            return conn.execute(DONE).fetchone()[0]
    except psycopg.Error:
        return None


def _until_the_api_answers(town: Town, began: float, within: float) -> float | None:
    """Six answers in a row, so that both APIs, or the one that is left, were asked."""
    good = 0
    while time.monotonic() - began < within:
        try:
            request = urllib.request.Request(f"{town.api_url}/health", headers=town.api_headers)
            with urllib.request.urlopen(request, timeout=2) as answer:
                good = good + 1 if answer.status == 200 else 0
        except (urllib.error.URLError, OSError):
            good = 0
        if good == 6:
            return time.monotonic() - began
    return None


def _stop(town: Town, outcome: Outcome) -> None:
    """In the order of `docker compose down`: who depends on others first."""
    order = ["proxy", "flower", "api", "beat", *[name for name in WHOLE if name.startswith("worker")], "pgbouncer", "redis", "postgres"]
    for one in sorted(town.containers, key=lambda one: order.index(one.service.name) if one.service.name in order else -1):
        took = one.stop()
        known = outcome.stops.get(one.service.name, (0.0, one.service.grace))
        outcome.stops[one.service.name] = (None if took is None or known[0] is None else max(took, known[0]), one.service.grace)


def _line(cut: Cut) -> str:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.1f}"

    return f"| {cut.host} | {cut.off:.0f} | {cut.accepted} | {'–' if cut.done is None else cut.done} | {shown(cut.api)} | {shown(cut.job)} | {shown(cut.back)} |"


def table(outcome: Outcome) -> str:
    """The outcome in Markdown."""
    counts = outcome.verdict.counts
    lines = [f"{outcome.hosts} hosts, {counts['jobs']} jobs, {outcome.seconds:.0f} s", ""]
    lines += ["| cut off | s | accepted meanwhile | ended meanwhile | API answers after s | a new job is done after s | after its return, s |", "|---|--:|--:|--:|--:|--:|--:|"]
    lines += [_line(cut) for cut in outcome.cuts]
    lines += ["", "| promise | broken |", "|---|--:|"]
    lines += [f"| {promise} | {len(outcome.verdict.broken[promise])} |" for promise in PROMISES]
    lines += [f"  {promise}: {words}" for promise in PROMISES for words in outcome.verdict.broken[promise][:5]]
    lines += ["", "| stopped | longest, s | grace, s |", "|---|--:|--:|"]
    lines += [f"| {name} | {'killed' if took is None else f'{took:.1f}'} | {grace:.0f} |" for name, (took, grace) in outcome.stops.items() if name != "migrate"]
    lines += ["", *(f"{name}: {count}" for name, count in sorted(counts.items()) if name != "jobs")]
    lines += [f"started again: {name} ×{count}" for name, count in outcome.restarts.items()]
    lines += outcome.notes
    lines += [] if outcome.quiet else ["NOT QUIET in the end"]
    return "\n".join(lines)

