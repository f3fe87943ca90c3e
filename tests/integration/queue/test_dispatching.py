"""What the dispatcher asks of the database: which jobs go out, when the next is due, wake-ups (CONTRACT 3, DESIGN 4)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.queue import dispatching
from tests.support.jobs import Client, sql_client, sql_clients
from tests.support.servers import Database

DISPATCH = "select job_id from dispatch_jobs(%s, %s, 'd')"


def test_the_order_is_that_of_the_claim(sql: Client) -> None:
    user, wanted = sql.user(), []
    for priority, seconds, job_type in [(1, 1, "other"), (10, 3100, "send_sms"), (3, 700, "other"), (2, 1, "other"), (9, 5, "send_sms")]:
        job = sql.add(job_type, user=user, priority=priority)
        sql.due_since(job, seconds)
        wanted.append((max(1, priority - seconds // 300), -seconds, job))
    wanted = [job for _, _, job in sorted(wanted)]
    assert sql.values(DISPATCH, ["other", "send_sms"], 2) == wanted[:2]
    assert sql.values(DISPATCH, ["other", "send_sms", "other"], 9) == wanted[2:]
    assert sql.values(DISPATCH, ["other", "send_sms"], 9) == []


def test_a_dispatched_job_is_still_pending_and_marked(sql: Client) -> None:
    job = sql.add()
    before = sql.job(job)
    sql.values(DISPATCH, ["other"], 1)
    after = sql.job(job)
    assert (after["status"], after["dispatched_by"]) == ("pending", "d") and after["dispatched_at"] is not None
    assert after["updated_at"] == before["updated_at"] and sql.path(job) == ["pending"]


@pytest.mark.parametrize("limit", [0, -3])
def test_no_room_no_job_but_due_retries_still_come_back(sql: Client, limit: int) -> None:
    job = sql.in_state("retrying")
    assert sql.values(DISPATCH, ["other"], limit) == []
    assert sql.path(job)[-2:] == ["retrying", "pending"]


def test_a_retry_waits_for_its_time(sql: Client) -> None:
    held = sql.claimed()
    sql.run("select fail_queue_job(%s, 'x', true)", held["id"])
    assert sql.values(DISPATCH, ["other"], 9) == [] and sql.job(held["id"])["status"] == "retrying"
    sql.due_since(held["id"], 0)
    assert sql.values(DISPATCH, ["other"], 9) == [held["id"]]
    assert sql.path(held["id"])[-2:] == ["retrying", "pending"]


@pytest.mark.parametrize("kind", ["external", "paused"])
def test_external_and_paused_types_are_never_dispatched(sql: Client, kind: str) -> None:
    job, retry = sql.add(), sql.in_state("retrying")
    sql.setting(f"{kind}.other", "true")
    assert sql.values(DISPATCH, ["other", "send_sms"], 9) == []
    assert sql.job(retry)["status"] == "retrying"
    sql.setting(f"{kind}.other", "false")
    assert set(sql.values(DISPATCH, ["other"], 9)) == {job, retry}


def test_two_dispatchers_share_nothing(database: Database, sql: Client) -> None:
    jobs = [sql.add() for _ in range(4)]
    with sql_clients(database, 2) as (first, second):
        assert first.values(DISPATCH, ["other"], 2) == jobs[:2]
        assert second.values(DISPATCH, ["other"], 5) == jobs[2:]
        first.connection.rollback()
        second.connection.commit()
    assert sql.values(DISPATCH, ["other"], 9) == jobs[:2]


def test_many_dispatchers_send_each_job_once(database: Database, sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, 300)")

    def work(_: int) -> list:
        with sql_client(database) as mine:
            sent = []
            while part := mine.values(DISPATCH, ["other"], 7):
                sent += part
            return sent

    with ThreadPoolExecutor(6) as threads:
        sent = [job for part in threads.map(work, range(6)) for job in part]
    assert len(sent) == len(set(sent)) == 300


def test_marks_are_taken_back_of_pending_jobs_alone(sql: Client) -> None:
    pending, running = sql.add(), sql.add()
    sql.values(DISPATCH, ["other"], 2)
    sql.run("select * from claim_job(%s, 't', 'w')", running)
    assert sql.value("select undispatch_jobs(%s)", [pending, running]) == 1
    assert sql.values(DISPATCH, ["other"], 9) == [pending]


def test_next_due_at(sql: Client) -> None:
    def due() -> datetime | None:
        return sql.value("select next_due_at('{other,send_sms}')")

    assert due() is None
    base = datetime(2031, 1, 1, tzinfo=UTC)
    user = sql.user()
    sql.add(scheduled_for=base + timedelta(hours=3), priority=1)
    sql.add(scheduled_for=base + timedelta(hours=2), priority=9)
    assert due() == base + timedelta(hours=2)
    sql.add("send_sms", user=user, scheduled_for=base + timedelta(hours=1))
    sql.add("send_email", user=user, scheduled_for=base)
    assert due() == base + timedelta(hours=1)
    retry = sql.in_state("retrying")
    sql.run("update queue_jobs set scheduled_for = %s where id = %s", base, retry)
    assert due() == base


def test_what_is_due_already_wakes_nobody_again(database: Database, sql: Client) -> None:
    sql.add()
    sql.in_state("retrying")  # of a paused type, or nobody has a free slot
    assert sql.value("select next_due_at('{other}')") is None
    with database.engine.begin() as conn:
        assert dispatching.seconds_until_due(conn, ["other"]) is None
        sql.add(scheduled_for=sql.value("select now() + interval '100 seconds'"))
        assert 90 < dispatching.seconds_until_due(conn, ["other"]) < 101


def test_a_far_future_is_a_number_of_seconds(database: Database, sql: Client) -> None:
    sql.add(scheduled_for=datetime(9999, 12, 30, tzinfo=UTC))
    with database.engine.begin() as conn:
        assert dispatching.seconds_until_due(conn, ["other"]) > 1e11


def listening(client: Client) -> Client:
    client.run("listen queue_jobs")
    client.run("listen row_events")
    return client


def heard(client: Client) -> list[tuple[str, str]]:
    return [(note.channel, note.payload) for note in client.connection.notifies(timeout=0.2)]


def test_one_wake_up_per_statement_whatever_its_size(database: Database, sql: Client) -> None:
    with sql_client(database) as ear:
        listening(ear)
        sql.run("insert into queue_jobs (queue_job_id, job_type) select 'x' || n, 'other' from generate_series(1, 500) n")
        assert sorted(heard(ear)) == [("queue_jobs", "due"), ("row_events", "")]


def test_a_cancelled_run_is_told_and_rolled_back_work_is_not(database: Database, sql: Client) -> None:
    running = sql.in_state("processing")
    with sql_client(database) as ear, sql_client(database, autocommit=False) as other:
        listening(ear)
        other.add()
        other.connection.rollback()
        assert heard(ear) == []
        sql.run("select cancel_queue_job(%s)", running)
        assert sorted(heard(ear)) == [("queue_jobs", "cancelled"), ("row_events", "")]


def test_wake_ups_can_be_turned_off(database: Database, sql: Client) -> None:
    sql.setting("QUEUE_NOTIFY", "false")
    with sql_client(database) as ear:
        listening(ear)
        sql.add()
        assert heard(ear) == []


def test_a_dispatch_that_claims_fences_each_job(sql: Client) -> None:
    fresh, tried = sql.add(), sql.in_state("retrying")
    sql.run("update queue_jobs set attempts = 1 where id = %s", tried)
    rows = {row["job_id"]: row for row in sql.run("select * from dispatch_jobs('{other}', 9, 'w1', true)")}
    assert set(rows) == {fresh, tried}
    job = sql.job(fresh)
    assert (job["status"], job["fencing_token"], job["worker"], job["task_id"]) == ("processing", 1, "w1", rows[fresh]["task_id"])
    assert (rows[fresh]["attempt"], rows[fresh]["fencing_token"]) == (1, 1) and job["started_at"] is not None
    assert sql.history(fresh)[-1] == ("pending", "processing", 1, "w1", None)
    # One that failed before is claimed when its run begins.
    assert (sql.job(tried)["status"], rows[tried]["task_id"], rows[tried]["attempt"]) == ("pending", None, 2)
    assert sql.run("select * from dispatch_jobs('{other}', 9, 'w2', true)") == []


def test_many_dispatchers_claim_each_job_once(database: Database, sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, 300)")

    def work(number: int) -> list:
        with sql_client(database) as mine:
            taken = []
            while part := mine.values("select job_id from dispatch_jobs('{other}', 7, %s, true)", f"w{number}"):
                taken += part
            return taken

    with ThreadPoolExecutor(6) as threads:
        taken = [job for part in threads.map(work, range(6)) for job in part]
    assert len(taken) == len(set(taken)) == 300
    assert sql.run("select status::text, max(fencing_token) as token from queue_jobs group by 1") == [{"status": "processing", "token": 1}]
