"""`send_notification`, channel by channel: once, whatever happens in between (CONTRACT 8.4, 13)."""

from __future__ import annotations

from datetime import time
from uuid import UUID, uuid4

import pytest

from app.ports.push import PushDeferred, PushGone, PushRefused, PushUnknown
from app.queue.errors import LeaseLost
from app.queue.steering import cancel_job, retry_job
from tests.integration.notifications.conftest import NOW, PowerCut, World


class TestInApp:
    def test_it_is_stored_told_and_recorded(self, world: World) -> None:
        job = world.job("in-app", correlationId="corr-1")
        result = world.run(job)
        shown, delivery = world.one("notifications"), world.one("notification_deliveries")
        assert (shown["title"], shown["url"]) == (
            "Done: Launch *new* feature",
            "https://app.example/projects/p1/tasks/t1",
        )
        assert (shown["event_type"], shown["correlation_id"], shown["read_at"]) == ("task_completed", "corr-1", None)
        [(event, payload)] = world.events()
        assert event == "notification"
        assert payload.keys() == {"id", "eventType", "title", "body", "url", "createdAt", "correlationId"}
        assert (payload["id"], payload["correlationId"]) == (str(shown["id"]), "corr-1")
        assert payload["createdAt"].endswith("Z")
        assert (result.deliveryId, result.status, result.channel) == (str(delivery["id"]), "sent", "in-app")
        assert (delivery["queue_job_id"], delivery["status"], delivery["sent_at"]) == (job, "sent", NOW)

    def test_without_a_correlation_id_it_has_one_and_without_an_address_none(self, world: World) -> None:
        job = world.job("in-app", "system.announcement", {"title": "Hello"})
        world.run(job)
        [(_, payload)] = world.events()
        assert payload["correlationId"] == str(job) and "url" not in payload

    def test_a_run_whose_completion_was_lost_is_followed_by_one_that_shows_nothing_new(self, world: World) -> None:
        job = world.job("in-app")
        first = world.service.send(world.claimed(job))
        world.take_back()
        assert world.run(job) == first
        assert len(world.rows("select from notifications")) == len(world.events()) == 1
        assert world.delivery() == ("sent", None)

    def test_a_run_that_lost_its_job_shows_nothing(self, world: World) -> None:
        running = world.claimed(world.job("in-app"))
        world.take_back()
        with pytest.raises(LeaseLost):
            world.service.send(running)
        assert world.rows("select from notifications") == world.rows("select from notification_deliveries") == []


class TestEmail:
    def test_it_queues_the_mail_once_with_the_correlation_id(self, world: World) -> None:
        result = world.run(world.job("email", correlationId="corr-2"))
        [mail] = world.jobs("send_notification_email")
        assert mail["metadata"] == {
            "userId": str(world.user),
            "template": "task_completed",
            "recipientEmail": "ada@example.com",
            "title": "Done: Launch *new* feature",
            "body": "",
            "url": "https://app.example/projects/p1/tasks/t1",
            "deliveryId": result.deliveryId,
            "correlationId": "corr-2",
        }
        assert (result.status, result.channel) == ("sent", "email")

    def test_a_mail_that_fails_for_good_is_a_delivery_that_failed(self, world: World) -> None:
        result = world.run(world.job("email"))
        with world.engine.begin() as conn:
            metadata = {"deliveryId": result.deliveryId}
            world.service.carrier_failed(conn, user_id=uuid4(), metadata=metadata, error="not theirs")
            world.service.carrier_failed(
                conn, user_id=world.user, metadata={"deliveryId": "d1"}, error="of the web app"
            )
        assert world.delivery() == ("sent", None)
        with world.engine.begin() as conn:
            world.service.carrier_failed(conn, user_id=world.user, metadata=metadata, error="no such mailbox")
        assert world.delivery() == ("failed", "no such mailbox")

    def test_a_finished_brief_is_not_mailed_twice(self, world: World) -> None:
        world.add("user_brief_preferences", email_enabled=True)
        result = world.run(world.job("email", "brief.completed", {"briefId": "b1", "briefDate": "2026-11-22"}))
        assert (result.status, result.reason) == ("skipped", "the brief itself is sent by email")
        assert world.jobs("send_notification_email") == []


class TestSms:
    @pytest.mark.parametrize(("urgent", "priority"), [(False, 10), (True, 5)], ids=["ordinary", "urgent"])
    def test_it_is_queued_for_a_verified_phone(self, world: World, urgent: bool, priority: int) -> None:
        world.add("user_sms_preferences", phone_number="+14155552671", phone_verified=True)
        result = world.run(world.job("sms", urgent=urgent, correlationId="corr-3"))
        [sms] = world.jobs("send_sms")
        assert sms["priority"] == priority and len(sms["metadata"]["message"]) <= 160
        assert sms["metadata"]["phone_number"] == "+14155552671"
        assert (sms["metadata"]["correlationId"], sms["metadata"]["deliveryId"]) == ("corr-3", result.deliveryId)

    @pytest.mark.parametrize(
        ("preferences", "reason"),
        [
            ({}, "there is no valid phone number"),
            ({"phone_number": "+14155552671"}, "the phone number is not verified"),
            (
                {"phone_number": "+14155552671", "phone_verified": True, "opted_out": True},
                "the user has opted out of SMS",
            ),
        ],
        ids=["no phone", "not verified", "opted out"],
    )
    def test_it_is_skipped_otherwise(self, world: World, preferences: dict, reason: str) -> None:
        world.add("user_sms_preferences", **preferences)
        assert world.run(world.job("sms")).status == "skipped"
        assert world.delivery() == ("skipped", reason) and world.jobs("send_sms") == []


class TestPreferences:
    def test_do_not_disturb_is_in_the_users_time_and_recorded(self, world: World) -> None:
        world.browsers("one")
        world.add("user_notification_preferences", quiet_hours_start=time(13), quiet_hours_end=time(14))
        result = world.run(world.job())  # 12:00 UTC is 13:00 in Berlin
        assert (result.status, result.reason, world.push.to) == ("skipped", "quiet hours", [])
        assert world.run(world.job(urgent=True)).status == "sent"

    def test_a_preference_counts_at_the_time_of_the_run(self, world: World) -> None:
        world.browsers("one")
        job = world.job()
        world.add("user_notification_preferences", push_enabled=False)
        assert world.run(job).reason == "push notifications are switched off"


class TestPush:
    def test_every_browser_gets_it(self, world: World) -> None:
        world.browsers("one", "two")
        result = world.run(world.job(correlationId="corr-4"))
        assert (result.status, result.channel, world.push.to) == ("sent", "push", ["two", "one"])
        message = world.push.gone[0][1]
        assert (str(message.id), message.correlation_id) == (result.deliveryId, "corr-4")
        assert [row["status"] for row in world.rows("select status from notification_pushes")] == ["sent", "sent"]
        assert world.rows("select from push_subscriptions where last_sent_at is null") == []

    def test_a_subscription_that_is_gone_is_removed_and_the_others_count(self, world: World) -> None:
        world.browsers("one", "two")
        world.push.errors["two"] = [PushGone("410")]
        result = world.run(world.job())
        assert (result.status, result.reason) == ("sent", "1 of 2 subscriptions")
        assert [row["endpoint"] for row in world.rows("select endpoint from push_subscriptions")] == [
            "https://push.example/one"
        ]

    def test_a_failed_first_try_is_not_skipped_by_its_retry_and_nobody_gets_it_twice(self, world: World) -> None:
        world.browsers("one", "two")
        world.push.errors["one"] = [PushDeferred("429")]
        job = world.job()
        assert world.run(job) == "1 of 2 push services asked to wait"
        assert world.delivery() == ("failed", "1 of 2 push services asked to wait")
        assert world.run(job).status == "sent"
        assert world.push.to == ["two", "one"]
        assert world.delivery() == ("sent", None) and world.one("notification_deliveries")["attempts"] == 2

    def test_what_has_gone_to_one_browser_goes_on_in_quiet_hours(self, world: World) -> None:
        world.browsers("one", "two")
        world.push.errors["one"] = [PushDeferred("429")]
        job = world.job()
        world.run(job)
        world.add("user_notification_preferences", do_not_disturb=True)
        assert world.run(job).status == "sent"

    @pytest.mark.parametrize("error", [PushGone("410"), PushRefused("403"), PushUnknown("silence")], ids=type)
    def test_where_all_fail_the_app_shows_it(self, world: World, error: Exception) -> None:
        world.browsers("one")
        world.push.errors["one"] = [error]
        result = world.run(world.job())
        assert (result.status, result.channel) == ("sent", "in-app")
        assert "shown in the app" in result.reason and len(world.rows("select from notifications")) == 1

    def test_a_push_service_that_stays_busy_falls_back_at_the_last_attempt(self, world: World) -> None:
        world.browsers("one")
        world.push.errors["one"] = [PushDeferred("500")] * 3
        job = world.job()
        for _ in range(2):
            assert isinstance(world.run(job), str)
            assert world.rows("select from notifications") == []
        assert world.run(job).channel == "in-app"
        assert len(world.rows("select from notification_deliveries")) == 1

    def test_nobody_to_push_to_falls_back_too_and_without_the_app_it_is_skipped(self, world: World) -> None:
        assert world.run(world.job()).channel == "in-app"
        world.add("user_notification_preferences", in_app_enabled=False)
        result = world.run(world.job())
        assert (result.status, result.reason) == ("skipped", "no push subscription")

    def test_where_nothing_is_left_the_job_fails_with_the_reason(self, world: World) -> None:
        world.browsers("one")
        world.add("user_notification_preferences", in_app_enabled=False)
        world.push.errors["one"] = [PushRefused("403")]
        message = world.run(world.job())
        assert message == "every push failed (1 refused)" and world.delivery() == ("failed", message)
        assert world.jobs("send_notification")[0]["status"] == "failed"

    def test_a_power_cut_after_the_push_sends_no_second_one(self, world: World) -> None:
        world.browsers("one", "two")
        job = world.job()

        def cut() -> None:
            raise PowerCut

        world.push.after = cut
        with pytest.raises(PowerCut):
            world.run(job)
        assert world.delivery() == ("failed", "not finished")
        world.take_back()
        world.push.after = lambda: None
        assert world.run(job).status == "sent"
        assert world.push.to == ["two", "one"]
        states = {row["status"] for row in world.rows("select status from notification_pushes")}
        assert states == {"unknown", "sent"}

    def test_a_run_that_lost_its_job_pushes_nothing(self, world: World) -> None:
        world.browsers("one")
        job = world.job()

        def cancel() -> None:
            with world.engine.begin() as conn:
                cancel_job(conn, job)

        world.push.before = cancel
        with pytest.raises(LeaseLost):
            world.run(job)
        assert world.push.to == []

    def test_a_push_that_another_run_has_taken_is_left_to_it(self, world: World) -> None:
        world.browsers("one")

        def take() -> None:
            with world.engine.begin() as conn:
                conn.exec_driver_sql("update notification_pushes set status = 'handing_over'")

        world.push.before = take
        assert world.run(world.job()).channel == "in-app"
        assert world.push.to == []

    def test_what_has_gone_is_known_also_when_the_job_was_cancelled_meanwhile(self, world: World) -> None:
        world.browsers("one")
        job = world.job()

        def cancel() -> None:
            with world.engine.begin() as conn:
                cancel_job(conn, job)

        world.push.after = cancel
        with pytest.raises(LeaseLost):
            world.run(job)
        assert world.one("notification_pushes")["status"] == "sent"
        with world.engine.begin() as conn:
            again = retry_job(conn, job).id
        world.push.after = lambda: None
        assert world.run(again).channel == "push" and world.push.to == ["one"]

    def test_a_retry_by_hand_goes_on_where_the_failed_job_stopped(self, world: World) -> None:
        world.browsers("one", "two")
        world.push.errors["one"] = [PushDeferred("429")]
        old = world.job()
        world.run(old)
        with world.engine.begin() as conn:
            cancel_job(conn, old)
            new = retry_job(conn, old).id
        assert world.run(new).status == "sent"
        assert world.push.to == ["two", "one"]
        statuses = {row["queue_job_id"]: row["status"] for row in world.rows("select * from notification_deliveries")}
        assert statuses == {old: "failed", new: "sent"}


class TestFailures:
    @pytest.mark.parametrize(
        ("metadata", "channel"),
        [
            ({"channel": "push", "eventType": "task_completed", "payload": {"taskId": "t"}}, "push"),
            ({"channel": "fax", "eventType": "birthday", "payload": 3, "correlationId": 5}, None),
            ({}, None),
        ],
        ids=["payload", "everything", "nothing"],
    )
    def test_bad_metadata_leaves_a_row_that_says_so(self, world: World, metadata: dict, channel: str | None) -> None:
        job = uuid4()
        for _ in range(2):
            with world.engine.begin() as conn:
                world.service.failed(conn, job_id=job, user_id=world.user, metadata=metadata, error="metadata: no")
        row = world.one("notification_deliveries")
        assert (row["status"], row["reason"], row["channel"]) == ("failed", "metadata: no", channel)

    def test_a_late_failure_changes_nothing_that_was_sent(self, world: World) -> None:
        job = world.job("in-app")
        world.run(job)
        with world.engine.begin() as conn:
            world.service.failed(conn, job_id=job, user_id=world.user, metadata={}, error="late")
        assert world.delivery() == ("sent", None)


class TestAnnouncing:
    def announce(self, world: World, key: str = "k") -> int:
        payload = {"briefId": str(UUID(int=1)), "briefDate": "2026-11-22", "timezone": "UTC"}
        with world.engine.begin() as conn:
            return world.service.announce(
                conn, world.user, "brief.completed", payload, correlation_id="corr-5", key=key
            )

    def test_nothing_is_told_that_nobody_chose(self, world: World) -> None:
        world.add("user_notification_preferences")
        assert self.announce(world) == 0 and world.jobs("send_notification") == []

    def test_what_was_chosen_is_told_once(self, world: World) -> None:
        world.add("user_notification_preferences", event_channels={"brief.completed": ["push", "in-app"]})
        assert self.announce(world) == self.announce(world) == 2
        jobs = world.jobs("send_notification")
        assert {job["metadata"]["channel"] for job in jobs} == {"push", "in-app"} and len(jobs) == 2
        assert {job["metadata"]["correlationId"] for job in jobs} == {"corr-5"}
        assert [world.run(job["id"]).status for job in jobs] == ["sent", "sent"]
        # Nobody could be pushed to, so the app shows it, and has been asked to as well: it is there once.
        assert len(world.rows("select from notifications")) == len(world.events()) == 1


class TestItsJobIsCancelled:
    def cancel(self, world: World, job: UUID) -> None:
        with world.engine.begin() as conn:
            assert cancel_job(conn, job)

    def test_a_delivery_that_was_to_be_tried_again_says_so(self, world: World) -> None:
        world.browsers("one")
        world.push.errors["one"] = [PushDeferred("429")]
        job = world.job()
        world.run(job)
        self.cancel(world, job)
        assert world.delivery() == ("failed", "its job was cancelled")

    def test_one_that_mail_was_to_carry_has_not_gone(self, world: World) -> None:
        world.run(world.job("email"))
        (mail,) = world.jobs("send_notification_email")
        self.cancel(world, mail["id"])
        assert world.delivery() == ("failed", "its job was cancelled")

    def test_one_that_mail_may_have_carried_stays_as_it_is(self, world: World) -> None:
        world.run(world.job("email"))
        (mail,) = world.jobs("send_notification_email")
        email = world.add("emails", subject="s", queue_job_id=mail["id"], status="sending")
        world.add("email_logs", email_id=email, queue_job_id=mail["id"], transport="smtp", status="handing_over")
        self.cancel(world, mail["id"])
        assert world.delivery() == ("sent", None) and world.one("emails")["status"] == "cancelled"
