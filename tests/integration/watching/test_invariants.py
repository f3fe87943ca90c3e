"""`buildos doctor`: clean on what the functions make, and every invariant sees what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app.queue.invariants import Finding, check_invariants
from tests.support.command import Command
from tests.support.processes import add
from tests.support.servers import Database

# A way to break each invariant, behind the back of the guards: {a} is a pending job, {c} a completed, {f} a failed,
# {p} a running, {r} a retrying one.
BREAKS = {
    "terminal rows have their times, live rows have none": "update queue_jobs set processed_at = null where id = '{c}'",
    "a terminal job ended once, a live one never": "insert into job_events (job_id, job_type, \"from\", \"to\", attempt) values ('{c}', 'other', 'processing', 'completed', 1)",
    "the history is a path of the state machine": "update job_events set \"from\" = 'retrying' where job_id = '{c}' and \"to\" = 'completed'",
    "the history ends where the row is": "delete from job_events where job_id = '{c}' and \"to\" = 'completed'",
    "nothing live was deleted or archived": "insert into job_events (job_id, job_type, \"from\", attempt) values ('{a}', 'other', 'pending', 0)",
    "an archived job has left the queue": "insert into queue_jobs_archive select id, queue_job_id, user_id, job_type, status, scheduled_for, metadata, "
    "result, attempts, max_attempts, priority, error_message, created_at, updated_at, started_at, processed_at from queue_jobs where id = '{f}'",
    "attempts are the failures and stalls of the history, at most max_attempts": "update queue_jobs set attempts = 2 where id = '{r}'",
    "the fencing token is the number of claims": "update queue_jobs set fencing_token = 7 where id = '{p}'",
    "a failed job says why": "update queue_jobs set error_message = null where id = '{f}'",
    "a running job has a holder and gives signs of life": "update queue_jobs set heartbeat_at = now() - interval '1 hour' where id = '{p}'",
    "a waiting job is not started, and marked as sent only while pending": "update queue_jobs set dispatched_at = now() where id = '{r}'",
    "no message is waited for that nobody alive has sent": "insert into queue_processes (name, kind, host, pid) values ('w', 'worker', 'h', 1); "
    "update queue_jobs set dispatched_at = now() - interval '1 hour', dispatched_by = 'ghost' where id = '{a}'",
    "an idempotency key is held by one job, and by none that failed or was cancelled": "update queue_jobs set dedup_lock = 'k' where id = '{f}'",
    "the counts are the counts": "delete from job_events where job_id = '{a}'",
    "history and feed name the job's own user": "update job_events set user_id = gen_random_uuid() where job_id = '{a}'",
    "the guards of the table are in place": "drop trigger guard_update on queue_jobs",
    "every table of users is closed to other users": "alter table tasks disable row level security",
}


def findings(database: Database) -> dict[str, Finding]:
    return {
        finding.invariant: finding
        for finding in check_invariants(database.engine, stalled_seconds=300, dead_seconds=30)
    }


def some_of_each(conn: Connection) -> dict[str, str]:
    """One job in every state but cancelled, made by the functions alone."""
    made = {}
    for name, end in {
        "c": "select complete_queue_job('{}')",
        "f": "select fail_queue_job('{}', 'no')",
        "r": "select fail_queue_job('{}', 'not yet', true)",
        "p": "select 1",
    }.items():
        conn.execute(text("select add_queue_job(null, 'other', '{}', p_dedup_key => :key)"), {"key": f"key-{name}"})
        made[name] = conn.execute(text("select id from claim_pending_jobs('{other}', 1)")).scalar_one()
        conn.execute(text(end.format(made[name])))
    made["a"] = conn.execute(text("select add_queue_job(null, 'other', '{}')")).scalar_one()
    return {name: str(job_id) for name, job_id in made.items()}


def test_what_the_functions_make_is_clean(database: Database) -> None:
    with database.engine.begin() as conn:
        some_of_each(conn)
        conn.execute(text("select fold_queue_counts()"))
        cancelled = conn.execute(text("select add_queue_job(null, 'other', '{}', p_dedup_key => 'x')")).scalar_one()
        conn.execute(text("select cancel_queue_job(:id)"), {"id": cancelled})
    assert {name: found.examples for name, found in findings(database).items() if found.violations} == {}


def test_every_invariant_has_a_break(database: Database) -> None:
    assert list(findings(database)) == list(BREAKS)


@pytest.mark.parametrize("invariant", BREAKS)
def test_what_breaks_an_invariant_is_seen(database: Database, invariant: str) -> None:
    with database.engine.begin() as conn:
        made = some_of_each(conn)
        conn.execute(text("set local session_replication_role = replica"))  # past the guards
        conn.exec_driver_sql(BREAKS[invariant].format(**made))
    assert findings(database)[invariant].violations >= 1


def test_doctor_on_a_live_database(database: Database, redis_url: str, tmp_path: Path) -> None:
    command = Command(tmp_path / "home", DATABASE_URL=database.url, REDIS_URL=redis_url)
    add(database, 3)
    assert "0 violations" not in command.must("doctor", "--invariants")
    with database.engine.begin() as conn:
        conn.exec_driver_sql("drop trigger record_changed on queue_jobs")
    broken = command.run("doctor", "--invariants")
    assert broken.returncode == 1 and "record_changed: trigger missing" in broken.stdout


def test_doctor_says_what_is_missing_and_what_to_do(database: Database, redis_url: str, tmp_path: Path) -> None:
    command = Command(tmp_path / "home", DATABASE_URL=database.url, REDIS_URL="redis://127.0.0.1:1/0")
    seen = command.run("doctor")
    assert seen.returncode == 1
    for expected in ("ok: Postgres", "WRONG: none is alive", "celery -A tasks worker", "is REDIS_URL right"):
        assert expected in seen.stdout
    away = command.run("doctor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL=redis_url)
    assert away.returncode == 1 and "is DATABASE_URL right" in away.stdout and "Traceback" not in away.stderr
    assert "could not be checked" in command.refusal(
        "doctor", "--invariants", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"
    )
