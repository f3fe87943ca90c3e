"""What app/queue adds to the SQL functions: checked metadata, pages, claims, the running job (CONTRACT 1 to 4)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from app.queue import claims, processes, reads, upkeep
from app.queue.adding import add_job, to_json
from app.queue.catalog import JOB_TYPES
from app.queue.errors import (
    InvalidMetadata,
    LeaseLost,
    PermanentError,
    TransientError,
    UnknownUser,
    describe,
    is_retryable,
)
from app.queue.running import RunningJob
from tests.support import servers
from tests.support.jobs import Client
from tests.support.servers import Database

BRIEF = {"briefDate": "2030-01-02"}


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        yield connection


def test_a_job_is_stored_with_its_types_defaults(conn: Connection, sql: Client) -> None:
    user = sql.user()
    added = add_job(conn, "generate_daily_brief", user_id=user, metadata=BRIEF, dedup_key="k")
    again = add_job(conn, "generate_daily_brief", user_id=user, metadata=BRIEF, dedup_key="k", priority=1)
    conn.commit()
    row = sql.job(added.id)
    assert (row["priority"], row["max_attempts"], row["metadata"]) == (JOB_TYPES["generate_daily_brief"].priority, 3, BRIEF)
    assert (again.id, again.scheduled_for, added.deduplicated, again.deduplicated) == (added.id, added.scheduled_for, False, True)


def test_nothing_is_added_when_the_caller_rolls_back(conn: Connection, sql: Client) -> None:
    add_job(conn, "other", user_id=None, metadata={})
    conn.rollback()
    assert sql.value("select count(*) from queue_jobs") == 0


@pytest.mark.parametrize(("job_type", "metadata", "field"), [
    ("generate_daily_brief", {}, "metadata.briefDate"), ("generate_daily_brief", {"briefDate": "2030-02-30"}, "metadata.briefDate"),
    ("generate_daily_brief", {**BRIEF, "timezone": "Mars/Base"}, "metadata.timezone"),
    ("generate_daily_brief", {**BRIEF, "userId": str(uuid.UUID(int=1))}, "metadata.userId"),
    ("other", {"a": "\x00"}, "metadata"), ("other", {"a": float("nan")}, "metadata"), ("other", {"a": "\ud800"}, "metadata"),
    ("other", {"a": object()}, "metadata"), ("other", {"\x00": 1}, "metadata"),
])  # fmt: skip
def test_metadata_that_does_not_fit_is_refused_naming_the_field(conn: Connection, sql: Client, job_type: str, metadata: dict, field: str) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        add_job(conn, job_type, user_id=sql.user(), metadata=metadata)
    assert refused.value.field == field


@pytest.mark.parametrize("key", ["", "k" * 501, "a\x00b"])
def test_a_key_that_no_index_takes_is_refused(conn: Connection, key: str) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        add_job(conn, "other", user_id=None, metadata={}, dedup_key=key)
    assert refused.value.field == "dedupKey"


def test_the_longest_key_fits(conn: Connection) -> None:
    key = "".join(chr(0x1F300 + number) for number in range(500))
    assert not add_job(conn, "other", user_id=None, metadata={}, dedup_key=key).deduplicated
    assert add_job(conn, "other", user_id=None, metadata={}, dedup_key=key).deduplicated


@pytest.mark.parametrize("user", [None, uuid.UUID(int=7)])
def test_an_unknown_user_is_refused(conn: Connection, user: uuid.UUID | None) -> None:
    with pytest.raises(UnknownUser):
        add_job(conn, "generate_daily_brief", user_id=user, metadata=BRIEF)


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", "back\\slash", "ü\u2028", {"deep": [[[{}]]]}, 10**40, 1.5])
def test_json_is_stored_as_it_was(conn: Connection, value: object) -> None:
    encoded = to_json({"v": value}, "metadata")
    assert conn.execute(text("select cast(:v as jsonb)"), {"v": encoded}).scalar_one() == {"v": value}


@pytest.mark.parametrize("value", ["\x00", "\\\x00", "a\\\\\x00"])
def test_nul_is_seen_behind_any_number_of_backslashes(value: str) -> None:
    with pytest.raises(InvalidMetadata):
        to_json({"v": value}, "metadata")


def test_pages_of_a_user_newest_first(conn: Connection, sql: Client) -> None:
    ada, bob = sql.user(), sql.user("bob@example.com")
    mine = [sql.add("send_email", user=ada) for _ in range(5)]
    sql.add("send_email", user=bob)
    sql.run("select cancel_queue_job(%s)", mine[0])
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        rows, cursor = reads.list_user_jobs(conn, ada, limit=2, cursor=cursor)
        seen += [row.id for row in rows]
        pages += 1
    assert (seen, pages) == (mine[::-1], 3)
    assert [row.id for row in reads.list_user_jobs(conn, ada, status="cancelled")[0]] == mine[:1]
    assert reads.list_user_jobs(conn, ada, job_type="send_sms") == ([], None)


@pytest.mark.parametrize("cursor", ["", "x", "e30=", "bnVsbA==", "WyJhIiwgImIiXQ==", "ü", "[" * 5000])
def test_a_foreign_cursor_is_refused(conn: Connection, sql: Client, cursor: str) -> None:
    with pytest.raises(reads.InvalidCursor):
        reads.list_user_jobs(conn, sql.user(), cursor=cursor)


def test_a_job_is_found_by_either_id_and_odd_texts_find_nothing(conn: Connection, sql: Client) -> None:
    job = sql.job(sql.add())
    assert reads.find_job(conn, job["queue_job_id"]) == reads.find_job(conn, str(job["id"])) == reads.find_job(conn, str(job["id"]).upper())
    for odd in ("", "\x00", "x" * 5000, str(uuid.uuid4()), "'; drop table queue_jobs", "ü" * 36):
        assert reads.find_job(conn, odd) is None


def test_a_job_as_the_api_shows_it(conn: Connection, sql: Client) -> None:
    held = sql.claimed(metadata={"generation_progress": {"progress": 40, "message": "half"}})
    found = reads.find_job(conn, str(held["id"]))
    assert found is not None
    shown = found.as_api()
    assert set(reads.COLUMNS) < set(shown) and shown["progress"] == {"current": 40, "total": 100, "message": "half"}
    times = [shown[name] for name in ("created_at", "updated_at", "started_at", "scheduled_for")]
    assert all(datetime.fromisoformat(time).tzinfo == UTC and time.endswith("Z") for time in times) and shown["completed_at"] is None


@pytest.mark.parametrize("progress", [None, [], "x", {"progress": None}])
def test_odd_progress_is_shown_as_none(conn: Connection, sql: Client, progress: object) -> None:
    job = reads.find_job(conn, str(sql.add(metadata={"generation_progress": progress})))
    assert job is not None and job.progress() == {"current": 0, "total": 100, "message": "pending"}


def claimed(database: Database, sql: Client) -> claims.Claim:
    job = sql.add(metadata={"a": 1}, user=sql.user())
    with database.engine.begin() as conn:
        held = claims.claim(conn, job, "task", "w")
        assert held is not None and claims.claim_of_task(conn, job, "task") == held and claims.claim_of_task(conn, job, "other") is None
    return held


def running(database: Database, sql: Client) -> RunningJob:
    return RunningJob(database.engine, claimed(database, sql))


def test_a_running_job_writes_its_progress(database: Database, sql: Client) -> None:
    job = running(database, sql)
    job.progress("step", 250, "almost", {"completed": 1})
    report = sql.job(job.id)["metadata"]["generation_progress"]
    assert report.pop("timestamp").endswith("Z")
    assert report == {"step": "step", "progress": 100.0, "message": "almost", "projects": {"completed": 1}}
    assert job.attempt == 1 and job.metadata.model_extra == {"a": 1}


@pytest.mark.parametrize("message", ["nul \x00", "half \ud800"])
def test_progress_that_cannot_be_written_fails_no_job(database: Database, sql: Client, message: str) -> None:
    job = running(database, sql)
    job.progress("step", 1, message)
    assert sql.job(job.id)["metadata"] == {"a": 1} and sql.job(job.id)["status"] == "processing"


def test_progress_without_a_database_fails_no_job(database: Database, sql: Client) -> None:
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    stranded = RunningJob(nowhere, claimed(database, sql))
    stranded.progress("step", 1, "message")


@pytest.mark.parametrize("loss", ["cancelled", "reset", "claimed again"])
def test_a_run_that_lost_its_job_writes_nothing(database: Database, sql: Client, loss: str) -> None:
    job = running(database, sql)
    if loss == "cancelled":
        sql.run("select cancel_queue_job(%s)", job.id)
    else:
        sql.silent(job.id, 30)
        sql.run("select reset_stalled_jobs()")
    if loss == "claimed again":
        assert len(sql.claim()) == 1
    before = sql.job(job.id)
    with pytest.raises(LeaseLost):
        job.progress("step", 1, "message")
    with pytest.raises(LeaseLost), job.transaction() as conn:
        conn.execute(text("insert into activity_log (activity) values ('stale')"))
    assert sql.job(job.id) == before and sql.value("select count(*) from activity_log") == 0


def test_a_runs_transaction_keeps_the_job_and_is_all_or_nothing(database: Database, sql: Client) -> None:
    job = running(database, sql)
    with pytest.raises(ZeroDivisionError), job.transaction() as conn:
        conn.execute(text("update users set name = 'half' where id = :id"), {"id": job.user_id})
        assert sql.value("select count(*) from take_back_stalled_jobs('-1 hour')") == 0
        raise ZeroDivisionError
    assert sql.value("select name from users where id = %s", job.user_id) is None
    assert sql.job(job.id)["status"] == "processing"  # locked by the run: the sweep went by


def test_a_lost_lease_is_swallowed_by_no_feature() -> None:
    assert not issubclass(LeaseLost, Exception)


@pytest.mark.parametrize(("error", "retried"), [
    (PermanentError("x"), False), (InvalidMetadata("f", "m"), False), (UnknownUser("x"), False), (PermissionError(), False),
    (IntegrityError("s", {}, Exception()), False), (TransientError("x"), True), (TimeoutError(), True), (ConnectionError(), True),
    (RuntimeError(), True), (KeyError("x"), True), (ValueError("x"), True),
])  # fmt: skip
def test_what_is_tried_again(error: Exception, retried: bool) -> None:
    assert is_retryable(error) is retried


@pytest.mark.parametrize("error", [RuntimeError("a\x00b"), RuntimeError("\ud800"), RuntimeError(), RuntimeError("x" * 9999), PermanentError("")])
def test_every_error_has_a_line_that_can_be_stored(conn: Connection, error: Exception) -> None:
    line = describe(error)
    assert 0 < len(line) <= 2000 and conn.execute(text("select cast(:line as text)"), {"line": line}).scalar_one() == line


def test_settings_are_written_for_every_client(conn: Connection, sql: Client) -> None:
    upkeep.write_settings(conn, servers.plain_settings(retry_backoff_base=0.5, queue_priority_aging=7, queue_notify=False))
    conn.commit()
    written = {row["key"]: row["value"] for row in sql.run("select key, value from queue_settings")}
    assert (float(written["RETRY_BACKOFF_BASE"]), int(written["QUEUE_PRIORITY_AGING"]), written["QUEUE_NOTIFY"]) == (0.5, 7, "false")


def test_the_dead_are_buried_and_their_marks_go(conn: Connection, sql: Client) -> None:
    job = sql.add()
    processes.report(conn, "w1", "worker", queues=["upkeep"], concurrency=2, polled=True)
    processes.report(conn, "w2", "worker")
    conn.commit()
    sql.values("select job_id from dispatch_jobs('{other}', 1, 'w1')")
    sql.run("update queue_processes set heartbeat_at = now() - interval '10 minutes' where name = 'w1'")
    assert [row["name"] for row in reads.process_status(conn)] == ["w2"]
    assert processes.bury_dead(conn, 60) == ["w1"]
    conn.commit()
    assert sql.job(job)["dispatched_at"] is None
    assert sql.values("select job_id from dispatch_jobs('{other}', 1, 'w2')") == [job]
    processes.leave(conn, "w2")
    conn.commit()
    assert sql.job(job)["dispatched_at"] is None and sql.value("select count(*) from queue_processes") == 0


def test_old_events_of_the_feed_are_pruned(conn: Connection, sql: Client) -> None:
    user = sql.user()
    sql.run("insert into row_events (user_id, event, at) select %s, 'x', now() - interval '26 hours' from generate_series(1, 3)", user)
    sql.run("insert into row_events (user_id, event, at) values (%s, 'x', now() - interval '24 hours')", user)
    assert (upkeep.prune_row_events(conn), upkeep.prune_row_events(conn)) == (3, 0)


def test_a_time_in_another_zone_is_the_same_instant(conn: Connection, sql: Client) -> None:
    moment = datetime(2031, 1, 1, 12, tzinfo=UTC).astimezone(datetime.now().astimezone().tzinfo) + timedelta(0)
    assert add_job(conn, "other", user_id=None, metadata={}, scheduled_for=moment).scheduled_for == datetime(2031, 1, 1, 12, tzinfo=UTC)
