"""Ended jobs move to the archive by month and are still found; nothing live ever does; the counts stay right (CONTRACT 8.9)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from app.queue import archive
from app.queue.invariants import check_invariants
from app.queue.reads import find_job, job_history, list_user_jobs
from app.queue.steering import retry_job
from tests.integration.upkeep.conftest import World
from tests.support.jobs import STATUSES, TERMINAL, sql_client

COUNTS = "select job_type, status, count from get_queue_stats() order by 1, 2"
TRUE = "select job_type::text, status::text, count(*) from queue_jobs group by 1, 2 order by 1, 2"


def broken(world: World) -> list:
    found = check_invariants(world.database.engine, stalled_seconds=300, dead_seconds=60)
    return [finding for finding in found if finding.violations]


def test_each_state_goes_at_its_time_and_nothing_live_ever(world: World) -> None:
    jobs = {status: world.sql.in_state(status) for status in STATUSES}
    world.sql.run("update queue_jobs set worker = 'w' where status = 'processing'")
    world.later(days=6.9)
    assert world.run("cleanup_old_data").archived == 0
    world.later(days=7.1)
    assert world.run("cleanup_old_data").archived == 1
    assert world.archived() == [jobs["failed"]]
    world.later(days=30.1)
    result = world.run("cleanup_old_data")
    assert (result.archived, result.staleCancelled) == (4, 0), "the other two, and the two jobs of upkeep themselves"
    assert set(world.archived()) >= {jobs[status] for status in TERMINAL}
    live = {status: world.sql.job(jobs[status])["status"] for status in STATUSES if status not in TERMINAL}
    assert live == {status: status for status in live}


def test_live_jobs_are_cancelled_where_somebody_says_so_alone(world: World) -> None:
    stale, fresh = world.sql.add(), world.sql.add()
    world.sql.run("update queue_jobs set scheduled_for = now() - interval '2 days' where id = %s", stale)
    assert world.run("cleanup_old_data").staleCancelled == 0 and world.sql.job(stale)["status"] == "pending"
    assert world.run("cleanup_old_data", staleThresholdHours=24).staleCancelled == 1
    assert [world.sql.job(job)["status"] for job in (stale, fresh)] == ["cancelled", "pending"]


def test_an_archived_job_is_still_found_with_its_history(world: World) -> None:
    user = world.sql.user()
    job = world.sql.in_state("failed", job_type="send_sms", user=user, metadata={"phone_number": "+14155550100", "message": "x"}, dedup_key="k")
    with world.database.engine.connect() as conn:
        row, events = find_job(conn, str(job)), job_history(conn, job)
        world.later(days=8)
        world.run("cleanup_old_data")
        assert world.sql.run("select 1 from queue_jobs where id = %s", job) == []
        conn.rollback()
        for name in (str(job), row.queue_job_id):
            assert find_job(conn, name) == row
        assert job_history(conn, job) == events and [event["to"] for event in events] == ["pending", "processing", "failed"]
        again = retry_job(conn, job)
        assert find_job(conn, str(again.id)).metadata["retriedFrom"] == str(job)


def test_a_user_s_list_shows_them_in_their_place(world: World) -> None:
    user = world.sql.user()
    jobs = [world.sql.in_state(status, job_type="send_sms", user=user) for status in ("pending", "failed", "completed", "failed", "pending")]
    world.later(days=8)
    world.run("cleanup_old_data")
    assert len(world.archived()) == 2
    with world.database.engine.connect() as conn:
        first, cursor = list_user_jobs(conn, user, limit=3)
        second, end = list_user_jobs(conn, user, limit=3, cursor=cursor)
        assert [job.id for job in first + second] == jobs[::-1] and end is None
        assert {job.id for job in list_user_jobs(conn, user, status="failed")[0]} == {jobs[1], jobs[3]}


def test_the_history_goes_once_nobody_can_have_missed_it_and_the_counts_stay_right(world: World) -> None:
    kept, gone = world.sql.in_state("completed"), world.sql.in_state("failed")
    world.later(days=8)
    world.run("cleanup_old_data")
    path = world.sql.path(gone)
    assert path == ["pending", "processing", "failed", None], "browsers hear of it for a day"
    assert world.sql.run(COUNTS) == world.sql.run(TRUE)

    world.age_history(2)
    assert world.run("cleanup_old_data").historiesRemoved == 0, "what is not in the folded counts stays"
    assert world.sql.path(gone) == path
    world.fold()
    assert world.run("cleanup_old_data").historiesRemoved == 1
    assert world.sql.path(gone) == [] and world.sql.path(kept) == ["pending", "processing", "completed"]
    assert world.sql.run(COUNTS) == world.sql.run(TRUE)
    world.fold()
    assert world.sql.run(COUNTS) == world.sql.run(TRUE)
    with world.database.engine.connect() as conn:
        assert [event["to"] for event in job_history(conn, gone)] == ["pending", "processing", "failed"]
    assert broken(world) == []


def test_a_young_history_is_never_removed(world: World) -> None:
    job = world.sql.in_state("failed")
    world.later(days=8)
    world.run("cleanup_old_data")
    world.fold()
    world.age_history(1)
    assert world.sql.value("select prune_history(now() + interval '1 year', 10)") == 0
    world.age_history(0.1)
    assert world.sql.value("select prune_history(now(), 10)") == 1 and world.sql.path(job) == []


def test_many_go_in_batches_and_one_that_is_held_waits(world: World) -> None:
    world.sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, %s)", 2 * archive.BATCH + 1)
    world.sql.run("update queue_jobs set status = 'cancelled'")
    world.later(days=31)
    with sql_client(world.database, autocommit=False) as holder:
        (held,) = holder.values("select id from queue_jobs order by id limit 1 for update")
        begin = world.database.engine.begin
        assert list(archive.archive_ended(begin, ["cancelled"], world.clock.time)) == [archive.BATCH - 1, archive.BATCH, 1]
    assert list(archive.archive_ended(begin, ["completed", "cancelled"], world.clock.time)) == [1]
    assert world.archived()[0] == held and world.sql.value("select count(distinct archived_at::text) from queue_jobs_archive") > 3


def test_a_client_s_own_ids_do_not_hide(world: World) -> None:
    world.sql.run(
        "insert into queue_jobs (id, job_type) select (n || '0000000-0000-4000-8000-000000000000')::uuid, 'other' from unnest(array['1', 'f', '0']) n"
    )
    world.sql.run("update queue_jobs set status = 'cancelled'")
    world.later(days=31)
    assert world.run("cleanup_old_data").archived == 3


PARTS = "select relname from pg_class where relispartition and relkind = 'r' and relname like 'queue_jobs_archive_%%' order by 1"


def test_each_month_has_a_part_and_old_ones_are_dropped(world: World) -> None:
    jobs = [world.sql.in_state("failed") for _ in range(3)]
    for job, moment in zip(jobs, ("2024-02-29 23:59:59.999Z", "2024-03-01 00:00Z", "2026-01-31 12:00Z"), strict=True):
        world.ended_on(job, moment)
    before = set(world.sql.values(PARTS))
    with world.database.engine.begin() as conn:
        assert archive.keep_months(conn, datetime(2031, 2, 28, 23, 30, tzinfo=UTC), 0) == []
    assert made(world, before) == ["2031_02", "2031_03", "2031_04"], "ahead of time"
    world.later(days=8)
    world.run("cleanup_old_data")
    assert made(world, before) == ["2024_02", "2024_03", "2026_01", "2031_02", "2031_03", "2031_04"]
    assert world.sql.value("select count(*) from queue_jobs_archive_2024_02") == 1
    with world.database.engine.begin() as conn:
        dropped = archive.keep_months(conn, datetime(2026, 3, 1, tzinfo=UTC), 24)
    assert dropped == ["queue_jobs_archive_2024_02"] and world.archived() == sorted(jobs[1:])


def made(world: World, before: set[str]) -> list[str]:
    return [name.removeprefix("queue_jobs_archive_") for name in world.sql.values(PARTS) if name not in before]


def test_two_who_make_the_same_month_make_it_once(world: World) -> None:
    def make(_: int) -> bool:
        with sql_client(world.database) as client:
            return client.value("select add_archive_month('2040-05-05Z')")

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(make, range(4))) == [False, False, False, True]


def test_the_archive_takes_nothing_live_and_its_parts_are_nobody_s(world: World) -> None:
    user = world.sql.user()
    live = world.sql.add("send_sms", user=user)
    with pytest.raises(psycopg.errors.CheckViolation):
        world.sql.run(
            "insert into queue_jobs_archive select id, queue_job_id, user_id, job_type, status, scheduled_for, metadata, result, attempts, "
            "max_attempts, priority, error_message, created_at, updated_at, started_at, now() from queue_jobs"
        )
    assert world.sql.run("select archive_jobs('{pending}', now() + interval '1 day', %s, 10)", live) == []
    world.sql.run("update queue_jobs set status = 'cancelled'")
    world.later(days=31)
    world.run("cleanup_old_data")
    (part,) = world.sql.values("select tableoid::regclass::text from queue_jobs_archive")
    for role in ("anon", "authenticated"):
        with sql_client(world.database) as client:
            client.run(f"set role {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.run(f"select * from {part}")
    world.sql.run("delete from users")
    assert world.archived() == [], "a user's archive goes with the user"
