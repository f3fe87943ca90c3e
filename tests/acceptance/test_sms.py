"""From the midnight tick to a delivered reminder, through a real worker, with Twilio on this machine."""

from __future__ import annotations

from twilio.request_validator import RequestValidator

from app.settings import Settings
from app.web.app import create_app
from app.wiring import build
from tests.support.processes import Workers, wait_for
from tests.support.servers import Database, plain_settings
from tests.support.twilio_server import TOKEN, twilio_server

HERE = "https://jobs.example.com"
DONE = """
    select attempts, result ->> 'messageSid' from queue_jobs
    where job_type = 'send_sms' and status = 'completed' order by created_at
"""


def test_an_event_is_reminded_of_and_reminded_again_when_that_does_not_arrive(
    database: Database, workers: Workers, settings: Settings
) -> None:
    def rows(query: str) -> list[tuple]:
        with database.engine.connect() as conn:
            return [tuple(row) for row in conn.exec_driver_sql(query)]

    with database.engine.begin() as conn:
        conn.exec_driver_sql("""
            with person as (insert into users (email, timezone) values ('ada@example.com', 'Asia/Kathmandu') returning id),
            wish as (
                insert into user_sms_preferences (user_id, phone_number, phone_verified, event_reminders_enabled)
                select id, '+14155552671', true, true from person
            )
            insert into calendar_events (user_id, title, start_time, end_time)
            select id, 'Standup', now() + interval '5 minutes', now() + interval '10 minutes' from person
        """)
    with twilio_server() as twilio:
        twilio.answers.append(429)
        workers.start(**twilio.environment(), PUBLIC_URL=HERE, RETRY_BACKOFF_BASE="0.2")
        with database.engine.begin() as conn:
            conn.exec_driver_sql("select check_and_schedule_daily_sms()")
        wait_for(lambda: rows("select 1 from sms_messages where status = 'sent'"), "the reminder is sent")
        (taken,) = twilio.messages
        assert taken.body.startswith("Reminder: Standup ") and taken.to == "+14155552671"

        known = plain_settings(
            database_url=database.url,
            redis_url=settings.redis_url,
            retry_backoff_base=0.2,
            **twilio.settings(public_url=HERE),
        )
        http = create_app(build(known, engine=database.engine)).test_client()

        def tell(word: str) -> None:
            path = twilio.messages[-1].callback.removeprefix(HERE)
            form = {"MessageSid": twilio.messages[-1].sid, "MessageStatus": word}
            signature = RequestValidator(TOKEN).compute_signature(HERE + path, form)
            assert http.post(path, data=form, headers={"X-Twilio-Signature": signature}).status_code == 200

        tell("undelivered")
        wait_for(lambda: rows("select 1 from sms_messages where attempt_count = 2"), "a second copy is sent")
        tell("delivered")
        wait_for(lambda: len(rows(DONE)) == 2, "both jobs are done")
    assert rows("select status, twilio_status, delivered_at is not null from sms_messages") == [
        ("delivered", "delivered", True)
    ]
    assert rows("select status from sms_delivery order by created_at") == [("failed",), ("sent",), ("sent",)]
    assert rows(DONE) == [(1, taken.sid), (0, twilio.messages[1].sid)]
    assert len(twilio.messages) == 2
