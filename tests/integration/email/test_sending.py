"""A brief's email: what is written down, and that no retry, stall or crash sends what is known to have gone."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from app.ports.mail import MailDeferred, MailRefused, MailUnknown
from app.queue.errors import LeaseLost, PermanentError, TransientError
from app.queue.steering import cancel_job
from tests.integration.email.conftest import HERE, NOW, PowerCut, World


def fail(error: BaseException):
    def action() -> None:
        raise error

    return action


class TestASentBrief:
    def test_every_row_says_so(self, world: World) -> None:
        result = world.service().send_brief(world.claimed(world.job()))
        email, recipient = world.one("emails"), world.one("email_recipients")
        assert result.model_dump() == {
            "emailId": str(world.email),
            "trackingId": email["tracking_id"],
            "messageId": "<id-1>",
        }
        assert (email["status"], email["sent_at"], email["message_id"]) == ("sent", NOW, f"<{world.email}@example.com>")
        assert f"{HERE}/email/track/open/{email['tracking_id']}" in email["html_content"]
        assert (recipient["recipient_email"], recipient["status"], recipient["sent_at"]) == (
            "ada@example.com",
            "sent",
            NOW,
        )
        log = world.one("email_logs")
        assert (log["status"], log["message_id"], log["transport"], log["attempt"]) == ("sent", "<id-1>", "smtp", 1)
        assert [row["url"] for row in world.rows("select url from email_links")] == ["https://board.example/?a=1&b=2"]

    def test_the_mail_is_what_the_rows_say(self, world: World) -> None:
        world.service().send_brief(world.claimed(world.job()))
        (mail,) = world.mail.gone
        email = world.one("emails")
        assert (mail.to, mail.html, mail.text, mail.message_id) == (
            "ada@example.com", email["html_content"], email["text_content"], email["message_id"],
        )  # fmt: skip
        assert mail.subject == "Your brief for <Sunday>" and "<title>Your brief for &lt;Sunday&gt;</title>" in mail.html

    def test_the_browser_hears_of_it_in_the_same_transaction(self, world: World) -> None:
        world.service().send_brief(world.claimed(world.job()))
        tracking_id = world.one("emails")["tracking_id"]
        assert world.events() == [("brief_email_sent", {"emailId": str(world.email), "trackingId": tracking_id})]
        (sent,) = world.rows("select xmin::text from emails")
        (event,) = world.rows("select xmin::text from row_events where event is not null")
        assert sent == event

    def test_nothing_is_tracked_without_a_public_address(self, world: World) -> None:
        world.service(public_url=None).send_brief(world.claimed(world.job()))
        assert "track" not in world.mail.gone[0].html and world.rows("select from email_links") == []


class TestAgain:
    def test_a_rerun_after_it_went_sends_nothing(self, world: World) -> None:
        job_id = world.job()
        first = world.service().send_brief(world.claimed(job_id))
        assert world.service().send_brief(world.again(job_id)) == first
        assert len(world.mail.gone) == len(world.events()) == 1 and world.tries() == ["sent"]

    def test_another_job_for_the_same_email_sends_nothing(self, world: World) -> None:
        first = world.service().send_brief(world.claimed(world.job()))
        assert world.service().send_brief(world.claimed(world.job())) == first
        assert len(world.mail.gone) == 1

    def test_a_crash_before_the_handover_is_no_mail(self, world: World) -> None:
        job_id = world.job()
        world.mail.before = fail(PowerCut())
        with pytest.raises(PowerCut):
            world.service().send_brief(world.claimed(job_id))
        assert (world.one("emails")["status"], world.tries()) == ("sending", ["started"])
        world.mail.before = lambda: None
        world.service().send_brief(world.again(job_id))
        assert len(world.mail.gone) == 1 and world.one("emails")["status"] == "sent"

    def test_after_a_crash_in_between_a_transport_that_knows_is_believed(self, world: World) -> None:
        job_id = world.job()
        world.mail.knows, world.mail.after = True, fail(PowerCut())
        with pytest.raises(PowerCut):
            world.service().send_brief(world.claimed(job_id))
        assert (world.one("emails")["status"], world.tries()) == ("sending", ["handing_over"])
        result = world.service().send_brief(world.again(job_id))
        assert len(world.mail.gone) == 1 and len(world.events()) == 1
        assert result.messageId == world.one("emails")["message_id"] and world.tries() == ["unknown", "sent"]

    def test_after_a_crash_in_between_a_second_copy_can_be_told_from_a_second_mail(self, world: World) -> None:
        job_id = world.job()
        world.mail.after = fail(PowerCut())
        with pytest.raises(PowerCut):
            world.service().send_brief(world.claimed(job_id))
        world.mail.after = lambda: None
        world.service().send_brief(world.again(job_id))
        first, second = world.mail.gone
        assert (first.message_id, first.delivery_id) == (second.message_id, second.delivery_id)
        assert world.tries() == ["unknown", "sent"]

    def test_silence_is_tried_again_and_written_down_as_unknown(self, world: World) -> None:
        job_id = world.job()
        world.mail.after = fail(MailUnknown("no answer"))
        with pytest.raises(TransientError, match="no answer"):
            world.service().send_brief(world.claimed(job_id))
        assert (world.one("emails")["status"], world.tries()) == ("sending", ["unknown"])

    def test_it_is_known_to_have_gone_although_the_database_was_away_for_a_moment(self, world: World) -> None:
        service = world.service()
        real, left = service._sender._engine, [2]

        class Away:
            """The engine, out of reach for a moment once the mail has gone."""

            def begin(self):
                if left[0]:
                    left[0] -= 1
                    raise OperationalError("begin", {}, ConnectionError())
                return real.begin()

        world.mail.after = lambda: setattr(service._sender, "_engine", Away())
        service.send_brief(world.claimed(world.job()))
        assert world.one("emails")["status"] == "sent" and world.slept == [0.1, 0.5]


class TestLosingTheJob:
    def test_a_run_that_lost_its_job_sends_nothing(self, world: World) -> None:
        job_id = world.job()
        job = world.claimed(job_id)
        world.mail.before = lambda: world.again(job_id) and None  # stalled, taken back, claimed by somebody else
        with pytest.raises(LeaseLost):
            world.service().send_brief(job)
        assert world.mail.gone == []

    def test_what_another_run_has_sent_meanwhile_is_heard_of_at_the_last_look(self, world: World) -> None:
        """A run that was believed dead wrote `sent` while this one made ready."""
        world.mail.before = lambda: world.run_sql("update emails set status = 'sent'")
        result = world.service().send_brief(world.claimed(world.job()))
        assert world.mail.gone == [] and world.tries() == []
        assert result.messageId == world.one("emails")["message_id"]

    def test_a_cancelled_job_whose_mail_has_gone_is_remembered(self, world: World) -> None:
        job_id = world.job()

        def cancel() -> None:
            with world.engine.begin() as conn:
                assert cancel_job(conn, job_id, "cancelled")

        world.mail.after = cancel
        world.service().send_brief(world.claimed(job_id))
        assert world.one("emails")["status"] == "sent" and len(world.events()) == 1
        world.service().send_brief(world.claimed(world.job()))
        assert len(world.mail.gone) == 1

    def test_another_job_does_not_overtake_one_that_is_handing_over(self, world: World) -> None:
        world.mail.after = fail(PowerCut())
        with pytest.raises(PowerCut):
            world.service().send_brief(world.claimed(world.job()))
        began = world.one("email_logs")["created_at"]
        world.mail.after = lambda: None
        other = world.job()
        world.clock.time = began
        with pytest.raises(TransientError, match="a moment ago"):
            world.service().send_brief(world.claimed(other))
        world.clock.time = began.replace(year=began.year + 1)
        world.service().send_brief(world.again(other))
        assert world.one("emails")["status"] == "sent"


class TestFailing:
    def test_a_passing_failure_waits_for_the_next_try(self, world: World) -> None:
        job_id = world.job()
        world.mail.before = fail(MailDeferred("450 greylisted"))
        with pytest.raises(TransientError, match="greylisted"):
            world.service().send_brief(world.claimed(job_id))
        assert (world.one("emails")["status"], world.one("email_logs")["error"]) == ("pending", "450 greylisted")
        world.mail.before = lambda: None
        world.service().send_brief(world.again(job_id))
        assert world.tries() == ["failed", "sent"] and world.one("email_recipients")["error"] is None

    def test_a_refusal_is_final(self, world: World) -> None:
        world.mail.before = fail(MailRefused("550 no such user"))
        with pytest.raises(PermanentError, match="no such user"):
            world.service().send_brief(world.claimed(world.job()))
        recipient = world.one("email_recipients")
        assert (world.one("emails")["status"], recipient["status"], recipient["error"]) == (
            "failed",
            "failed",
            "550 no such user",
        )

    @pytest.mark.parametrize(("final", "status"), [(False, "pending"), (True, "failed")])
    def test_the_end_of_the_job_is_the_end_of_its_email(self, world: World, final: bool, status: str) -> None:
        job_id = world.job()
        with world.engine.begin() as conn:
            world.service().failed(
                conn, job_id=job_id, user_id=world.user, metadata={"emailId": str(world.email)}, final=final
            )
            world.service().failed(conn, job_id=job_id, user_id=world.user, metadata={"emailId": ["odd"]}, final=final)
            world.service().failed(conn, job_id=job_id, user_id=None, metadata={}, final=final)
        assert world.one("emails")["status"] == status

    def test_a_failed_email_can_be_sent_by_a_retry(self, world: World) -> None:
        world.run_sql("update emails set status = 'failed'")
        world.service().send_brief(world.claimed(world.job()))
        assert world.one("emails")["status"] == "sent"

    @pytest.mark.parametrize(
        ("change", "error", "what"),
        [
            ("update daily_briefs set generation_status = 'processing'", TransientError, "not finished"),
            ("update daily_briefs set generation_status = 'failed'", PermanentError, "failed"),
            ("update daily_briefs set summary_content = null", PermanentError, "nothing to send"),
            ("delete from daily_briefs", PermanentError, "no such brief"),
            ("update emails set status = 'cancelled'", PermanentError, "cancelled"),
            ("delete from emails", PermanentError, "no such email"),
        ],
    )
    def test_nothing_to_send(self, world: World, change: str, error: type[Exception], what: str) -> None:
        job = world.claimed(world.job())
        world.run_sql(change)
        with pytest.raises(error, match=what):
            world.service().send_brief(job)
        assert world.mail.gone == [] and world.tries() == []

    def test_nobody_sends_what_belongs_to_somebody_else(self, world: World) -> None:
        bob = world.add("users", email="bob@example.com")
        theirs = world.add(
            "daily_briefs", user_id=bob, brief_date="2026-11-22", generation_status="completed", summary_content="x"
        )
        email = world.add("emails", user_id=bob, daily_brief_id=theirs, subject="s")
        for metadata in ({"emailId": str(email)}, {"briefId": str(theirs)}):
            with pytest.raises(PermanentError, match="there is no such"):
                world.service().send_brief(world.claimed(world.job(**metadata)))
        assert world.mail.gone == []


class TestOtherMails:
    def test_an_email_of_the_api(self, world: World) -> None:
        job_id = world.job(
            "send_email", to="bob@example.com", subject="Hi", html="<p>Hello <a href='https://a.example'>you</a></p>"
        )
        result = world.service().send_email(world.claimed(job_id))
        (mail,) = world.mail.gone
        assert (result.messageId, mail.to, mail.subject, mail.text) == (
            "<id-1>",
            "bob@example.com",
            "Hi",
            "Hello you (https://a.example)\n",
        )
        assert "/email/track/click/" in mail.html
        world.service().send_email(world.again(job_id))
        assert len(world.mail.gone) == 1 and world.events() == []

    def test_a_retry_by_hand_knows_what_has_gone(self, world: World) -> None:
        old = world.job("send_email", to="bob@example.com", subject="Hi", text="Hello")
        world.service().send_email(world.claimed(old))
        new = world.job("send_email", to="bob@example.com", subject="Hi", text="Hello", retriedFrom=str(old))
        world.service().send_email(world.claimed(new))
        assert len(world.mail.gone) == 1
        assert {row["queue_job_id"] for row in world.rows("select queue_job_id from emails")} == {None, new}

    def test_two_jobs_are_two_mails(self, world: World) -> None:
        for _ in range(2):
            world.service().send_email(
                world.claimed(world.job("send_email", to="b@example.com", subject="Hi", text="x"))
            )
        assert len({mail.message_id for mail in world.mail.gone}) == 2

    def test_a_notification(self, world: World) -> None:
        job = world.job(
            "send_notification_email", template="task.due_soon", recipientEmail="ada@example.com", title="<Due> soon",
            body="Call **Bob**", url="https://app.example/t/1", actionLabel="Open the task", correlationId="c1",
        )  # fmt: skip
        assert world.service().send_notification(world.claimed(job)).messageId == "<id-1>"
        (mail,) = world.mail.gone
        assert (mail.subject, mail.event_id) == ("<Due> soon", "c1")
        assert (
            "&lt;Due&gt; soon</h1>" in mail.html
            and "Open the task" in mail.html
            and "https://app.example/t/1" in mail.text
        )

    def test_a_notification_with_content_of_its_own(self, world: World) -> None:
        job = world.job(
            "send_notification_email",
            template="message",
            recipientEmail="ada@example.com",
            subject="S",
            htmlContent="<p>x</p>",
        )
        world.service().send_notification(world.claimed(job))
        assert "<p>x</p>" in world.mail.gone[0].html

    def test_an_email_without_content_is_refused(self, world: World) -> None:
        job = world.job("send_notification_email", recipientEmail="ada@example.com", emailId=str(world.email))
        with pytest.raises(PermanentError, match="nothing to send"):
            world.service().send_notification(world.claimed(job))
        assert world.rows("select from email_logs") == []

    def test_ids_that_are_none_are_nobody(self, world: World) -> None:
        job = world.job("send_email", to="b@example.com", subject="Hi", text="x", retriedFrom="no uuid")
        assert world.service().send_email(world.claimed(job)).messageId
        assert isinstance(world.one("email_logs")["id"], UUID)


class TestItsJobIsCancelled:
    def cancel(self, world: World, job: UUID) -> None:
        world.run_sql("select cancel_queue_job(:id)", id=job)

    def test_the_email_ends_too_and_a_retry_of_that_job_sends_it(self, world: World) -> None:
        job = world.job()
        self.cancel(world, job)
        assert world.one("emails")["status"] == "cancelled"
        with pytest.raises(PermanentError, match="was cancelled"):
            world.service().send_brief(world.claimed(world.job()))
        world.service().send_brief(world.claimed(world.job(retriedFrom=str(job))))
        assert world.one("emails")["status"] == "sent" and len(world.mail.gone) == 1

    def test_a_mail_that_another_job_is_sending_is_left_to_it(self, world: World) -> None:
        waiting = world.job()
        world.mail.before = lambda: self.cancel(world, waiting)
        world.service().send_brief(world.claimed(world.job()))
        assert world.one("emails")["status"] == "sent" and len(world.mail.gone) == 1
