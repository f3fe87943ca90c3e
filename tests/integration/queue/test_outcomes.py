"""complete, fail, release, heartbeat, progress; fencing; backoff (CONTRACT 2 and 3)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.support.jobs import Client, sql_client, sql_clients, wait_until_blocked
from tests.support.servers import Database

TOKEN_FORMS: dict[str, tuple[str, Callable[[Any, Any], tuple[Any, ...]]]] = {
    "complete": ("select complete_queue_job(%s, '{}', %s)", lambda job, token: (job, token)),
    "fail": ("select fail_queue_job(%s, 'x', false, %s)", lambda job, token: (job, token)),
    "retry": ("select fail_queue_job(%s, 'x', true, %s)", lambda job, token: (job, token)),
    "release": ("select release_queue_job(%s, %s, 'x')", lambda job, token: (job, token)),
    "heartbeat": ("select heartbeat_queue_job(%s, %s)", lambda job, token: (job, token)),
    "progress": ("select report_job_progress(%s, '{}', %s)", lambda job, token: (job, token)),
}
VOID_FORMS = ("select complete_queue_job(%s)", "select complete_queue_job(%s, '{}')", "select fail_queue_job(%s, 'x')",
              "select fail_queue_job(%s, 'x', true)", "select fail_queue_job(%s, 'x', null)")  # fmt: skip


def use(sql: Client, form: str, job: Any, token: Any) -> bool:
    statement, values = TOKEN_FORMS[form]
    return sql.value(statement, *values(job, token))


def test_complete_stores_result_and_times(sql: Client) -> None:
    held = sql.claimed()
    assert sql.value("select complete_queue_job(%s, %s, %s)", held["id"], Jsonb({"a": [1]}), held["fencing_token"]) is True
    job = sql.job(held["id"])
    assert (job["status"], job["result"], job["error_message"]) == ("completed", {"a": [1]}, None)
    assert job["completed_at"] == job["processed_at"] >= job["started_at"] == held["started_at"]
    assert sql.history(job["id"])[-1] == ("processing", "completed", 1, "sql:sql-client", None)


@pytest.mark.parametrize("result", [None, {}, [], "text", 0, False])
def test_a_result_is_any_json_or_none(sql: Client, result: Any) -> None:
    held = sql.claimed()
    sql.run("select complete_queue_job(%s, %s)", held["id"], None if result is None else Jsonb(result))
    assert sql.job(held["id"])["result"] == result


def test_the_documented_forms_act_whoever_holds_the_job(sql: Client) -> None:
    done, failed, again = (sql.claimed()["id"] for _ in range(3))
    sql.run("select complete_queue_job(%s)", done)
    sql.run("select fail_queue_job(%s, 'broken')", failed)
    sql.run("select fail_queue_job(p_job_id => %s, p_error_message => 'later', p_retry => true)", again)
    assert [sql.job(job)["status"] for job in (done, failed, again)] == ["completed", "failed", "retrying"]
    assert sql.notices == []


def test_a_terminal_failure(sql: Client) -> None:
    held = sql.claimed()
    assert sql.value("select fail_queue_job(%s, 'bad metadata', false, %s)", held["id"], held["fencing_token"]) is True
    job = sql.job(held["id"])
    assert (job["status"], job["error_message"], job["attempts"]) == ("failed", "bad metadata", 1)
    assert job["processed_at"] is not None and job["completed_at"] is None
    assert sql.history(job["id"])[-1] == ("processing", "failed", 1, "sql:sql-client", "bad metadata")


def test_a_retry_waits_base_times_two_to_the_attempts_with_a_tenth_on_top(sql: Client) -> None:
    sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, 60)")
    sql.run("update queue_jobs set max_attempts = 5")
    for attempt, wait in enumerate((120, 240, 480, 960), 1):
        assert len(sql.claim(batch=100)) == 60
        sql.run("select count(fail_queue_job(id, 'x', true, fencing_token)) from queue_jobs")
        waits = sql.values("select extract(epoch from scheduled_for - updated_at)::float8 from queue_jobs")
        assert sql.values("select distinct attempts from queue_jobs") == [attempt]
        assert all(wait - 1 <= seconds <= wait * 1.1 + 1 for seconds in waits)
        assert max(waits) - min(waits) > wait * 0.05  # spread, so that many do not come back at once
        sql.run("update queue_jobs set scheduled_for = now()")


def test_the_base_is_a_setting_for_every_client(sql: Client) -> None:
    sql.setting("RETRY_BACKOFF_BASE", "3600")
    held = sql.claimed()
    sql.run("select fail_queue_job(%s, 'x', true)", held["id"])
    assert 7199 < sql.value("select extract(epoch from scheduled_for - updated_at)::float8 from queue_jobs") < 7921


def test_a_huge_number_of_attempts_has_a_finite_wait(sql: Client) -> None:
    held = sql.claimed()
    sql.run("update queue_jobs set attempts = 2000000, max_attempts = 2147483647")
    sql.run("select fail_queue_job(%s, 'x', true)", held["id"])
    assert sql.job(held["id"])["status"] == "retrying"


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_job_runs_at_most_max_attempts_times(sql: Client, most: int) -> None:
    job = sql.add()
    sql.run("update queue_jobs set max_attempts = %s", most)
    runs = 0
    while rows := sql.claim():
        runs += 1
        sql.run("select fail_queue_job(%s, %s, true, %s)", job, f"try {runs}", rows[0]["fencing_token"])
        sql.run("update queue_jobs set scheduled_for = now() where status = 'retrying'")
    row = sql.job(job)
    assert (runs, row["status"], row["attempts"], row["error_message"]) == (most, "failed", most, f"try {most}")
    again = ["retrying", "pending", "processing"]
    assert sql.path(job) == ["pending", "processing", *again * (most - 1), "failed"]


def test_a_success_after_a_retry_clears_the_error(sql: Client) -> None:
    job = sql.in_state("retrying")
    sql.run("update queue_jobs set error_message = 'x', scheduled_for = now()")
    sql.claim()
    sql.run("select complete_queue_job(%s)", job)
    assert sql.job(job)["error_message"] is None


@pytest.mark.parametrize("form", TOKEN_FORMS)
@pytest.mark.parametrize("lost", ["reset", "claimed again", "cancelled", "completed", "wrong", "null"])
def test_a_worker_that_lost_its_job_changes_nothing(sql: Client, form: str, lost: str) -> None:
    held = sql.claimed()
    job, token = held["id"], held["fencing_token"]
    if lost in ("reset", "claimed again"):
        sql.silent(job, 10)
        assert sql.value("select reset_stalled_jobs('5 minutes'::interval)") == 1
    if lost == "claimed again":
        assert sql.claim()[0]["fencing_token"] > token
    if lost == "cancelled":
        assert sql.value("select cancel_queue_job(%s)", job)
    if lost == "completed":
        assert use(sql, "complete", job, token)
    token = {"wrong": token + 1, "null": None}.get(lost, token)
    before, history = sql.job(job), sql.history(job)
    assert use(sql, form, job, token) is False
    assert (sql.job(job), sql.history(job)) == (before, history)


@pytest.mark.parametrize("form", TOKEN_FORMS)
def test_the_holder_may(sql: Client, form: str) -> None:
    held = sql.claimed()
    assert use(sql, form, held["id"], held["fencing_token"]) is True


@pytest.mark.parametrize("form", TOKEN_FORMS)
def test_an_unknown_job_is_false(sql: Client, form: str) -> None:
    assert use(sql, form, uuid.uuid4(), 1) is False


@pytest.mark.parametrize("status", ["pending", "completed", "failed", "cancelled", "retrying"])
def test_the_void_forms_say_so_when_they_change_nothing(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    before, history = sql.job(job), sql.history(job)
    for number, form in enumerate(VOID_FORMS, 1):
        sql.run(form, job)
        assert len(sql.notices) == number and str(job) in sql.notices[-1]
    assert (sql.job(job), sql.history(job)) == (before, history)


def test_the_void_forms_say_so_for_an_unknown_job(sql: Client) -> None:
    for form in VOID_FORMS:
        sql.run(form, uuid.uuid4())
    assert len(sql.notices) == len(VOID_FORMS)


def test_a_release_is_not_charged(sql: Client) -> None:
    held = sql.claimed()
    assert sql.value("select release_queue_job(%s, %s, 'worker stops')", held["id"], held["fencing_token"]) is True
    job = sql.job(held["id"])
    assert (job["status"], job["attempts"], job["started_at"], job["dispatched_at"]) == ("pending", 0, None, None)
    assert sql.history(job["id"])[-1] == ("processing", "pending", 1, "sql:sql-client", "worker stops")
    assert [row["id"] for row in sql.claim()] == [job["id"]]
    assert sql.history(job["id"])[-1][-1] is None  # the message belonged to that change alone


def test_a_heartbeat_is_no_change_that_a_user_sees(sql: Client) -> None:
    held = sql.claimed()
    sql.silent(held["id"], 3)
    seen = sql.value("select count(*) from row_events"), sql.value("select count(*) from job_events")
    assert use(sql, "heartbeat", held["id"], held["fencing_token"])
    job = sql.job(held["id"])
    assert job["heartbeat_at"] > held["heartbeat_at"] and job["updated_at"] == held["updated_at"]
    assert (sql.value("select count(*) from row_events"), sql.value("select count(*) from job_events")) == seen


def test_progress_lives_in_metadata_and_is_seen(sql: Client) -> None:
    held = sql.claimed(metadata={"keep": 1}, user=sql.user())
    report = {"step": "s", "progress": 40, "message": "m"}
    sql.silent(held["id"], 3)
    assert sql.value("select report_job_progress(%s, %s, %s)", held["id"], Jsonb(report), held["fencing_token"]) is True
    job = sql.job(held["id"])
    assert job["metadata"] == {"keep": 1, "generation_progress": report}
    assert job["updated_at"] > held["updated_at"] and job["heartbeat_at"] > held["heartbeat_at"]
    assert sql.run("select table_name, row_id, op, user_id from row_events") == [
        {"table_name": "queue_jobs", "row_id": job["id"], "op": "UPDATE", "user_id": job["user_id"]}
    ]
    assert sql.path(job["id"]) == ["pending", "processing"]


def test_of_two_outcomes_at_once_the_first_stands(database: Database, sql: Client) -> None:
    held = sql.claimed()
    with sql_clients(database, 1) as (first,), sql_client(database) as second, ThreadPoolExecutor(1) as thread:
        assert use(first, "complete", held["id"], held["fencing_token"])
        late = thread.submit(use, second, "fail", held["id"], held["fencing_token"])
        wait_until_blocked(sql, second.pid())
        first.connection.commit()
        assert late.result(10) is False
    assert sql.path(held["id"]) == ["pending", "processing", "completed"]


def test_a_cancel_during_the_outcome_comes_too_late_or_stands(database: Database, sql: Client) -> None:
    held = sql.claimed()
    with sql_clients(database, 1) as (first,), sql_client(database) as second, ThreadPoolExecutor(1) as thread:
        assert use(first, "complete", held["id"], held["fencing_token"])
        late = thread.submit(second.value, "select cancel_queue_job(%s)", held["id"])
        wait_until_blocked(sql, second.pid())
        first.connection.rollback()
        assert late.result(10) is True
    assert sql.path(held["id"]) == ["pending", "processing", "cancelled"]
    assert use(sql, "complete", held["id"], held["fencing_token"]) is False


def test_many_outcomes_in_one_statement_are_fenced_one_by_one(sql: Client) -> None:
    mine, reset, cancelled, wrong = (sql.claimed() for _ in range(4))
    sql.silent(reset["id"], 10)
    sql.run("select reset_stalled_jobs('5 minutes'::interval)")
    sql.run("select cancel_queue_job(%s)", cancelled["id"])
    jobs = [mine["id"], reset["id"], cancelled["id"], wrong["id"], uuid.uuid4(), mine["id"]]
    tokens = [mine["fencing_token"], reset["fencing_token"], cancelled["fencing_token"], wrong["fencing_token"] + 1, 1, None]
    results = ['{"a": 1}'] * 6
    assert sql.values("select complete_queue_jobs(%s, %s, %s::jsonb[])", jobs, tokens, results) == [mine["id"]]
    assert [sql.job(job)["status"] for job in jobs[:4]] == ["completed", "pending", "cancelled", "processing"]
    assert sql.job(mine["id"])["result"] == {"a": 1} and sql.job(wrong["id"])["result"] is None


def test_a_job_that_is_put_off_is_charged_nothing_and_due_later(sql: Client) -> None:
    held = sql.claimed()
    assert sql.value("select put_off_queue_job(%s, %s, 'put off: later', 60)", held["id"], held["fencing_token"] - 1) is False
    assert sql.value("select put_off_queue_job(%s, %s, 'put off: later', 60)", held["id"], held["fencing_token"]) is True
    row = sql.job(held["id"])
    assert (row["status"], row["attempts"], row["error_message"], row["started_at"]) == ("pending", 0, None, None)
    assert 55 < (row["scheduled_for"] - row["updated_at"]).total_seconds() < 61
    assert sql.history(held["id"])[-1][-1] == "put off: later" and sql.claim() == []
