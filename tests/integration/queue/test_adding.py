"""add_queue_job (CONTRACT 3) and the record it makes (CONTRACT 1)."""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from app.queue.catalog import JOB_TYPES
from tests.support.jobs import Client, sql_client, sql_clients, wait_until_blocked
from tests.support.servers import Database

USERLESS = ("update_recurring_tasks", "cleanup_old_data", "other")


def test_a_new_job_has_the_documented_defaults(sql: Client) -> None:
    job = sql.job(sql.value("select add_queue_job(null, 'other', '{}')"))
    assert (job["status"], job["priority"], job["attempts"], job["max_attempts"]) == ("pending", 10, 0, 3)
    assert job["metadata"] == {} and job["dedup_key"] is None
    assert job["scheduled_for"] <= sql.value("select now()")
    assert [job[name] for name in ("result", "error_message", "started_at", "processed_at", "completed_at")] == [None] * 5
    assert job["created_at"] is not None and job["updated_at"] is not None


def test_a_plain_insert_is_a_job_too(sql: Client) -> None:
    job = sql.job(sql.value("insert into queue_jobs (job_type) values ('other') returning id"))
    assert (job["status"], job["priority"], job["metadata"]) == ("pending", 10, {})
    assert job["queue_job_id"].startswith("other-system-")
    named = "insert into queue_jobs (job_type, queue_job_id) values ('other', 'mine') returning queue_job_id"
    assert sql.value(named) == "mine"


def test_every_parameter_is_stored(sql: Client) -> None:
    user, later = sql.user(), datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    job = sql.job(sql.add("send_sms", {"message": "hi"}, user=user, priority=3, scheduled_for=later, dedup_key="k"))
    assert (job["user_id"], job["job_type"], job["metadata"]) == (user, "send_sms", {"message": "hi"})
    assert (job["priority"], job["scheduled_for"], job["dedup_key"]) == (3, later, "k")


def test_nulls_mean_the_defaults(sql: Client) -> None:
    job = sql.job(sql.value("select add_queue_job(null, 'other', null, null, null, null)"))
    assert (job["metadata"], job["priority"]) == ({}, 10) and job["scheduled_for"] is not None


def test_the_enum_holds_the_documented_types(sql: Client) -> None:
    assert sql.values("select unnest(enum_range(null::queue_type))::text") == [
        "generate_daily_brief", "generate_brief_email", "generate_phases", "onboarding_analysis", "send_sms",
        "schedule_daily_sms", "send_notification", "send_notification_email", "process_brain_dump", "send_email",
        "sync_calendar", "update_recurring_tasks", "cleanup_old_data", "other",
    ]  # fmt: skip
    assert set(sql.values("select unnest(enum_range(null::queue_type))::text")) == set(JOB_TYPES)


def test_all_times_are_timestamptz_and_the_named_indexes_exist(sql: Client) -> None:
    types = {
        row["attname"]: row["type"]
        for row in sql.run(
            "select attname, format_type(atttypid, null) as type from pg_attribute where attrelid = 'queue_jobs'::regclass and attnum > 0"
        )
    }
    times = ("created_at", "updated_at", "started_at", "processed_at", "completed_at", "scheduled_for", "heartbeat_at", "dispatched_at")
    assert {types[name] for name in times} == {"timestamp with time zone"}
    assert (types["id"], types["queue_job_id"], types["job_type"], types["status"]) == ("uuid", "text", "queue_type", "queue_status")
    assert (types["metadata"], types["result"]) == ("jsonb", "jsonb")
    indexes = sql.values("select indexname from pg_indexes where tablename = 'queue_jobs'")
    assert {"idx_queue_jobs_user_status", "idx_queue_jobs_processing", "idx_queue_jobs_scheduled"} <= set(indexes)


def test_no_table_has_a_time_without_zone(sql: Client) -> None:
    found = sql.values(
        "select attrelid::regclass::text || '.' || attname from pg_attribute a join pg_class c on c.oid = attrelid "
        "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and atttypid = 'timestamp'::regtype"
    )
    assert set(found) <= {"tasks.recurrence_start"}  # what a clock on the wall showed, wherever its user moves


def test_queue_job_ids_are_readable(sql: Client) -> None:
    user = sql.user()
    brief = sql.job(sql.add("generate_daily_brief", {"briefDate": "2030-01-02"}, user=user))["queue_job_id"]
    assert re.fullmatch(rf"brief-{user}-2030-01-02-\d{{13}}-[0-9a-f]+", brief)
    assert re.fullmatch(rf"send_sms-{user}-\d{{13}}-[0-9a-f]+", sql.job(sql.add("send_sms", user=user))["queue_job_id"])
    assert sql.job(sql.add("other"))["queue_job_id"].startswith("other-system-")


def test_ids_stay_unique_under_load_and_grow_with_time(sql: Client) -> None:
    sql.run("select count(*) from (select add_queue_job(null, 'other', '{}') from generate_series(1, 3000)) x")
    assert sql.value("select count(distinct queue_job_id) from queue_jobs") == 3000
    old = sql.add()
    sql.run("select pg_sleep(0.003)")
    assert sql.add() > old


@pytest.mark.parametrize("job_type", JOB_TYPES)
def test_only_upkeep_has_no_user(sql: Client, job_type: str) -> None:
    if job_type in USERLESS:
        assert sql.job(sql.add(job_type))["user_id"] is None
    else:
        with pytest.raises(psycopg.errors.NotNullViolation, match="needs a user"):
            sql.add(job_type)
    assert JOB_TYPES[job_type].needs_user == (job_type not in USERLESS)


def test_an_unknown_user_type_or_priority_is_refused(sql: Client) -> None:
    user = sql.user()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql.add(user=uuid.uuid4())
    for unknown in ("bogus", "", "OTHER", None):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="unknown job type"):
            sql.value("select add_queue_job(%s, %s, '{}')", user, unknown)
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.add(priority=0)
    assert sql.value("select count(*) from queue_jobs") == 0


@pytest.mark.parametrize("metadata", [[], [1], "text", 1, True])
def test_metadata_must_be_an_object(sql: Client, metadata: object) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="JSON object"):
        sql.run("select add_queue_job(null, 'other', %s)", Jsonb(metadata))
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("insert into queue_jobs (queue_job_id, job_type, metadata) values ('x', 'other', %s)", Jsonb(metadata))


def test_json_null_is_refused_and_odd_metadata_is_kept_as_it_is(sql: Client) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        sql.run("""select add_queue_job(null, 'other', 'null')""")
    deep: object = 1
    for _ in range(500):
        deep = {"d": deep}
    odd = {
        "": "empty key", "emoji 🧠": "ü\\\"'\n\t", "null": None, "deep": deep, "long": "x" * 3_000_000, "big": 10**30,
        "briefDate": {"not": "a date"}, "';drop table queue_jobs;--": "%s %% {} :name $1",
    }  # fmt: skip
    assert sql.job(sql.add(metadata=odd))["metadata"] == odd


def test_a_nul_character_is_refused(sql: Client) -> None:
    with pytest.raises(psycopg.errors.UntranslatableCharacter):
        sql.run("select add_queue_job(null, 'other', %s::jsonb)", json.dumps({"a": "\x00"}))


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0001-01-01Z", "294276-12-31Z"])
def test_a_time_that_no_client_can_read_is_refused(sql: Client, moment: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        sql.run("select add_queue_job(null, 'other', '{}', 10, %s::timestamptz)", moment)


def test_a_time_long_past_is_due_and_harms_nobody(sql: Client) -> None:
    sql.setting("QUEUE_PRIORITY_AGING", "0.001")
    old = sql.add(scheduled_for=datetime(1000, 1, 1, tzinfo=UTC))
    assert [row["id"] for row in sql.claim()] == [old]


def test_adding_belongs_to_the_callers_transaction(database: Database, sql: Client) -> None:
    with sql_client(database, autocommit=False) as other:
        job = other.add()
        assert not sql.run("select from queue_jobs where id = %s", job)
        other.connection.rollback()
    assert sql.value("select count(*) from queue_jobs") == sql.value("select count(*) from job_events") == 0


@pytest.mark.parametrize("status", ["pending", "processing", "retrying", "completed"])
def test_a_key_is_held_by_a_live_or_completed_job(sql: Client, status: str) -> None:
    first = sql.in_state(status, dedup_key="k")
    before = sql.job(first)
    assert sql.add(metadata={"other": 1}, priority=1, dedup_key="k") == first
    assert sql.job(first) == before
    assert sql.value("select count(*) from queue_jobs") == 1


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failed_or_cancelled_job_gives_its_key_back(sql: Client, status: str) -> None:
    first = sql.in_state(status, dedup_key="k")
    second = sql.add(dedup_key="k")
    assert second != first
    assert (sql.job(first)["dedup_key"], sql.job(second)["dedup_key"]) == ("k", "k")
    assert sql.add(dedup_key="k") == second


def test_jobs_without_a_key_are_never_one(sql: Client) -> None:
    assert len({sql.add(), sql.add(), sql.add(dedup_key="a"), sql.add(dedup_key="b")}) == 4


def test_the_wider_form_tells_what_is_stored(sql: Client) -> None:
    later = datetime(2031, 1, 1, tzinfo=UTC)
    one = sql.one("select * from enqueue_job(null, 'other', '{}', 10, %s, 'k')", later)
    two = sql.one("select * from enqueue_job(null, 'other', '{}', 10, %s, 'k')", later + timedelta(days=1))
    assert (one["deduplicated"], two["deduplicated"]) == (False, True)
    assert {**two, "deduplicated": False} == one and one["due_at"] == later


def test_many_at_once_add_one_job(database: Database, sql: Client) -> None:
    def add(_: int) -> uuid.UUID:
        with sql_client(database) as mine:
            return mine.add(dedup_key="the one")

    with ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(add, range(32)))
    assert len(ids) == 1
    assert sql.value("select count(*) from queue_jobs") == 1


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_second_add_waits_for_the_first_ones_transaction(database: Database, sql: Client, end: str) -> None:
    with sql_clients(database, 1) as (first,), sql_client(database) as second, ThreadPoolExecutor(1) as thread:
        held = first.add(dedup_key="k")
        waiting = thread.submit(second.add, dedup_key="k")
        wait_until_blocked(sql, second.pid())
        getattr(first.connection, end)()
        assert (waiting.result(10) == held) is (end == "commit")
    assert sql.value("select count(*) from queue_jobs where dedup_lock = 'k'") == 1


def test_a_key_freed_meanwhile_is_taken(database: Database, sql: Client) -> None:
    old = sql.add(dedup_key="k")
    with sql_clients(database, 1) as (first,), sql_client(database) as second, ThreadPoolExecutor(1) as thread:
        first.run("select cancel_queue_job(%s)", old)
        waiting = thread.submit(second.add, dedup_key="k")
        wait_until_blocked(sql, second.pid())
        first.connection.commit()
        assert waiting.result(10) != old


def test_a_repeatable_read_caller_is_told_to_start_again(database: Database, sql: Client) -> None:
    with sql_client(database, autocommit=False) as late:
        late.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        late.run("select 1")
        sql.add(dedup_key="k")
        with pytest.raises(psycopg.errors.SerializationFailure):
            late.add(dedup_key="k")


def test_it_works_with_any_search_path(database: Database, sql: Client) -> None:
    with sql_client(database) as odd:
        odd.run("set search_path = ''")
        job = odd.value("select public.add_queue_job(null, 'other', '{}', p_dedup_key => 'k')")
        assert odd.value("select id from public.claim_pending_jobs('{other}')") == job
        odd.run("select public.complete_queue_job(%s)", job)
        assert odd.one("select * from public.queue_jobs_stats")["count"] == 1
    assert sql.path(job) == ["pending", "processing", "completed"]


def test_a_thousand_by_one_statement(sql: Client) -> None:
    user = sql.user()
    sql.run("select count(add_queue_job(%s, 'send_email', '{}', 5)) from generate_series(1, 1000)", user)
    assert sql.value("select count(*) from job_events where \"from\" is null and \"to\" = 'pending' and user_id = %s", user) == 1000
