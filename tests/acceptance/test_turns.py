"""Turns and limits with real workers: one user's crowd holds back nobody, and a limit holds over two workers (docs/decisions/0120)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.support.people import add_user
from tests.support.processes import Workers, job, wait_for, wait_status
from tests.support.servers import Database


def add(database: Database, user: UUID, job_type: str, count: int, priority: int, metadata: dict[str, Any]) -> list[UUID]:
    query = text("select add_queue_job(:user, :type, cast(:metadata as jsonb), :priority) from generate_series(1, :count)")
    with database.engine.begin() as conn:
        values = {"user": user, "type": job_type, "metadata": json.dumps(metadata), "priority": priority, "count": count}
        return list(conn.execute(query, values).scalars())


def test_a_crowd_holds_back_nobody_and_a_limit_holds_over_two_workers(database: Database, workers: Workers) -> None:
    bulk, ada, bob = (add_user(database.engine) for _ in range(3))
    # More urgent than the others' and there before them: without turns every slot were bulk's for minutes.
    crowd = add(database, bulk, "other", 600, 1, {"sleep": 0.4})
    known = {"JOB_MODULES": "tests.support.drill,tests.support.short", "QUEUE_LIMITS": "send_notification=1"}
    started = [workers.start("-c", "2", ready=False, **known) for _ in range(2)]
    wait_for(lambda: _workers(database) == 2, "both workers are busy with the crowd")
    note = {"channel": "in-app", "eventType": "system.announcement", "payload": {"title": "drill", "sleep": 0.1}}
    limited = add(database, ada, "send_notification", 3, 10, note)
    same_type = add(database, bob, "other", 1, 10, {})
    ended = [wait_status(database, job_id) for job_id in (*same_type, *limited)]
    assert {row.status for row in ended} == {"completed"}
    assert any(job(database, job_id).status == "pending" for job_id in reversed(crowd)), "the others came after the crowd"
    # One after the other, by the database's clock, with three slots that had nothing else to do than the crowd's share of them.
    runs = sorted((row.started_at, row.completed_at) for row in ended[len(same_type) :])
    assert all(before[1] <= after[0] for before, after in pairwise(runs)), runs
    assert all(worker.running for worker in started)


def _workers(database: Database) -> int:
    with database.engine.connect() as conn:
        return conn.execute(text("select count(distinct worker) from queue_jobs where status = 'processing'")).scalar_one()
