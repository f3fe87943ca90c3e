"""A brief's email through a real worker: into the outbox, over SMTP, and when the worker dies at the worst moment."""

from __future__ import annotations

import os
import signal
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from tests.support.mail_servers import smtp_server
from tests.support.processes import Workers, history, wait_for, wait_status
from tests.support.servers import Database


def add_brief_email(database: Database, delay: str = "0 s") -> tuple[UUID, UUID]:
    """(email, job) of a finished brief, due after `delay`."""
    with database.engine.begin() as conn:
        return tuple(
            conn.execute(
                text("""
                    with person as (insert into users (email) values ('ada@example.com') returning id),
                    brief as (
                        insert into daily_briefs (user_id, brief_date, generation_status, summary_content)
                        select id, '2026-11-22', 'completed', E'# Sunday\n\nSee [the board](https://board.example/).' from person
                        returning id, user_id
                    ),
                    email as (
                        insert into emails (user_id, daily_brief_id, subject) select user_id, id, 'Your brief' from brief returning *
                    )
                    select email.id, add_queue_job(user_id, 'generate_brief_email', jsonb_build_object(
                        'emailId', email.id, 'briefId', daily_brief_id, 'recipientEmail', 'ada@example.com'), 5, now() + cast(:delay as interval))
                    from email
                """),
                {"delay": delay},
            ).one()
        )


def rows(database: Database, query: str) -> list[tuple]:
    with database.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def test_into_the_outbox(database: Database, workers: Workers, tmp_path: Path) -> None:
    email, job = add_brief_email(database)
    workers.start(MAIL_OUTBOX=str(tmp_path / "outbox"), PUBLIC_URL="https://jobs.example.com")
    done = wait_status(database, job)
    assert history(database, job)[-1] == ("processing", "completed"), done.error_message
    ((status, tracking_id),) = rows(database, "select status, tracking_id from emails")
    assert status == "sent"
    assert done.result == {"emailId": str(email), "trackingId": tracking_id, "messageId": f"<{email}@localhost>"}
    (file,) = (tmp_path / "outbox").glob("*.eml")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (
        "ada@example.com",
        "Your brief",
        f"<{email}@localhost>",
    )
    assert f"https://jobs.example.com/email/track/open/{tracking_id}" in mail.get_body(("html",)).get_content()
    assert rows(database, "select event, payload from row_events where event is not null") == [
        ("brief_email_sent", {"emailId": str(email), "trackingId": tracking_id})
    ]
    assert rows(database, "select status, transport, message_id from email_logs") == [
        ("sent", "outbox", f"<{email}@localhost>")
    ]


def test_from_a_daily_brief_to_its_mail(database: Database, workers: Workers, tmp_path: Path) -> None:
    with database.engine.begin() as conn:
        conn.execute(
            text("""
                with person as (insert into users (email, name) values ('ada@example.com', 'Ada') returning id),
                wish as (insert into user_brief_preferences (user_id, email_enabled) select id, true from person),
                project as (insert into projects (user_id, name) select id, 'R&D <b>' from person returning id, user_id)
                insert into tasks (user_id, project_id, title, due_date)
                select user_id, id, 'Buy *milk* <script>alert(1)</script>', '2026-11-22T12:00Z' from project
            """)
        )
        conn.execute(
            text(
                """select add_queue_job(id, 'generate_daily_brief', '{"briefDate": "2026-11-22", "timezone": "UTC"}') from users"""
            )
        )
    workers.start(MAIL_OUTBOX=str(tmp_path / "outbox"))
    (file,) = wait_for(lambda: list((tmp_path / "outbox").glob("*.eml")), "the mail is in the outbox")
    wait_for(lambda: rows(database, "select 1 from emails where status = 'sent'"), "that is written down")
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    plain, html = mail.get_body(("plain",)).get_content(), mail.get_body(("html",)).get_content()
    assert mail["Subject"] == "Your brief for Sunday, 22 November 2026"
    assert "Buy *milk* <script>alert(1)</script>" in plain and "R&D <b>" in plain
    assert "Buy *milk* &lt;script&gt;alert(1)&lt;/script&gt;" in html and "<script>" not in html
    assert "/email/track/" not in html  # nobody outside could reach us


def test_over_smtp_with_a_greylisting_and_a_refusing_server(database: Database, workers: Workers) -> None:
    with smtp_server() as server:
        server.answers["RCPT"] = "451 greylisted"
        _, job = add_brief_email(database)
        workers.start(
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=str(server.port),
            EMAIL_FROM="BuildOS <briefs@example.com>",
            RETRY_BACKOFF_BASE="0.5",
        )
        wait_for(lambda: rows(database, "select 1 from email_logs where status = 'failed'"), "the first try is put off")
        server.answers.clear()
        done = wait_status(database, job)
        assert (done.status, len(server.mails)) == ("completed", 1), done.error_message
        server.answers["RCPT"] = "550 no such user"
        with database.engine.begin() as conn:
            conn.execute(text("update emails set status = 'pending'"))
            again = conn.execute(
                text("select add_queue_job(user_id, 'generate_brief_email', metadata) from queue_jobs where id = :id"),
                {"id": job},
            ).scalar_one()
        refused = wait_status(database, again)
    assert (refused.status, refused.attempts) == ("failed", 1) and "550 no such user" in refused.error_message
    assert rows(database, "select status from emails") == [("failed",)] and len(server.mails) == 1


def test_a_process_killed_after_the_mail_went_sends_no_second_one(
    database: Database, workers: Workers, tmp_path: Path
) -> None:
    outbox = tmp_path / "outbox"
    _, job = add_brief_email(database)
    with database.engine.begin() as conn:  # whoever wants to write that the mail went has to wait
        conn.exec_driver_sql("""
            create function wait_here() returns trigger language plpgsql as
            $$ begin perform pg_advisory_xact_lock(42); return new; end $$;
            create trigger wait_here before update on email_logs for each row when (new.status = 'sent') execute function wait_here()
        """)
    with database.engine.begin() as holder:
        holder.execute(text("select pg_advisory_xact_lock(42)"))
        worker = workers.start("-c", "1", MAIL_OUTBOX=str(outbox))
        wait_for(
            lambda: rows(database, "select 1 from pg_locks where locktype = 'advisory' and not granted"),
            "the mail has gone",
        )
        assert len(list(outbox.glob("*.eml"))) == 1
        for child in _children(worker.pid):
            os.kill(child, signal.SIGKILL)
        wait_for(
            lambda: rows(database, "select 1 from queue_jobs where attempts = 1"), "the loss of the process is noticed"
        )
    done = wait_status(database, job)
    assert (done.status, done.attempts) == ("completed", 1), done.error_message
    assert len(list(outbox.glob("*.eml"))) == 1
    assert rows(database, "select status from email_logs order by created_at") == [("unknown",), ("sent",)]
    assert rows(database, "select count(*) from row_events where event = 'brief_email_sent'") == [(1,)]


def test_a_process_killed_before_it_heard_the_answer_sends_the_same_mail_again(
    database: Database, workers: Workers
) -> None:
    """Nobody can know whether it went: the second copy carries the first one's Message-ID."""
    with smtp_server() as server:
        email, job = add_brief_email(database, delay="1 hour")
        worker = workers.start("-c", "1", EMAIL_HOST="127.0.0.1", EMAIL_PORT=str(server.port))

        def kill() -> None:
            server.after_data = lambda: None
            for child in _children(worker.pid):
                os.kill(child, signal.SIGKILL)

        server.after_data = kill
        with database.engine.begin() as conn:
            conn.execute(text("update queue_jobs set scheduled_for = now() where status = 'pending'"))
        done = wait_status(database, job)
    assert (done.status, done.attempts) == ("completed", 1), done.error_message
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{email}@localhost>"] * 2
    assert rows(database, "select status from email_logs order by created_at") == [("unknown",), ("sent",)]


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]
