"""What the table itself refuses and keeps, whoever writes (CONTRACT 1 and 2, DESIGN 2)."""

from __future__ import annotations

import itertools
from typing import Any

import psycopg
import pytest

from tests.support import filling
from tests.support.jobs import LEGAL, STATUSES, TERMINAL, Client, sql_client
from tests.support.servers import Database

CHANGES = {
    "priority": 1, "scheduled_for": "2031-01-01Z", "metadata": '{"x": 1}', "result": '{"x": 1}', "attempts": 2,
    "max_attempts": 9, "error_message": "x", "dedup_key": "x", "fencing_token": 99, "worker": "x", "heartbeat_at": "2031-01-01Z",
    "started_at": "2031-01-01Z", "processed_at": "2031-01-01Z", "completed_at": "2031-01-01Z", "updated_at": "2031-01-01Z",
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATUSES, STATUSES)))
def test_every_pair_of_states(sql: Client, before: str, after: str) -> None:
    job = sql.in_state(before)
    row, history = sql.job(job), sql.history(job)
    if (before, after) in LEGAL:
        sql.run("update queue_jobs set status = %s where id = %s", after, job)
        assert sql.job(job)["status"] == after
        assert sql.history(job)[-1][:2] == (before, after)
    elif before == after and before not in TERMINAL:
        sql.run("update queue_jobs set status = %s where id = %s", after, job)
        assert (sql.job(job), sql.history(job)) == (row, history)
    else:
        with pytest.raises(psycopg.errors.CheckViolation):
            sql.run("update queue_jobs set status = %s where id = %s", after, job)
        assert (sql.job(job), sql.history(job)) == (row, history)


@pytest.mark.parametrize("role", ["service_role", None])
def test_the_service_role_and_the_owner_are_refused_alike(sql: Client, role: str | None) -> None:
    job = sql.in_state("completed")
    if role:
        sql.run(f"set role {role}")
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("update queue_jobs set status = 'pending' where id = %s", job)


def test_one_illegal_row_refuses_the_statement(sql: Client) -> None:
    sql.in_state("completed")
    pending = sql.add()
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("update queue_jobs set status = 'cancelled'")
    assert sql.job(pending)["status"] == "pending"


@pytest.mark.parametrize("status", [name for name in STATUSES if name != "pending"])
def test_a_job_starts_as_pending(sql: Client, status: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("insert into queue_jobs (queue_job_id, job_type, status) values ('x', 'other', %s)", status)


@pytest.mark.parametrize("status", TERMINAL)
def test_terminal_rows_stay_as_they_are(sql: Client, status: str) -> None:
    job = sql.in_state(status)
    before = sql.job(job)
    for column, value in CHANGES.items():
        with pytest.raises(psycopg.errors.CheckViolation):
            sql.run(f"update queue_jobs set {column} = %s where id = %s", value, job)
    assert sql.job(job) == before


@pytest.mark.parametrize("column", ["id", "queue_job_id", "user_id", "job_type", "created_at"])
@pytest.mark.parametrize("status", ["pending", "processing", "retrying"])
def test_identity_is_immutable(sql: Client, status: str, column: str) -> None:
    job = sql.in_state(status, user=sql.user())
    values: dict[str, Any] = {
        "id": "00000000-0000-0000-0000-000000000001", "queue_job_id": "x", "user_id": sql.user("bob@example.com"),
        "job_type": "send_sms", "created_at": "2031-01-01Z",
    }  # fmt: skip
    with pytest.raises(psycopg.errors.CheckViolation, match="identity"):
        sql.run(f"update queue_jobs set {column} = %s where id = %s", values[column], job)


@pytest.mark.parametrize("status", STATUSES)
def test_nothing_live_is_deleted(sql: Client, status: str) -> None:
    user = sql.user()
    job = sql.in_state(status, user=user)
    if status in TERMINAL:
        sql.run("delete from queue_jobs where id = %s", job)
        assert sql.history(job)[-1][:2] == (status, None)
        return
    with pytest.raises(psycopg.errors.CheckViolation, match="cancel it"):
        sql.run("delete from queue_jobs where id = %s", job)
    assert sql.job(job)["status"] == status


def test_a_user_is_deleted_with_all_that_is_his_and_nothing_else(sql: Client) -> None:
    leaving, staying = filling.fill(sql, ["ada@example.com", "bob@example.com"])
    jobs = {status: sql.in_state(status, user=leaving) for status in STATUSES}
    kept = sql.in_state("processing", user=staying)
    sql.run("delete from users where id = %s", leaving)
    # What browsers are told of, and the audit, outlive him; both are pruned by their age.
    owned = [name for name in filling.tables(sql) if filling.has_user(sql, name) and name not in ("job_events", "row_events")]
    assert "queue_jobs" in owned and "queue_jobs_archive" in owned
    assert [name for name in owned if sql.value(f"select count(*) from {name} where user_id = %s", leaving)] == []
    assert [name for name in owned if not sql.value(f"select count(*) from {name} where user_id = %s", staying)] == []
    assert sql.job(kept)["status"] == "processing"
    for status, job in jobs.items():
        live = [] if status in TERMINAL else [(status, "cancelled", "the user was deleted")]
        ending = [(was, to, message) for was, to, *_, message in sql.history(job)][-len(live) - 1 :]
        assert ending == [*live, ("cancelled" if live else status, None, None)]


def test_the_table_is_not_truncated(sql: Client) -> None:
    sql.in_state("completed")
    for statement in ("truncate queue_jobs", "truncate users cascade"):
        with pytest.raises(psycopg.errors.CheckViolation, match="truncated"):
            sql.run(statement)
    assert sql.value("select count(*) from queue_jobs") == 1


@pytest.mark.parametrize("status", STATUSES)
def test_every_state_has_its_times_whoever_writes(sql: Client, status: str) -> None:
    job = sql.job(sql.in_state(status))
    assert (job["started_at"] is not None) == (status in ("processing", "completed", "failed"))
    assert (job["processed_at"] is not None) == (status in TERMINAL)
    assert (job["completed_at"] is not None) == (status == "completed")


def test_a_claim_by_plain_sql_is_fenced_too(sql: Client) -> None:
    job = sql.add()
    sql.run("update queue_jobs set status = 'processing', fencing_token = 0 where id = %s", job)
    assert sql.job(job)["fencing_token"] == 1
    sql.run("update queue_jobs set status = 'pending' where id = %s", job)
    sql.run("update queue_jobs set status = 'processing', fencing_token = 0 where id = %s", job)
    assert sql.job(job)["fencing_token"] == 2


def test_updated_at_is_the_databases(sql: Client) -> None:
    job = sql.add()
    for column in ("priority", "scheduled_for", "metadata", "result", "error_message", "attempts"):
        before = sql.job(job)["updated_at"]
        sql.run(f"update queue_jobs set {column} = %s, updated_at = '2001-01-01Z' where id = %s", CHANGES[column], job)
        assert sql.job(job)["updated_at"] > before, column
    before = sql.job(job)["updated_at"]
    for column, value in (("updated_at", "2001-01-01Z"), ("heartbeat_at", "2031-01-01Z"), ("dispatched_at", "2031-01-01Z"), ("priority", 1)):
        sql.run(f"update queue_jobs set {column} = %s where id = %s", value, job)
        assert sql.job(job)["updated_at"] == before, column


def test_updated_at_moves_with_every_state(sql: Client) -> None:
    job = sql.add()
    seen = [sql.job(job)["updated_at"]]
    for status in ("processing", "retrying", "pending", "processing", "completed"):
        sql.run("update queue_jobs set status = %s where id = %s", status, job)
        seen.append(sql.job(job)["updated_at"])
    assert seen == sorted(set(seen))


def test_other_tables_keep_updated_at_too(sql: Client) -> None:
    user = sql.user()
    sql.run("update users set name = 'Ada', updated_at = '2001-01-01Z' where id = %s", user)
    assert sql.value("select updated_at > created_at from users where id = %s", user) is True


def test_every_table_with_updated_at_is_kept_by_the_database(sql: Client) -> None:
    # The settings and the processes write their own, and an archived job keeps its last: they are not what a user edits.
    ours = set(
        sql.values(
            "select c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace = 'public'::regnamespace "
            "and c.relkind in ('r', 'p') and a.attname = 'updated_at' and exists (select from pg_attribute u where u.attrelid = c.oid "
            "and u.attname = 'user_id') and not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'touch_updated_at')"
        )
    )
    assert {name for name in ours if not name.startswith("queue_jobs_archive")} <= {"queue_jobs"}


def test_a_refused_change_leaves_no_trace_in_a_transaction(database: Database, sql: Client) -> None:
    job = sql.in_state("cancelled")
    with sql_client(database, autocommit=False) as other:
        with other.connection.transaction(), pytest.raises(psycopg.errors.CheckViolation), other.connection.transaction():
            other.run("update queue_jobs set status = 'pending' where id = %s", job)
        assert other.path(job) == ["pending", "cancelled"]
