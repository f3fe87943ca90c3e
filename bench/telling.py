"""Makes events for many users and writes down when each began: `python -m bench.telling WAY RATE SECONDS USERS FILE`.

WAY is `commit` (a job is added to the database; our API finds it there) or `relay` (emitted through Socket.IO's message queue).
With RATE 0 there is one event for each user, all at once: one statement, or one emit after the other.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

ADD = (
    "select count(add_queue_job(id, 'other', jsonb_build_object('stamp', stamp), 10, now() + interval '1 day')) "
    "from unnest(%s::uuid[], %s::text[]) as told (id, stamp)"
)
Tell = Callable[[list[tuple[str, str]]], Any]  # user and stamp of each event


def by_commit() -> Tell:
    import psycopg

    conn = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return lambda told: conn.execute(ADD, [[user for user, _ in told], [stamp for _, stamp in told]])


def by_relay() -> Tell:
    from socketio import RedisManager

    manager = RedisManager(os.environ["REDIS_URL"], channel="flask-socketio", write_only=True)

    def tell(told: list[tuple[str, str]]) -> None:
        for user, stamp in told:
            manager.emit("postgres_changes", _change(user, stamp), namespace="/", room=f"user:{user}")

    return tell


def _change(user: str, stamp: str) -> dict[str, Any]:
    """A new job as our API tells it."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return {
        "eventType": "INSERT", "schema": "public", "table": "queue_jobs", "old": {}, "cursor": "12345.1234567.1234567.1792000000",
        "new": {
            "id": str(uuid4()), "queue_job_id": f"other-{user}-20261122063000123456-1234567", "user_id": user, "job_type": "other",
            "status": "pending", "scheduled_for": now, "metadata": {"stamp": stamp}, "result": None, "attempts": 0,
            "max_attempts": 3, "priority": 10, "error_message": None, "created_at": now, "updated_at": now, "started_at": None,
            "processed_at": None, "completed_at": None, "error": None,
            "progress": {"current": 0, "total": 100, "message": "pending"},
        },
    }  # fmt: skip


WAYS: dict[str, Callable[[], Tell]] = {"commit": by_commit, "relay": by_relay}


def run(way: str, rate: float, seconds: float, users: list[str]) -> dict[str, float]:
    """Tell; returns when each event began to be made, by stamp."""
    tell = WAYS[way]()
    tell([(users[0], "warm")])
    time.sleep(0.5)
    if not rate:
        told = [(user, f"s{number}") for number, user in enumerate(users)]
        began = time.time()
        tell(told)
        return {stamp: began for _, stamp in told}
    due, begin = {}, time.time()
    for number in itertools.takewhile(lambda n: n < rate * seconds, itertools.count()):
        time.sleep(max(0.0, begin + number / rate - time.time()))
        due[f"p{number}"] = time.time()
        tell([(random.choice(users), f"p{number}")])
    return due


if __name__ == "__main__":
    _way, _rate, _seconds, _users, _file = sys.argv[1:]
    _began = run(_way, float(_rate), float(_seconds), json.loads(Path(_users).read_text()))
    Path(_file).write_text(json.dumps(_began))
