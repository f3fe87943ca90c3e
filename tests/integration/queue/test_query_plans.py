"""The hot statements stay fast on a full table: they use their index and touch few rows.

Counted by Postgres itself within the transaction, so that statements inside functions are seen too, whatever their plan is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from app.embedded.postgres import PostgresServer
from app.queue import archive, claims, dispatching, reads, steering, upkeep
from tests.support import servers
from tests.support.jobs import sql_client
from tests.support.servers import Database

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ROWS, USERS = 20_000, 200
TYPES = ["generate_daily_brief", "send_sms", "other"]
TABLES = ("queue_jobs", "job_events")
FILL = f"""
    insert into users (email) select 'user' || n || '@example.com' from generate_series(1, {USERS}) n;
    set local session_replication_role = replica;
    insert into queue_jobs (queue_job_id, user_id, job_type, status, priority, scheduled_for, created_at, started_at, heartbeat_at, attempts,
                            metadata, task_id, worker, dedup_key, dedup_lock)
    select 'job-' || n, u.id, (array['generate_daily_brief', 'send_sms', 'other'])[1 + n % 3]::queue_type,
           (case when n % 10 < 6 then 'completed' when n % 10 < 9 then 'pending' when n % 100 = 99 then 'processing'
                 when n % 100 = 89 then 'retrying' else 'failed' end)::queue_status,
           1 + n % 10, now() - make_interval(secs => n % 5000 - 500), now() - make_interval(secs => n), now(), now(), 0,
           jsonb_build_object('briefDate', to_char(date '2030-01-01' + n % 50, 'YYYY-MM-DD')), 'task-' || n, 'w', 'key-' || n, 'key-' || n
    from generate_series(1, {ROWS}) n join (select id, row_number() over () as number from users) u on u.number = 1 + n % {USERS};
    insert into job_events (xid, job_id, user_id, job_type, "to", attempt)
    select '3'::xid8, id, user_id, job_type, status, 0 from queue_jobs;
    update queue_counts_fold set as_of = '4';
"""


@dataclass(frozen=True)
class Full:
    """A full database and one of everything in it."""

    database: Database
    pending: UUID
    running: claims.Claim
    user: UUID

    def touched(self, work: Callable[[Connection], Any]) -> dict[str, int]:
        """Sequential scans and rows read of the queue's tables by `work`, which is rolled back; index scans by index."""
        counts = text(
            "select 'scans of ' || relname, seq_scan from pg_stat_xact_user_tables where relname = any(:tables) union all "
            "select 'rows of ' || relname, seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = any(:tables) "
            "union all select i.relname, pg_stat_get_xact_numscans(i.oid) from pg_index x join pg_class i on i.oid = x.indexrelid "
            "where x.indrelid = any(array['queue_jobs', 'job_events']::regclass[])"
        )
        with self.database.engine.connect() as conn:
            conn.execute(text("select 1"))
            before = dict(map(tuple, conn.execute(counts, {"tables": list(TABLES)})))
            work(conn)
            after = dict(map(tuple, conn.execute(counts, {"tables": list(TABLES)})))
            conn.rollback()
        return {name: number - before.get(name, 0) for name, number in after.items()}


def plan_while_empty(conn: Connection) -> None:
    """Run the statements of a job's life often enough that their plans are kept, with one job in the table."""
    for _ in range(8):
        for hand_out in ("dispatch_jobs(array['other'], 1, 'd', true)", "claim_pending_jobs(array['other'], 1)"):
            conn.execute(text("select add_queue_job(null, 'other', '{}')"))
            (job,) = conn.execute(text(f"select * from {hand_out}")).mappings().all()
            dispatching.seconds_until_due(conn, TYPES)
            ended = claims.Outcome(str(job.get("job_id") or job["id"]), job["fencing_token"], None)
            assert claims.complete_many(conn, [ended]) == {ended.job_id}
    conn.rollback()


@pytest.fixture(scope="module", params=["analyzed", "never analyzed", "planned while empty"])
def full(postgres_server: PostgresServer, template_database: str, request: pytest.FixtureRequest) -> Iterator[Full]:
    """20,000 jobs of 200 users, 6,000 of them pending; with statistics, as they are just after a flood of new rows, and then for a
    connection that knew the table before the flood."""
    with servers.new_database(postgres_server, template_database) as fresh:
        with sql_client(fresh, autocommit=False) as client:
            for table in TABLES:
                client.run(f"alter table {table} set (autovacuum_enabled = off)")
            client.connection.commit()
            if request.param == "planned while empty":
                with fresh.engine.connect() as conn:  # the only one of the pool: the one that measures
                    plan_while_empty(conn)
            if request.param == "never analyzed":
                client.run("analyze")
            client.connection.execute(FILL)
            client.connection.commit()
            client.connection.autocommit = True
            if request.param == "analyzed":
                client.run("vacuum analyze")
            pending = client.value("select id from queue_jobs where status = 'pending' and scheduled_for < now() limit 1")
            running = client.one("select id, user_id from queue_jobs where status = 'processing' limit 1")
        with fresh.engine.connect() as conn:
            held = claims.held_by(conn, "w")[0]
        yield Full(fresh, pending, held, running["user_id"])


# What is done, the index it needs, the most rows it may read.
HOT: dict[str, tuple[Callable[[Full, Connection], Any], str, int]] = {
    "dispatch": (lambda f, c: dispatching.dispatch(c, TYPES, 10, "d"), "idx_queue_jobs_scheduled", 2500),
    "claim a batch": (
        lambda f, c: c.execute(text("select * from claim_pending_jobs(:types, 5)"), {"types": TYPES}).all(), "idx_queue_jobs_scheduled", 2500,
    ),
    "claim one": (lambda f, c: claims.claim(c, f.pending, "t", "w"), "queue_jobs_pkey", 5),
    "next due": (lambda f, c: dispatching.seconds_until_due(c, TYPES), "idx_queue_jobs_scheduled", 200),
    "complete": (lambda f, c: claims.complete_many(c, [claims.Outcome(f.running.job_id, f.running.token, None)]), "queue_jobs_pkey", 5),
    "fail": (lambda f, c: claims.fail(c, f.running, "x", retry=True), "queue_jobs_pkey", 5),
    "heartbeat": (lambda f, c: claims.heartbeat(c, {f.running.task_id or "": f.running.job_id}), "queue_jobs_pkey", 5),
    "what a worker holds": (lambda f, c: claims.held_by(c, "w"), "idx_queue_jobs_processing", 450),
    "stalled sweep": (lambda f, c: upkeep.take_back_stalled(c, 300_000), "idx_queue_jobs_processing", 450),
    "a user's page": (lambda f, c: reads.list_user_jobs(c, f.user), "idx_queue_jobs_user_status", 60),
    "a user's next page": (
        lambda f, c: reads.list_user_jobs(c, f.user, cursor=reads.list_user_jobs(c, f.user)[1]), "idx_queue_jobs_user_status", 120,
    ),
    "a user's page by state": (lambda f, c: reads.list_user_jobs(c, f.user, status="failed"), "idx_queue_jobs_user_unfinished", 60),
    "find by name": (lambda f, c: reads.find_job(c, "job-77"), "queue_jobs_queue_job_id_key", 3),
    "find by id": (lambda f, c: reads.find_job(c, str(f.pending)), "queue_jobs_pkey", 3),
    "find several": (lambda f, c: reads.find_jobs(c, [f.pending, f.running.id]), "queue_jobs_pkey", 5),
    "queue a brief": (
        lambda f, c: c.execute(text("select * from queue_brief_job(:user, now(), '', p_brief_date => '2030-01-02')"), {"user": f.user}).all(),
        "idx_queue_jobs_user_brief_dates", 20,
    ),
    "cancel": (lambda f, c: steering.cancel_job(c, f.pending), "queue_jobs_pkey", 5),
    "cancel a day's briefs": (lambda f, c: steering.cancel_brief_jobs_for_date(c, f.user, "2030-01-02"), "idx_queue_jobs_user_brief_dates", 20),
    "add with a key": (
        lambda f, c: c.execute(text("select add_queue_job(null, 'other', '{}', p_dedup_key => 'key-5')")).all(), "queue_jobs_dedup_lock_key", 5,
    ),
    "history": (lambda f, c: reads.job_history(c, f.pending), "job_events_job_id_idx", 20),
    "counts": (lambda f, c: reads.queue_stats(c), "job_events_pkey", 20),
    "what has ended long ago": (lambda f, c: archive.count_ended(c, ["completed"], LONG_AGO), "queue_jobs_pkey", 5),
    "histories of the gone": (lambda f, c: c.execute(text("select prune_history(now(), 10)")).all(), "job_events_gone_idx", 20),
    "fold": (lambda f, c: upkeep.fold_counts(c), "job_events_pkey", 20),
}  # fmt: skip


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_uses_its_index(full: Full, name: str) -> None:
    work, index, most = HOT[name]
    touched = full.touched(lambda conn: work(full, conn))
    told = {key: number for key, number in touched.items() if number}
    assert touched["scans of queue_jobs"] == touched["scans of job_events"] == 0, told
    assert touched[index] > 0, told
    assert touched["rows of queue_jobs"] + touched["rows of job_events"] <= most, told


def test_many_running_jobs_that_statistics_do_not_know_of_cost_no_more(database: Database) -> None:
    """Analysed while all jobs waited, as after a flood: completing and heartbeats must not go through the index of all that runs,
    which by then is full of what has ended."""
    with sql_client(database) as client:
        client.run("alter table queue_jobs set (autovacuum_enabled = off)")
        client.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, 5000)")
        client.run("vacuum analyze queue_jobs")
    with database.engine.begin() as conn:
        held = [job.claim for job in dispatching.dispatch(conn, ["other"], 500, "w") if job.claim]
    full = Full(database, held[0].id, held[0], held[0].id)
    ended = [claims.Outcome(one.job_id, one.token, None) for one in held[:100]]
    beats = {one.task_id or "": one.job_id for one in held}
    for work in (lambda conn: claims.complete_many(conn, ended), lambda conn: claims.heartbeat(conn, beats)):
        assert full.touched(work)["idx_queue_jobs_processing"] == 0


def test_the_history_of_many_changes_is_never_planned_as_that_of_one(database: Database) -> None:
    """The plan of a trigger is made once, for the rows of that moment: a nested loop over two transition tables of one row is fine,
    over two of a thousand rows it compares a million pairs."""
    with sql_client(database) as client:
        assert client.value("select 'enable_nestloop=off' = any(proconfig) from pg_proc where proname = 'record_changed_jobs'")
