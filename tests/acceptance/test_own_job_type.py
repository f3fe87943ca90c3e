"""The example of a job type of one's own, run by a real worker that knows it from JOB_MODULES alone."""

from __future__ import annotations

import json

from sqlalchemy import text

from tests.support.own_types import EXAMPLE
from tests.support.people import add_user
from tests.support.processes import Workers, wait_status
from tests.support.servers import Database


def test_a_job_type_of_ones_own(database: Database, workers: Workers) -> None:
    user = add_user(database.engine)
    with database.engine.begin() as conn:
        conn.execute(
            text(
                "insert into tasks (user_id, title, status, completed_at) values (:u, 'Ship it', 'done', '2026-11-05T12:00Z'), "
                "(:u, 'Too early', 'done', '2026-10-31T12:00Z'), (:u, 'Still open', 'backlog', null)"
            ),
            {"u": user},
        )
    workers.start("-c", "1", "-Q", "reports", JOB_MODULES=EXAMPLE)
    with database.engine.begin() as conn:
        good, old, wrong = [
            conn.execute(text("select add_queue_job(:u, 'monthly_report', cast(:m as jsonb))"), {"u": user, "m": json.dumps(metadata)}).scalar_one()
            for metadata in ({"month": "2026-11"}, {"month": "1999-01"}, {"months": 3})
        ]  # fmt: skip
    done = wait_status(database, good)
    assert (done.status, done.result["tasksDone"], done.metadata["generation_progress"]["progress"]) == ("completed", 1, 50)
    with database.engine.connect() as conn:
        note = conn.execute(text("select content from notes where id = cast(:id as uuid)"), {"id": done.result["noteId"]}).scalar_one()
    assert note == "# 2026-11\n\n- Ship it"
    refused = [wait_status(database, job) for job in (old, wrong)]
    assert [(job.status, job.attempts, job.error_message) for job in refused] == [
        ("failed", 1, "there is nothing to report of 1999-01"), ("failed", 1, "metadata.month: is required"),
    ]  # fmt: skip
