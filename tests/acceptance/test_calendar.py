"""Google Calendar through a real API and a real worker: consent, first sync, its call, and a task put into the calendar."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import text

from app.client import Client
from tests.support.api import running_api
from tests.support.google_calendar import google_calendar
from tests.support.people import add_user
from tests.support.processes import Workers, wait_for
from tests.support.servers import Database


def rows(database: Database, query: str, **values: Any) -> list[tuple]:
    with database.engine.begin() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


def add_task(database: Database, user: UUID) -> str:
    query = "insert into tasks (user_id, title, start_date) values (:user, 'Write', '2026-12-01T09:00Z') returning id::text"
    return rows(database, query, user=user)[0][0]


def test_connected_called_and_written_to(
    database: Database, workers: Workers, process_env: dict[str, str], tmp_path: Path
) -> None:
    user = add_user(database.engine, timezone="Europe/Berlin")
    with google_calendar() as google:
        env = {name.upper(): value for name, value in google.settings().items()}
        google.put("first1", start={"date": "2026-12-01"}, end={"date": "2026-12-02"})
        with running_api({**process_env, **env}, tmp_path) as api:
            workers.start(PUBLIC_URL=api.url, **env)
            client = Client(api.url)
            back = google.consent(client.connect_google(str(user)))
            assert requests.get(back, timeout=10).json()["success"]
            titles = "select title from calendar_events order by title"
            wait_for(lambda: google.channels and rows(database, titles) == [("first1",)], "the first sync has ended")
            google.put("second2", start={"date": "2026-12-01"}, end={"date": "2026-12-02"})
            wait_for(lambda: rows(database, titles) == [("first1",), ("second2",)], "Google's call was followed")
            task = add_task(database, user)
            placed = client.put_task_into_calendar(task, minutes=45)
            assert (placed.syncStatus, placed.deduplicated) == ("pending", False)
            event = wait_for(lambda: [e for e in google.events.values() if e.get("summary") == "Write"], "Google has it")[0]
            assert event["end"]["dateTime"] == "2026-12-01T10:45:00+01:00"
            google.settle()
            assert client.take_task_out_of_calendar(task)
            wait_for(lambda: google.events[event["id"]]["status"] == "cancelled", "Google has deleted it")
            (connection,) = client.calendar_connections(str(user))
            assert (connection.status, connection.error) == ("active", None)
            client.disconnect_calendar(connection.id)
            assert rows(database, titles) == [] and google.channels == {}
    failed = rows(database, "select error_message from queue_jobs where status = 'failed'")
    assert all("no such connection" in message for (message,) in failed), failed
