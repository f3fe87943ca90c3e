"""Cancel, move, retry by hand; history and the feed (CONTRACT 2 and 3)."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import text

from app.queue import many, reads, steering
from app.queue.errors import WrongState
from tests.support.jobs import STATUSES, TERMINAL, Client, sql_client, wait_until_blocked
from tests.support.servers import Database

LATER = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("status", STATUSES)
def test_cancel(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    before, history = sql.job(job), sql.history(job)
    cancelled = sql.value("select cancel_queue_job(%s, 'by Ada')", job)
    assert cancelled is (status not in TERMINAL)
    if not cancelled:
        assert (sql.job(job), sql.history(job)) == (before, history)
        return
    row = sql.job(job)
    assert row["status"] == "cancelled" and row["processed_at"] is not None and row["completed_at"] is None
    assert sql.history(job)[-1][:2] == (status, "cancelled") and sql.history(job)[-1][-1] == "by Ada"
    assert sql.claim() == [] and sql.run("select * from dispatch_jobs('{other}', 9, 'd')") == []


def test_cancel_of_an_unknown_job_is_false(sql: Client) -> None:
    assert sql.value("select cancel_queue_job(%s)", uuid.uuid4()) is False


def test_the_message_of_one_change_is_not_anothers(sql: Client, database: Database) -> None:
    one, two = sql.add(), sql.add()
    with sql_client(database, autocommit=False) as mine:
        mine.run("select cancel_queue_job(%s, 'first')", one)
        mine.run("update queue_jobs set status = 'cancelled' where id = %s", two)
        mine.connection.commit()
    assert (sql.history(one)[-1][-1], sql.history(two)[-1][-1]) == ("first", None)


def test_cancel_brief_jobs_for_date(sql: Client) -> None:
    ada, bob = sql.user(), sql.user("bob@example.com")

    def brief(user: uuid.UUID, date: str, status: str = "pending") -> uuid.UUID:
        return sql.in_state(status, job_type="generate_daily_brief", metadata={"briefDate": date}, user=user)

    live = [brief(ada, "2030-01-01", status) for status in ("pending", "processing", "retrying")]
    spared = [
        brief(ada, "2030-01-02"), brief(bob, "2030-01-01"), *(brief(ada, "2030-01-01", status) for status in TERMINAL),
        sql.add("send_sms", {"briefDate": "2030-01-01"}, user=ada), brief(ada, "2030-01-01"),
    ]  # fmt: skip
    before = [sql.job(job) for job in spared]
    answer = sql.one("select * from cancel_brief_jobs_for_date(%s, '2030-01-01', %s)", ada, spared[-1])
    assert answer["cancelled_count"] == 3
    assert sorted(answer["cancelled_job_ids"]) == sorted(sql.job(job)["queue_job_id"] for job in live)
    assert {sql.job(job)["status"] for job in live} == {"cancelled"}
    assert [sql.job(job) for job in spared] == before
    assert sql.one("select * from cancel_brief_jobs_for_date(%s, '2030-01-01')", ada)["cancelled_count"] == 1
    assert sql.one("select * from cancel_brief_jobs_for_date(%s, '2030-01-01')", ada) == {"cancelled_count": 0, "cancelled_job_ids": []}


@pytest.mark.parametrize("status", STATUSES)
def test_reschedule_moves_what_waits(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    before = sql.job(job)
    moved = sql.value("select reschedule_queue_job(%s, %s)", job, LATER)
    assert moved is (status in ("pending", "retrying"))
    after = sql.job(job)
    assert after["status"] == status
    assert after["scheduled_for"] == (LATER if moved else before["scheduled_for"]) and after["priority"] == before["priority"]


def test_a_moved_job_loses_its_dispatch_mark(sql: Client) -> None:
    job = sql.add()
    assert sql.values("select job_id from dispatch_jobs('{other}', 1, 'd')") == [job]
    assert sql.value("select reschedule_queue_job(%s, now(), 2)", job)
    assert sql.job(job)["dispatched_at"] is None and sql.job(job)["priority"] == 2
    assert sql.values("select job_id from dispatch_jobs('{other}', 1, 'd')") == [job]


def test_a_time_that_no_client_can_read_is_no_time_to_move_to(sql: Client) -> None:
    job = sql.add()
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("select reschedule_queue_job(%s, 'infinity')", job)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_manual_retry_is_a_new_job(database: Database, sql: Client, status: str) -> None:
    metadata = {"a": 1, "generation_progress": {"progress": 5}}
    old = sql.in_state(status, job_type="other", metadata=metadata, user=sql.user(), priority=7, dedup_key="k")
    before = sql.job(old)
    with database.engine.begin() as conn:
        added = steering.retry_job(conn, old)
    new = sql.job(added.id)
    assert new["metadata"] == {"a": 1, "retriedFrom": str(old)}
    assert (new["dedup_key"], new["attempts"], new["status"], new["priority"], new["user_id"]) == (None, 0, "pending", 7, before["user_id"])
    assert new["queue_job_id"] != before["queue_job_id"] and sql.job(old) == before


@pytest.mark.parametrize("status", ["pending", "processing", "retrying", "completed"])
def test_only_a_failed_or_cancelled_job_is_retried(database: Database, sql: Client, status: str) -> None:
    job = sql.in_state(status)
    with database.engine.begin() as conn, pytest.raises(WrongState) as raised:
        steering.retry_job(conn, job)
    assert raised.value.status == status and sql.value("select count(*) from queue_jobs") == 1


PROJECT, OTHER = "0b0c2a5e-6a57-4f7c-9d0e-0d7f5b1f2a10", "1b0c2a5e-6a57-4f7c-9d0e-0d7f5b1f2a10"
ALONE = [
    ("generate_phases", {"projectId": PROJECT}, {"projectId": PROJECT.upper(), "options": {}}, {"projectId": OTHER}),
    ("onboarding_analysis", {"userContext": {}}, {"userContext": {"name": "Ada"}}, None),
    ("generate_daily_brief", {"briefDate": "2030-01-01"}, {"briefDate": "2030-01-01", "timezone": "UTC"}, {"briefDate": "2030-01-02"}),
]


@pytest.mark.parametrize(("job_type", "metadata", "same", "other"), ALONE, ids=[each[0] for each in ALONE])
def test_a_retry_does_not_run_beside_a_job_that_does_the_same(
    database: Database, sql: Client, job_type: str, metadata: dict, same: dict, other: dict | None
) -> None:
    ada, bob = sql.user(), sql.user("bob@example.com")
    old = sql.in_state("failed", job_type=job_type, metadata=metadata, user=ada)
    for status in TERMINAL:
        sql.in_state(status, job_type=job_type, metadata=same, user=ada)
    sql.in_state("pending", job_type=job_type, metadata=same, user=bob)
    if other:
        sql.in_state("pending", job_type=job_type, metadata=other, user=ada)
    with database.engine.begin() as conn:
        live = steering.retry_job(conn, old).id
    with database.engine.begin() as conn, pytest.raises(WrongState, match=f"Another job does this already: {live}"):
        steering.retry_job(conn, old)
    assert many.steer(database.engine, "retry", many.JobFilter(job_type, "failed", ada)) == many.Outcome(2, 2, 0, refused=2)
    sql.run("select cancel_queue_job(%s)", live)
    assert many.steer(database.engine, "retry", many.JobFilter(job_type, "failed", ada)) == many.Outcome(2, 2, 1, refused=1)


def test_a_retry_does_not_run_beside_the_holder_of_its_key(database: Database, sql: Client) -> None:
    old, twin = (sql.in_state("cancelled", metadata={"n": n}, dedup_key="k") for n in (1, 2))
    live = sql.add("other", {}, dedup_key="k")
    with database.engine.begin() as conn, pytest.raises(WrongState, match=str(live)):
        steering.retry_job(conn, old)
    sql.run("select cancel_queue_job(%s)", live)
    sql.run("select archive_jobs('{cancelled}', clock_timestamp() + interval '1 hour', %s, 1)", uuid.UUID(int=0))
    assert sql.run("select id from queue_jobs_archive") == [{"id": old}]
    assert many.steer(database.engine, "retry", many.JobFilter("other", "cancelled")) == many.Outcome(2, 2, 1, refused=1)
    again = sql.add("other", {}, dedup_key="k")
    for job in (old, twin):
        with database.engine.begin() as conn, pytest.raises(WrongState, match=str(again)):
            steering.retry_job(conn, job)


def test_two_retries_at_once_are_one(database: Database, sql: Client) -> None:
    job_type, metadata, *_ = ALONE[0]
    one, two = (sql.in_state("failed", job_type=job_type, metadata=metadata, user=sql.user()) for _ in range(2))
    with ThreadPoolExecutor(1) as thread, database.engine.connect() as first, database.engine.connect() as second:
        live = steering.retry_job(first, one).id
        pid = second.execute(text("select pg_backend_pid()")).scalar_one()
        late = thread.submit(steering.retry_job, second, two)
        wait_until_blocked(sql, pid)
        first.commit()
        with pytest.raises(WrongState, match=str(live)):
            late.result()


def test_the_history_is_exact(database: Database, sql: Client) -> None:
    start = sql.value("select clock_timestamp()")
    with sql_client(database, name="w1") as first, sql_client(database, name="w2") as second:
        job = first.add(user=first.user())
        first.claim()
        first.run("select fail_queue_job(%s, 'provider down', true)", job)
        first.due_since(job, 0)
        (row,) = second.claim()
        second.run("select release_queue_job(%s, %s, 'stopping')", job, row["fencing_token"])
        second.claim()
        second.silent(job, 20)
        second.run("select reset_stalled_jobs()")
        (row,) = second.claim()
        second.run("select complete_queue_job(%s, null, %s)", job, row["fencing_token"])
    assert sql.history(job) == [
        (None, "pending", 0, None, None),
        ("pending", "processing", 1, "sql:w1", None),
        ("processing", "retrying", 1, "sql:w1", "provider down"),
        ("retrying", "pending", 1, None, None),
        ("pending", "processing", 2, "sql:w2", None),
        ("processing", "pending", 2, "sql:w2", "stopping"),
        ("pending", "processing", 2, "sql:w2", None),
        ("processing", "pending", 2, "sql:w2", "stalled"),
        ("pending", "processing", 3, "sql:w2", None),
        ("processing", "completed", 3, "sql:w2", None),
    ]
    times = sql.values("select at from job_events where job_id = %s order by id", job)
    assert times == sorted(times) and start <= times[0] and times[-1] <= sql.value("select clock_timestamp()")
    rows = sql.run("select distinct user_id, job_type from job_events where job_id = %s", job)
    assert rows == [{"user_id": sql.job(job)["user_id"], "job_type": "other"}]
    with database.engine.begin() as conn:
        shown = reads.job_history(conn, job)
    assert [list(entry) for entry in shown] == [["from", "to", "at", "attempt", "worker", "message"]] * 10
    assert all(entry["at"].endswith("Z") for entry in shown)


def test_a_change_of_state_is_in_the_history_and_any_other_in_the_feed(sql: Client) -> None:
    job = sql.add(user=sql.user())
    sql.run("update queue_jobs set status = 'processing', priority = 3 where id = %s", job)
    assert sql.run("select * from row_events") == []
    sql.run("update queue_jobs set priority = 4 where id = %s", job)
    sql.run("update queue_jobs set heartbeat_at = now() where id = %s", job)
    assert sql.values("select row_id from row_events") == [job]


def test_one_sequence_numbers_history_and_feed(sql: Client) -> None:
    user = sql.user()
    job = sql.add(user=user)
    sql.run("update queue_jobs set priority = 4 where id = %s", job)
    sql.run("insert into daily_briefs (user_id, brief_date) values (%s, '2030-01-01')", user)
    ids = sql.values("select id from job_events union all select id from row_events order by id")
    assert len(set(ids)) == 3
    assert sql.values("select table_name || ' ' || op from row_events order by id") == ["queue_jobs UPDATE", "daily_briefs INSERT"]
