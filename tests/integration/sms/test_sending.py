"""One message goes once, to whom it may, as often as the user allows (CONTRACT 8.3, 13)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.adapters.sms_twilio import TwilioSms
from app.features.sms.repository import mark_taken
from app.ports.sms import SmsMessage, SmsReceipt
from app.queue.errors import InvalidMetadata, TransientError
from tests.integration.sms.conftest import HERE, NOW, NUMBER, World
from tests.support.processes import wait_for
from tests.support.servers import plain_settings
from tests.support.twilio_server import SERVICE

HOUR = timedelta(hours=1)


def test_a_message_leaves_and_its_sid_is_kept(world: World) -> None:
    job = world.job(eventName="Standup")
    assert world.send(job) == "SM" + "0" * 31 + "1"
    (taken,) = world.twilio.messages
    (copy,) = world.rows("select * from sms_delivery")
    assert (taken.to, taken.body, taken.service) == (NUMBER, "Hello Ada", SERVICE)
    assert taken.callback == f"{HERE}/api/webhooks/twilio/status?delivery={copy['id']}"
    message = world.message()
    assert (message["status"], message["twilio_sid"], message["sent_at"], message["attempt_count"]) == (
        "sent", taken.sid, NOW, 1,
    )  # fmt: skip
    assert (message["queue_job_id"], copy["status"], copy["twilio_sid"]) == (job, "sent", taken.sid)
    assert world.rows("select result from queue_jobs where id = :id", id=job)[0]["result"] is None
    (logged,) = world.rows("select details from activity_log where activity = 'sms_sent'")
    assert logged["details"] == {"messageId": str(message["id"]), "messageSid": taken.sid}


def test_a_job_that_sql_added_goes_without_repeating_its_user(world: World) -> None:
    with world.engine.begin() as conn:
        metadata = {"user": world.user, "number": NUMBER}
        added = text("select add_queue_job(:user, 'send_sms', jsonb_build_object('phone_number', cast(:number as text), 'message', 'Hello'))")
        job = conn.execute(added, metadata).scalar_one()
    assert world.send(job).startswith("SM") and world.message()["user_id"] == world.user


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"opted_out": True}, "no: the user has opted out of text messages"),
        ({"phone_verified": False}, "no: the phone number is not verified"),
        ({"phone_number": "+14155550000"}, "no: phone_number: is not the user's verified number"),
        ({"quiet_hours_start": time(12), "quiet_hours_end": time(13)}, "no: quiet hours"),
        ({"daily_sms_limit": 0}, "no: the daily limit of 0 text messages is reached"),
    ],
    ids=["opted out", "not verified", "another number", "quiet hours", "limit 0"],
)
def test_what_must_not_go_is_not_tried_again_and_says_why(world: World, wish: dict, reason: str) -> None:
    job = world.job()
    world.change("user_sms_preferences", **wish)
    assert world.send(job) == reason
    assert world.twilio.requests == 0
    assert (world.message()["status"], world.message()["reason"]) == ("skipped", reason.removeprefix("no: "))


@pytest.mark.parametrize("number", ["+123456789", "+999123456789"])
def test_a_number_that_cannot_be_is_refused(world: World, number: str) -> None:
    world.change("user_sms_preferences", phone_number=number)
    assert world.send(world.job(phone_number=number)) == f"no: phone_number: {number} is not a valid phone number"


def test_metadata_that_does_not_fit_names_the_field(world: World) -> None:
    for name, wrong in (("phone_number", "0415"), ("phone_number", None), ("message", ""), ("message", None)):
        with pytest.raises(InvalidMetadata) as refused:
            world.job(**{name: wrong})
        assert refused.value.field == f"metadata.{name}"


class TestQuietHours:
    @pytest.fixture(autouse=True)
    def quiet(self, world: World) -> None:
        world.change("user_sms_preferences", quiet_hours_start=time(12), quiet_hours_end=time(13))

    def test_urgent_passes(self, world: World) -> None:
        assert world.send(urgent=True).startswith("SM")

    def test_unless_the_user_does_not_want_that(self, world: World) -> None:
        world.change("user_sms_preferences", urgent_alerts=False)
        assert world.send(urgent=True) == "no: quiet hours"

    def test_the_end_is_not_quiet_any_more(self, world: World) -> None:
        world.clock.time = NOW + HOUR - timedelta(seconds=1)
        assert world.send() == "no: quiet hours"
        world.clock.time = NOW + HOUR
        assert world.send().startswith("SM")


class TestTheDailyLimit:
    def test_the_day_that_fills_it_exactly_is_sent_in_full(self, world: World) -> None:
        world.change("user_sms_preferences", daily_sms_limit=3)
        for hour in range(3):
            world.event(f"Event {hour}", NOW + (hour + 1) * HOUR)
        assert world.plan() == (3, 0, 0)
        for job in world.waiting():
            world.clock.time = job["scheduled_for"]
            assert world.send(job["id"]).startswith("SM")
        assert world.send() == "no: the daily limit of 3 text messages is reached"
        assert len(world.twilio.messages) == 3

    def test_counts_the_users_own_day(self, world: World) -> None:
        world.change("users", timezone="America/New_York")  # the day ends at 05:00 UTC
        world.change("user_sms_preferences", daily_sms_limit=1)
        world.clock.time = NOW.replace(hour=4)
        assert world.send().startswith("SM")
        world.clock.time = NOW.replace(hour=4, minute=59)
        assert world.send().startswith("no")
        world.clock.time = NOW.replace(hour=5)
        assert world.send().startswith("SM")

    def test_does_not_count_what_never_went(self, world: World) -> None:
        world.change("user_sms_preferences", daily_sms_limit=1)
        world.twilio.answers.append(400)
        assert world.send().startswith("no: Twilio answered 400 (21211)")
        assert world.send().startswith("SM")

    def test_holds_with_two_workers_at_once(self, world: World) -> None:
        world.change("user_sms_preferences", daily_sms_limit=1)
        running = world.claimed(world.job())
        with world.engine.begin() as conn:
            conn.execute(text("select 1 from user_sms_preferences for update"))  # the other one is counting
            with pytest.raises(TransientError, match="being changed"):
                world.service.send(running)
        assert world.slept == [0.1, 0.2, 0.5, 1.0, 2.0] and world.twilio.requests == 0


class TestRetries:
    def test_a_passing_failure_is_tried_again(self, world: World) -> None:
        job = world.job()
        world.twilio.answers += [429, 503]
        assert world.send(job) == "later: Twilio answered 429 (20429): Too Many Requests"
        assert (world.message()["status"], world.message()["error_code"]) == ("pending", "20429")
        for expected in ("later: Twilio answered 503", "SM"):
            try:
                said = world.service.send(world.again(job)).messageSid
            except TransientError as error:
                said = f"later: {error}"
            assert said.startswith(expected)
        assert world.copies() == ["failed", "failed", "sent"] and len(world.twilio.messages) == 1

    def test_a_run_whose_completion_was_lost_sends_no_second_copy(self, world: World) -> None:
        job = world.job()
        first = world.service.send(world.claimed(job))
        assert world.service.send(world.again(job)) == first
        assert world.twilio.requests == 1

    @pytest.mark.parametrize("answer", ["silence", "lost", "html", 500])
    def test_after_an_unknown_outcome_twilio_is_asked_first(self, world: World, answer: str | int) -> None:
        job = world.job()
        world.twilio.answers.append(answer)
        assert world.send(job).startswith("later: ")
        assert (world.message()["status"], world.copies()) == ("sending", ["unknown"])
        result = world.service.send(world.again(job))
        assert result.messageSid == world.twilio.messages[0].sid and len(world.twilio.messages) == 1
        assert world.copies() == (["sent"] if answer == "silence" else ["unknown", "sent"])

    def test_while_twilio_cannot_say_nothing_is_sent(self, world: World) -> None:
        job = world.job()
        world.twilio.answers += ["silence", 500]
        world.send(job)
        with pytest.raises(TransientError, match="not known whether"):
            world.service.send(world.again(job))
        assert len(world.twilio.messages) == 1

    def test_a_process_that_died_after_the_handover_sends_no_second_copy(self, world: World) -> None:
        job = world.job()
        world.send(job)
        world.run_sql("update sms_delivery set status = 'handing_over', twilio_sid = null")
        world.run_sql("update sms_messages set status = 'sending', twilio_sid = null")
        other = world.job(message_id=str(world.message()["id"]))
        with pytest.raises(TransientError, match="a moment ago"):
            world.service.send(world.claimed(other))
        world.clock.time += timedelta(minutes=2)
        assert world.service.send(world.again(other)).messageSid == world.twilio.messages[0].sid
        assert len(world.twilio.messages) == 1

    def test_a_job_that_failed_for_good_is_noted(self, world: World) -> None:
        job = world.job()
        world.twilio.answers.append(503)
        world.send(job)
        with world.engine.begin() as conn:
            world.service.failed(conn, job_id=job, user_id=world.user, error="gave up", final=False)
            assert conn.execute(text("select status from sms_messages")).scalar_one() == "pending"
            world.service.failed(conn, job_id=job, user_id=world.user, error="gave up", final=True)
        assert (world.message()["status"], world.message()["reason"]) == ("failed", "gave up")

    def test_one_by_hand_takes_over_the_message(self, world: World) -> None:
        job = world.job()
        world.twilio.answers.append(400)
        world.send(job)
        assert world.message()["status"] == "failed"
        assert world.send(world.job(retriedFrom=str(job))).startswith("SM")
        assert world.message()["status"] == "sent"


def test_a_number_that_told_twilio_to_stop_is_left_alone(world: World) -> None:
    world.twilio.answers.append(21610)
    assert world.send().startswith("no: Twilio answered 400 (21610)")
    (wish,) = world.rows("select opted_out, opted_out_at from user_sms_preferences")
    assert wish == {"opted_out": True, "opted_out_at": NOW}


def test_without_twilio_a_message_fails_for_good(world: World) -> None:
    world.event()
    world.plan()
    (reminder,) = world.waiting()
    world.service = world.service_on()
    assert world.send() == world.send(reminder["id"]) == "no: SMS not configured"
    assert {row["status"] for row in world.rows("select status from sms_messages")} == {"failed"}
    assert world.rows("select 1 from sms_delivery") == []


def test_a_message_is_locked_before_its_copies(world: World) -> None:
    """Else the first callback, which comes while its answer is written down, and that writing could wait for each other."""
    job = world.job()
    world.twilio.answers.append("silence")
    world.send(job)
    (copy,) = world.rows("select id, message_id from sms_delivery")

    def record() -> None:
        with world.engine.begin() as conn:
            conn.execute(text("set local application_name = 'the writer'"))
            mark_taken(conn, copy["id"], "SM1", NOW)

    with world.engine.begin() as callback, ThreadPoolExecutor(1) as other:
        callback.execute(text("select 1 from sms_messages where id = :id for update"), {"id": copy["message_id"]})
        writing = other.submit(record)
        blocked = "select 1 from pg_stat_activity where application_name = 'the writer' and cardinality(pg_blocking_pids(pid)) > 0"
        wait_for(lambda: world.rows(blocked), "the writer waits for the message")
        callback.execute(text("select 1 from sms_delivery where id = :id for update nowait"), {"id": copy["id"]})
        callback.commit()
        writing.result(10)
    assert world.message()["twilio_sid"] == "SM1"


def test_another_users_message_does_not_exist(world: World) -> None:
    world.send()
    stranger = world.add("users", email="bob@example.com")
    world.run_sql("update sms_messages set user_id = :stranger", stranger=stranger)
    for message_id in (world.message()["id"], uuid4()):
        assert world.send(world.job(message_id=str(message_id))) == "no: metadata.message_id: there is no such message"


def test_the_counts_are_shown_when_they_are_refreshed(world: World) -> None:
    world.send()
    world.change("user_sms_preferences", opted_out=True)
    world.send()
    assert world.rows("select * from sms_metrics") == []
    world.run_sql("select refresh_sms_metrics()")
    today = next(row for row in world.rows("select * from sms_metrics") if row["sent"])
    assert (today["day"], today["user_id"], today["sent"], today["copies"]) == (NOW.date(), world.user, 1, 1)
    assert isinstance(today["user_id"], UUID)


class TestItsJobIsCancelled:
    def cancel(self, world: World, job: UUID) -> None:
        world.run_sql("select cancel_queue_job(:id)", id=job)

    def test_the_message_ends_too_and_a_retry_sends_it(self, world: World) -> None:
        world.twilio.answers = [503]
        old = world.job()
        assert world.send(old).startswith("later") and world.message()["status"] == "pending"
        self.cancel(world, old)
        assert (world.message()["status"], world.message()["reason"]) == ("cancelled", "its job was cancelled")
        assert world.send(retriedFrom=str(old)).startswith("SM") and world.message()["status"] == "sent"

    def test_a_message_that_names_no_job_ends_with_the_one_that_names_it(self, world: World) -> None:
        message = world.add("sms_messages", phone_number=NUMBER, message_content="x")
        self.cancel(world, world.job(message_id=str(message)))
        assert world.message()["status"] == "cancelled"

    def test_what_has_gone_meanwhile_has_gone(self, world: World) -> None:
        job = world.job()
        cancel = self.cancel

        class Meanwhile(TwilioSms):
            def send(self, message: SmsMessage) -> SmsReceipt:
                cancel(world, job)
                assert world.message()["status"] == "cancelled"
                return super().send(message)

        settings = plain_settings(**world.twilio.settings(public_url=HERE))
        world.service_on(Meanwhile(settings)).send(world.claimed(job))
        assert world.message()["status"] == "sent" and world.copies() == ["sent"]

    def test_a_message_that_another_job_sends_goes_on(self, world: World) -> None:
        message = world.add("sms_messages", phone_number=NUMBER, message_content="x")
        first, second = world.job(message_id=str(message)), world.job(message_id=str(message))
        world.run_sql("update sms_messages set queue_job_id = :job", job=second)
        self.cancel(world, first)
        assert world.message()["status"] == "pending"
