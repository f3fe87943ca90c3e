"""The system under test: ours."""

from __future__ import annotations

import time
from uuid import UUID

import psycopg

from app.db.engine import make_engine
from app.embedded.processes import free_port
from app.queue.invariants import check_invariants
from tests.chaos.browsers import Browsers, Events
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.stream import Stream, http_client, sql_client
from tests.chaos.verdict import Verdict, judge
from tests.support.servers import plain_settings

USERS = 24
PATIENCE = 60.0  # seconds until every browser has joined
# Not unlogged: it must survive a crash. No unique index on the key: that would hide a second effect.
SETUP = """
    create table drill_effects (key text not null, job_id uuid not null, attempt int not null, at timestamptz default clock_timestamp());
    create index on drill_effects (key);
    insert into users (email, name, timezone) select 'drill' || n || '@example.org', 'Drill ' || n, 'UTC' from generate_series(1, 24) n;
    insert into user_brief_preferences (user_id, time_of_day, frequency)
    select id, ((now() at time zone 'UTC')::time + make_interval(secs => 20 * row_number() over ()))::time, 'daily' from users;
"""
LIVE = "select count(*) from queue_jobs where status in ('processing', 'retrying') or status = 'pending' and scheduled_for <= now()"
MODULES = {"JOB_MODULES": "tests.chaos.drill"}


class Buildos:
    """Workers, beats and the API on one fleet, a stream over SQL and HTTP."""

    title = "BuildOS"

    def __init__(self, fleet: Fleet):
        self.fleet = fleet
        self.users: list[UUID] = []

    def prepare(self) -> None:
        """Make what the drill needs, and name the members."""
        with self.fleet.connect() as conn:
            conn.execute(SETUP)
            self.users = [row[0] for row in conn.execute("select id from users order by email")]
        celery = ["-m", "app.embedded.celery"]
        for n in range(self.fleet.pace.workers):
            self.fleet.add(f"worker{n}", [*celery, "worker", "-l", "INFO", "-c", "2", "-n", f"w{n}@drill"], MODULES)
        for n in range(self.fleet.pace.beats):
            self.fleet.add(f"beat{n}", [*celery, "beat", "-l", "INFO"], MODULES)
        for n in range(self.fleet.pace.apis):
            port = free_port() if n else self.fleet.api_port
            self.fleet.add(f"api{n}", ["-m", "app.web.main"], {"PORT": str(port), "AUTH_MODE": "open"})
            self.fleet.sockets.append(Proxy(port))

    def stream(self, seed: int) -> Stream:
        """Two SQL clients and two of HTTP; beside it browsers that hear what happens, and a stream of named events."""
        self.browsers = Browsers(self.users, [proxy.port for proxy in self.fleet.sockets], seed)
        self.browsers.wait(PATIENCE)
        self.events = Events(self.fleet.connect, self.users, seed)
        return Stream(self.fleet, self.users, seed, [sql_client, http_client, sql_client, http_client])

    def probe(self, name: str, patience: float) -> float | None:
        """Seconds until a job that is added now is done; None when it is not within `patience`."""
        began = time.monotonic()
        job_id = None
        while time.monotonic() - began < patience:
            try:
                with self.fleet.connect() as conn:
                    job_id = (
                        job_id
                        or conn.execute(
                            "select add_queue_job(null, 'other', jsonb_build_object('order', "
                            "jsonb_build_object('key', %s::text, 'kind', 'plain', 'seconds', 0)), 1, p_dedup_key => %s)",
                            [name, name],
                        ).fetchone()[0]
                    )
                    while time.monotonic() - began < patience:
                        if conn.execute("select completed_at from queue_jobs where id = %s", [job_id]).fetchone()[0]:
                            return time.monotonic() - began
                        time.sleep(0.05)
            except psycopg.Error:
                time.sleep(0.2)
        return None

    def quiet(self, patience: float) -> bool:
        """Wait until nothing is waiting or running; give up when it has not become less for `patience` seconds."""
        least, since = None, time.monotonic()
        while time.monotonic() - since < patience:
            try:
                with self.fleet.connect() as conn:
                    live = conn.execute(LIVE).fetchone()[0]
            except psycopg.Error:
                live = None
            if live == 0:
                return True
            if live is not None and (least is None or live < least):
                least, since = live, time.monotonic()
            time.sleep(0.3)
        return False

    def verdict(self, stream: Stream) -> Verdict:
        """The judgement of the whole run."""
        self.events.close()
        with self.fleet.connect() as conn:
            self.browsers.settle(conn)
        self.browsers.close()
        verdict = self.judgement(stream)
        with self.fleet.connect() as conn:
            self.browsers.judge(conn, verdict)
        return verdict

    def judgement(self, stream: Stream) -> Verdict:
        """What the rows and the world outside say."""
        engine = make_engine(plain_settings(database_url=self.fleet.database_url))
        found = check_invariants(engine, stalled_seconds=self.fleet.pace.lease / 1000, dead_seconds=15)
        engine.dispose()
        broken = [f"{one.invariant}: {one.violations}: {'; '.join(one.examples)}" for one in found if one.violations]
        with self.fleet.connect() as conn:
            verdict = judge(conn, stream.entries, Ledger.read(self.fleet.folder / "ledger"), broken)
            twice = conn.execute(
                "select user_id::text, metadata ->> 'briefDate' from queue_jobs where job_type = 'generate_daily_brief' "
                "and status not in ('failed', 'cancelled') group by 1, 2 having count(*) > 1"
            ).fetchall()
        for user, day in twice:
            verdict.blame("jobs in a wrong or half state", f"brief of {user} for {day} was queued more than once")
        return verdict
