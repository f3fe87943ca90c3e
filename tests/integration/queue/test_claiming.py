"""claim_pending_jobs, claim_job and the order that holds everywhere (CONTRACT 3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.support.jobs import Client, sql_client, sql_clients
from tests.support.servers import Database

TOMORROW = datetime.now(UTC) + timedelta(days=1)


def test_a_claim_starts_the_job(sql: Client) -> None:
    job = sql.add()
    (row,) = sql.claim()
    assert row == sql.job(job)
    assert (row["status"], row["fencing_token"], row["attempts"], row["worker"]) == ("processing", 1, 0, "sql:sql-client")
    assert row["started_at"] == row["heartbeat_at"] is not None
    assert sql.history(job)[-1] == ("pending", "processing", 1, "sql:sql-client", None)


def test_each_claim_has_a_token_of_its_own(sql: Client) -> None:
    row = sql.claimed()
    tokens = [row["fencing_token"]]
    for _ in range(3):
        assert sql.value("select release_queue_job(%s, %s, 'again')", row["id"], tokens[-1])
        tokens.append(sql.claim()[0]["fencing_token"])
    assert tokens == sorted(set(tokens))


def test_the_default_batch_is_five_and_fewer_are_what_there_is(sql: Client) -> None:
    for _ in range(7):
        sql.add()
    assert len(sql.run("select * from claim_pending_jobs('{other}')")) == 5
    assert len(sql.run("select * from claim_pending_jobs('{other}', null)")) == 2
    assert not sql.claim()


@pytest.mark.parametrize("batch", [0, -1])
def test_no_batch_no_job(sql: Client, batch: int) -> None:
    sql.add()
    assert sql.claim(batch=batch) == []


def test_only_the_types_asked_for(sql: Client) -> None:
    user = sql.user()
    sms, other = sql.add("send_sms", user=user), sql.add()
    assert sql.claim("send_email") == [] and sql.run("select * from claim_pending_jobs('{}')") == []
    assert [row["id"] for row in sql.claim("send_sms", "send_sms")] == [sms]
    assert [row["id"] for row in sql.claim("other", "send_sms")] == [other]
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        sql.claim("bogus")


@pytest.mark.parametrize("status", ["processing", "completed", "failed", "cancelled", "retrying"])
def test_only_pending_jobs(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    if status == "retrying":
        sql.run("update queue_jobs set scheduled_for = now() + interval '1 minute' where id = %s", job)
    assert sql.claim() == []


def test_never_before_its_time(sql: Client) -> None:
    job = sql.add(scheduled_for=TOMORROW, priority=1)
    assert sql.claim() == []
    assert not sql.run("select * from claim_job(%s, 't', 'w')", job)
    sql.due_since(job, 0)
    assert [row["id"] for row in sql.claim()] == [job]


def test_by_priority_then_time_across_types(sql: Client) -> None:
    user = sql.user()
    wanted = []
    for priority, seconds, job_type in [(1, 5, "other"), (2, 50, "send_sms"), (2, 40, "other"), (2, 30, "send_sms"), (9, 55, "other")]:
        job = sql.add(job_type, user=user, priority=priority)
        sql.due_since(job, seconds)
        wanted.append(job)
    for batch in (2, 1, 5):
        claimed = [row["id"] for row in sql.claim("other", "send_sms", batch=batch)]
        assert claimed == wanted[: len(claimed)] and claimed
        del wanted[: len(claimed)]
    assert not wanted


def test_a_waiting_job_rises_by_one_every_five_minutes_never_past_one(sql: Client) -> None:
    def job(priority: int, minutes: float):
        added = sql.add(priority=priority)
        sql.due_since(added, minutes * 60)
        return added

    expected = [
        job(1, 600),  # 1, the oldest
        job(10, 300),  # long past 1: stays at 1
        job(1, 0),
        job(4, 10.5),  # 4 - 2 = 2, and older than
        job(2, 4.5),  # 2
        job(3, 4.9),  # 3: not yet five minutes
        job(10, 34.5),  # 10 - 6 = 4
        job(4, 0.1),  # 4
    ]
    assert [row["id"] for row in sql.claim(batch=100)] == expected


def test_the_speed_of_rising_is_a_setting(sql: Client) -> None:
    low, high = sql.add(priority=5), sql.add(priority=4)
    sql.due_since(low, 3)
    sql.setting("QUEUE_PRIORITY_AGING", "1")
    assert [row["id"] for row in sql.claim()] == [low, high]


@pytest.mark.parametrize(("priority", "waited", "effective"), [(10, 0, 10), (10, 299, 10), (10, 301, 9), (1, 9000, 1), (3, -500, 5)])
def test_effective_priority(sql: Client, priority: int, waited: float, effective: int) -> None:
    # Only due jobs are asked for it; a negative wait shows that the rule is one formula.
    formula = "select effective_priority(%s, now() - make_interval(secs => %s), 300)"
    assert sql.value(formula, priority, waited) == effective


def test_settings_that_would_stop_the_queue_are_refused(sql: Client) -> None:
    for key in ("QUEUE_PRIORITY_AGING", "RETRY_BACKOFF_BASE"):
        for value in ("0", "-1"):
            with pytest.raises(psycopg.errors.CheckViolation):
                sql.setting(key, value)
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            sql.setting(key, "soon")
        sql.setting(key, "0.5")


def test_two_claimers_never_share_and_never_wait(database: Database, sql: Client) -> None:
    jobs = [sql.add() for _ in range(4)]
    with sql_clients(database, 2) as (first, second):
        one = [row["id"] for row in first.claim(batch=2)]
        two = [row["id"] for row in second.claim(batch=5)]  # would fail by its lock time-out if it waited
        assert (one, two) == (jobs[:2], jobs[2:])
        first.connection.rollback()
        second.connection.commit()
    assert [row["id"] for row in sql.claim()] == jobs[:2]


def test_a_claimer_that_holds_many_hides_nothing_from_others(database: Database, sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}', 1)) from generate_series(1, 200)")
    last = sql.add(priority=10)
    with sql_clients(database, 2) as (first, second):
        assert len(first.claim(batch=200)) == 200
        assert [row["id"] for row in second.claim(batch=2)] == [last]
        second.connection.rollback()
        dispatched = second.values("select job_id from dispatch_jobs('{other}', 2, 'd')")
        assert dispatched == [last]


def test_many_claimers_share_out_all_jobs(database: Database, sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}', 1 + n %% 10)) from generate_series(1, 300) n")

    def work(_: int) -> list:
        with sql_client(database) as mine:
            taken = []
            while rows := mine.claim(batch=7):
                taken += [row["id"] for row in rows]
            return taken

    with ThreadPoolExecutor(6) as threads:
        taken = [job for part in threads.map(work, range(6)) for job in part]
    assert len(taken) == len(set(taken)) == 300
    assert sql.value("select max(fencing_token) from queue_jobs") == 1


def test_a_claim_that_is_rolled_back_never_was(database: Database, sql: Client) -> None:
    job = sql.add()
    with sql_clients(database, 1) as (other,):
        other.claim()
        other.connection.rollback()
    assert sql.job(job)["status"] == "pending" and sql.path(job) == ["pending"]


def test_due_retries_of_the_types_are_promoted_first(sql: Client) -> None:
    job, user = sql.in_state("retrying"), sql.user()
    foreign = sql.in_state("retrying", job_type="send_sms", user=user)
    (row,) = sql.claim()
    assert row["id"] == job
    assert sql.path(job) == ["pending", "processing", "retrying", "pending", "processing"]
    assert sql.job(foreign)["status"] == "retrying"


def test_paused_types_are_not_claimed_and_external_ones_are(sql: Client) -> None:
    job = sql.add()
    sql.setting("paused.other", "true")
    assert sql.claim() == [] and not sql.run("select * from claim_job(%s, 't', 'w')", job)
    sql.setting("paused.other", "false")
    sql.setting("external.other", "true")
    assert [row["id"] for row in sql.claim()] == [job]


def test_claim_job_takes_that_job_once(sql: Client) -> None:
    job = sql.add()
    (row,) = sql.run("select * from claim_job(%s, 'task-1', 'celery@a')", job)
    assert (row["task_id"], row["worker"], row["fencing_token"], row["status"]) == ("task-1", "celery@a", 1, "processing")
    assert sql.run("select * from claim_job(%s, 'task-2', 'celery@b')", job) == []
    assert sql.job(job)["task_id"] == "task-1"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "retrying"])
def test_claim_job_refuses_what_is_not_pending(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    assert sql.run("select * from claim_job(%s, 't', 'w')", job) == []


def test_two_messages_of_one_job_run_it_once(database: Database, sql: Client) -> None:
    job = sql.add()

    def claim(number: int) -> int:
        with sql_client(database) as mine:
            return len(mine.run("select * from claim_job(%s, %s, 'w')", job, f"task-{number}"))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(claim, range(16))) == 1
    assert sql.path(job) == ["pending", "processing"]
