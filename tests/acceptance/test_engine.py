"""A job's life in real workers: every way in, every outcome, every pool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery
from sqlalchemy import text

from tests.acceptance.conftest import Running
from tests.support.processes import Workers, add, history, job, wait_all, wait_for, wait_status
from tests.support.servers import Database

DONE = [(None, "pending"), ("pending", "processing"), ("processing", "completed")]


def test_a_thousand_jobs_of_one_statement_complete_once_each(database: Database, workers: Workers) -> None:
    workers.start()
    add(database, 1000)
    wait_all(database)
    with database.engine.connect() as conn:
        odd = conn.execute(
            text(
                "select count(*) from queue_jobs where attempts <> 0 or error_message is not null "
                "or not (created_at <= started_at and started_at <= completed_at and completed_at <= processed_at + interval '1 s')"
            )
        ).scalar_one()
        ended = conn.execute(text("select count(*), count(distinct job_id) from job_events where \"to\" = 'completed'")).one()
        stats = conn.execute(text("select * from queue_jobs_stats")).all()
    assert odd == 0
    assert tuple(ended) == (1000, 1000)
    assert stats == [("other", "completed", 1000)]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_pool_runs_fails_and_retries(database: Database, workers: Workers, pool: str) -> None:
    workers.start("-P", pool, "-c", "2", typed=True)
    good, bad, again = (
        add(database, result={"n": 1})[0],
        add(database, refuse="no such phone")[0],
        add(database, fail="boom", until=2)[0],
    )
    assert wait_status(database, good).result == {"n": 1}
    refused = wait_status(database, bad)
    assert (refused.status, refused.error_message, refused.attempts) == ("failed", "no such phone", 1)
    recovered = wait_status(database, again)
    assert (recovered.status, recovered.attempts, recovered.fencing_token) == ("completed", 2, 3)
    assert history(database, again) == [
        (None, "pending"), ("pending", "processing"), ("processing", "retrying"), ("retrying", "pending"),
        ("pending", "processing"), ("processing", "retrying"), ("retrying", "pending"), ("pending", "processing"),
        ("processing", "completed"),
    ]  # fmt: skip


def test_a_job_runs_at_most_max_attempts_times(running: Running, tmp_path: Path) -> None:
    database = running.database
    failed = wait_status(database, add(database, fail="never", ledger=str(tmp_path / "ledger"))[0])
    assert (failed.status, failed.attempts, failed.error_message) == ("failed", 3, "RuntimeError: never")
    assert len((tmp_path / "ledger").read_text().splitlines()) == 3


def test_a_poison_job_ends_failed_and_the_worker_lives_on(running: Running) -> None:
    database = running.database
    poison = add(database, kill="child")[0]
    ended = wait_status(database, poison)
    assert ended.status == "failed" and ended.attempts == 3
    assert "worker process died" in ended.error_message
    assert wait_status(database, add(database)[0]).status == "completed"


def test_bad_metadata_fails_at_once_with_the_field_named(running: Running) -> None:
    database = running.database
    with database.engine.begin() as conn:
        user = conn.execute(text("insert into users (email) values ('a@example.com') returning id")).scalar_one()
        bad = conn.execute(
            text("select add_queue_job(:u, 'generate_daily_brief', '{\"briefDate\": \"2026-13-01\"}')"), {"u": user}
        )
        stranger = conn.execute(
            text("select add_queue_job(:u, 'send_sms', cast(:m as jsonb))"),
            {"u": user, "m": json.dumps({"userId": str(uuid4()), "phone_number": "+14155552671", "message": "hi"})},
        )
        ids = bad.scalar_one(), stranger.scalar_one()
    rows = [wait_status(database, job_id) for job_id in ids]
    assert [(row.status, row.attempts) for row in rows] == [("failed", 1), ("failed", 1)]
    assert "metadata.briefDate" in rows[0].error_message
    assert "metadata.userId" in rows[1].error_message


@pytest.mark.parametrize(("levels", "status"), [(600, "completed"), (3000, "failed")])
def test_metadata_nested_deeper_than_python_reads_costs_its_own_job_alone(
    database: Database, workers: Workers, levels: int, status: str
) -> None:
    workers.start("-c", "1")
    deep = '{"filling": ' + '{"a":' * levels + "1" + "}" * levels + "}"
    with database.engine.begin() as conn:
        job_id = conn.execute(text("select add_queue_job(null, 'other', cast(:deep as jsonb))"), {"deep": deep}).scalar_one()
    row = wait_for(
        lambda: _columns(database, job_id).status in ("completed", "failed") and _columns(database, job_id), "the job ends"
    )
    assert row.status == status
    assert status == "completed" or (row.attempts == 1 and row.error_message.startswith("metadata: cannot be read"))
    assert wait_status(database, add(database)[0]).status == "completed"


def test_progress_is_in_the_row_while_the_job_runs(running: Running) -> None:
    database = running.database
    busy = add(database, progress=True, sleep=60, checkpoints=True)[0]
    row = wait_for(
        lambda: (r := job(database, busy)).metadata.get("generation_progress") and r, "progress is written"
    )
    report = row.metadata["generation_progress"]
    assert (report["step"], report["progress"], report["message"]) == ("working", 42, "half way")
    assert row.status == "processing"
    with database.engine.begin() as conn:
        conn.execute(text("select cancel_queue_job(:id)"), {"id": busy})


def test_a_job_for_later_waits_for_its_time(running: Running) -> None:
    database = running.database
    with database.engine.begin() as conn:
        later = conn.execute(
            text("select add_queue_job(null, 'other', '{}', 10, clock_timestamp() + interval '3 s')")
        ).scalar_one()
        never = conn.execute(
            text("select add_queue_job(null, 'other', '{}', 1, now() + interval '1 day')")
        ).scalar_one()
    row = wait_status(database, later)
    assert row.started_at >= row.scheduled_for
    assert job(database, never).status == "pending"


def test_urgent_jobs_overtake_thousands(database: Database, workers: Workers) -> None:
    add(database, 2000, sleep=0.15)
    workers.start("-c", "1", QUEUE_PRIORITY_AGING="100000")
    wait_for(lambda: _count(database, "completed") >= 3, "work has begun")
    urgent = add(database, priority=1)[0]
    row = wait_status(database, urgent)
    with database.engine.connect() as conn:
        # Begun between the two: what was running, and the runway of a moment's worth of work.
        between = conn.execute(
            text("select count(*) from queue_jobs where priority = 10 and started_at between :a and :b"),
            {"a": row.created_at, "b": row.started_at},
        ).scalar_one()
    assert between <= 4


def test_a_program_that_only_sends_needs_no_imports_of_tasks(
    database: Database, workers: Workers, process_env: dict[str, str]
) -> None:
    script = "from tasks import celery; print(celery.send_task('other', kwargs={'metadata': {'n': 1}}).id)"
    sender = workers.run("-c", script)
    assert sender.wait() == 0, sender.log.read_text()
    assert job(database, UUID(sender.log.read_text().split()[-1])).metadata == {"n": 1}


def test_delay_alone_adds_the_row(running: Running) -> None:
    database = running.database
    code = (
        "from tasks import celery\n"
        "import tasks.jobs\n"
        "celery.loader.import_default_modules()\n"
        "print(celery.tasks['other'].delay(result={'by': 'delay'}).id)\n"
        "print(celery.send_task('other', kwargs={'result': {'by': 'send_task'}}).id)\n"
        "print(celery.tasks['other'].apply_async(kwargs={'result': {'by': 'countdown'}}, countdown=1).id)\n"
    )
    client = running.workers.run("-c", code)
    assert client.wait() == 0, client.log.read_text()
    ids = [UUID(line) for line in client.log.read_text().split()]
    assert [wait_status(database, job_id).result["by"] for job_id in ids] == ["delay", "send_task", "countdown"]
    assert all(history(database, job_id) == DONE for job_id in ids)


def test_a_message_of_a_foreign_client_gets_its_row(running: Running) -> None:
    database = running.database
    with Celery(broker=running.redis_url) as foreign:
        foreign.send_task("other", kwargs={"result": {"by": "foreign"}}, queue="upkeep")
    with database.engine.connect() as conn:
        adopted = "select status from queue_jobs where result ->> 'by' = 'foreign'"
        wait_for(lambda: conn.execute(text(adopted)).scalars().all() == ["completed"], "the adopted job completes")


def test_odd_results_are_stored_or_fail_with_the_reason(running: Running) -> None:
    database = running.database
    large = add(database, result={"text": "x" * 2_000_000})[0]
    odd = [add(database, odd_result=kind)[0] for kind in ("list", "nul", "surrogate", "object", "deep")]
    assert len(wait_status(database, large).result["text"]) == 2_000_000
    for job_id in odd:
        row = wait_status(database, job_id)
        assert (row.status, row.attempts) == ("failed", 1), row
        assert row.error_message.startswith("result")


def test_an_unregistered_type_fails_saying_so(database: Database, workers: Workers) -> None:
    workers.start(JOB_MODULES="")
    row = wait_status(database, add(database)[0])
    assert (row.status, row.error_message) == ("failed", "no processor is registered for other jobs")


def test_a_worker_takes_only_what_its_queues_bring(database: Database, workers: Workers) -> None:
    workers.start("-Q", "briefs")
    waiting = add(database)[0]
    with database.engine.begin() as conn:
        user = conn.execute(text("insert into users (email) values ('a@example.com') returning id")).scalar_one()
        brief = conn.execute(text("select add_queue_job(:u, 'generate_daily_brief', '{}')"), {"u": user}).scalar_one()
    assert wait_status(database, brief).status == "failed"
    assert job(database, waiting).status == "pending"


def test_paused_and_external_types_wait(running: Running) -> None:
    database = running.database
    with database.engine.begin() as conn:
        conn.execute(text("insert into queue_settings (key, value) values ('paused.other', 'true')"))
    held = add(database)[0]
    assert wait_for(lambda: job(database, held).status == "pending", "it waits")
    with database.engine.begin() as conn:
        conn.execute(text("update queue_settings set key = 'external.other' where key = 'paused.other'"))
    with database.engine.begin() as conn:
        claimed = conn.execute(text("select id from claim_pending_jobs(array['other'])")).scalars().all()
        conn.execute(text("delete from queue_settings where key = 'external.other'"))
        conn.execute(text("select cancel_queue_job(:id)"), {"id": held})
    assert claimed == [held]


def _count(database: Database, status: str) -> int:
    with database.engine.connect() as conn:
        return conn.execute(text("select count(*) from queue_jobs where status = :s"), {"s": status}).scalar_one()


def _columns(database: Database, job_id: UUID) -> Any:
    """Of a job whose metadata cannot be read here either."""
    with database.engine.connect() as conn:
        return conn.execute(
            text("select status, attempts, error_message from queue_jobs where id = :id"), {"id": job_id}
        ).one()
