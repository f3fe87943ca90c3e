"""Notifications through a real worker, to a push service that decrypts, and from a brief to its reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.adapters.push_web import make_keys
from tests.support.processes import Workers, history, wait_for, wait_status
from tests.support.push_service import Browser, push_service
from tests.support.servers import Database


def add(database: Database, user: UUID, channel: str, **metadata: Any) -> UUID:
    known = {"channel": channel, "eventType": "task_completed", "payload": {"taskId": "t1", "taskTitle": "Launch"}}
    with database.engine.begin() as conn:
        return conn.execute(
            text("select add_queue_job(:user, 'send_notification', cast(:metadata as jsonb), 5)"),
            {"user": user, "metadata": json.dumps(known | metadata)},
        ).scalar_one()


def subscribe(database: Database, user: UUID, browser: Browser) -> None:
    with database.engine.begin() as conn:
        conn.execute(
            text(
                "insert into push_subscriptions (user_id, endpoint, p256dh, auth) values (:user, :endpoint, :p256dh, :auth)"
            ),
            {"user": user, "endpoint": browser.endpoint, "p256dh": browser.p256dh, "auth": browser.auth},
        )


def rows(database: Database, query: str) -> list[tuple]:
    with database.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def test_on_every_channel(database: Database, workers: Workers, tmp_path: Path) -> None:
    public, private = make_keys()
    with database.engine.begin() as conn:
        user = conn.execute(
            text("""
                with person as (insert into users (email, name) values ('ada@example.com', 'Ada') returning id),
                wish as (insert into user_notification_preferences (user_id, event_channels)
                         select id, '{"brief.completed": ["in-app"]}' from person)
                select id from person
            """)
        ).scalar_one()
    with push_service() as service:
        ada, busy, gone = service.browser("ada"), service.browser("busy", 429, 201), service.browser("gone", 410)
        for browser in (ada, busy, gone):
            subscribe(database, user, browser)
        workers.start(
            MAIL_OUTBOX=str(tmp_path / "outbox"),
            VAPID_PUBLIC_KEY=public,
            VAPID_PRIVATE_KEY=private,
            VAPID_SUBJECT="mailto:ada@example.com",
            PUSH_ALLOW_INSECURE="true",
        )
        pushed = add(database, user, "push", correlationId="corr-1")
        mailed = add(database, user, "email", correlationId="corr-2")
        with database.engine.begin() as conn:
            brief = conn.execute(
                text("select add_queue_job(:user, 'generate_daily_brief', '{\"briefDate\": \"2026-11-22\"}')"),
                {"user": user},
            ).scalar_one()
        done = wait_status(database, pushed)
        assert (done.status, done.result["status"], done.result["channel"]) == ("completed", "sent", "push"), (
            done.error_message
        )
        assert ("processing", "retrying") in history(
            database, pushed
        )  # 429: put off, then once to that one browser alone
        assert [path for path, _ in service.taken].count("/push/ada") == 1
        [body] = [body for path, body in service.taken if path == "/push/busy"]
        shown = busy.read(body)
        assert (shown["title"], shown["correlationId"], shown["id"]) == (
            "Done: Launch",
            "corr-1",
            done.result["deliveryId"],
        )
    assert len(rows(database, "select from push_subscriptions")) == 2
    assert wait_status(database, mailed).result["status"] == "sent"
    wait_for(lambda: list((tmp_path / "outbox").glob("*.eml")), "the mail is in the outbox")
    wait_status(database, brief)
    shown = wait_for(
        lambda: rows(database, "select event_type, correlation_id from notifications"), "the brief is told of"
    )
    assert shown == [("brief.completed", str(brief))]
    wait_for(lambda: rows(database, "select 1 from row_events where event = 'notification'"), "the open pages are told")
    wait_for(
        lambda: (
            rows(database, "select channel, status from notification_deliveries order by channel")
            == [("email", "sent"), ("in-app", "sent"), ("push", "sent")]
        ),
        "each job has one delivery",
    )
