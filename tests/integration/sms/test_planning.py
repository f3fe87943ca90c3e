"""A day's events become reminders, which follow them (CONTRACT 8.3)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import text

from app.queue.errors import PermanentError
from tests.integration.sms.conftest import NOW, NUMBER, World

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def test_one_job_for_each_event_of_the_day(world: World) -> None:
    event = world.event("Standup", NOW + 2 * HOUR, location="Room 5")
    world.event("Tomorrow", NOW + 20 * HOUR)
    world.event("Off", NOW + 3 * HOUR, status="cancelled")
    world.event("Holiday", NOW + 3 * HOUR, all_day=True)
    assert world.plan() == (1, 0, 0)
    (job,) = world.waiting()
    message = world.message()
    assert (job["scheduled_for"], job["priority"]) == (NOW + 2 * HOUR - 15 * MINUTE, 10)
    assert job["metadata"] == {
        "userId": str(world.user), "phone_number": NUMBER, "message": "Reminder: Standup at 2:00 PM (Room 5)",
        "eventId": str(event), "eventName": "Standup", "message_id": str(message["id"]),
    }  # fmt: skip
    assert (message["status"], message["queue_job_id"], message["calendar_event_id"]) == ("pending", job["id"], event)
    (activity,) = world.rows("select details from activity_log where activity = 'daily_sms_scheduled'")
    assert activity["details"] == {
        "date": "2030-01-15", "timezone": "UTC", "scheduled_count": 1, "skipped_count": 0, "failed_count": 0,
    }  # fmt: skip


def test_planning_twice_queues_nothing_twice(world: World) -> None:
    world.event()
    assert world.plan() == world.plan() == (1, 0, 0)
    assert len(world.waiting()) == 1 and world.message()["status"] == "pending"


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("America/Los_Angeles", ["2030-01-15T08:00Z", "2030-01-16T07:59Z"]),
        ("Pacific/Auckland", ["2030-01-14T11:00Z", "2030-01-15T10:59Z"]),
    ],
    ids=["west", "east"],
)
def test_the_day_is_the_users(world: World, zone: str, expected: list[str]) -> None:
    first, last = (datetime.fromisoformat(at) for at in expected)
    world.change("users", timezone=zone)
    world.change("user_sms_preferences", event_reminder_lead_time_minutes=0)
    world.clock.time = first - 2 * HOUR
    for start in (first - MINUTE, first, last, last + MINUTE):
        world.event(start.isoformat(), start)
    assert world.plan(timezone=zone) == (2, 0, 0)
    assert [job["scheduled_for"] for job in world.waiting()] == [first, last]


def test_what_is_due_before_the_next_date_begins_is_planned_with_this_one(world: World) -> None:
    world.event("Early", datetime(2030, 1, 16, 0, 5, tzinfo=UTC))
    world.event("Later", datetime(2030, 1, 16, 0, 20, tzinfo=UTC))
    assert world.plan() == (1, 0, 0)
    assert world.waiting()[0]["metadata"]["message"] == "Reminder: Early on Wed 16 Jan at 12:05 AM"
    world.clock.time = datetime(2030, 1, 16, tzinfo=UTC)
    world.plan(world.clock.time)
    assert [job["scheduled_for"].strftime("%H:%M") for job in world.waiting()] == ["23:50", "00:05"]


class TestQuietHours:
    def test_move_a_reminder_to_their_end_where_that_is_before_the_event(self, world: World) -> None:
        world.change("user_sms_preferences", quiet_hours_start=time(13), quiet_hours_end=time(14))
        world.event("In time", NOW + 2 * HOUR + MINUTE)
        assert world.plan() == (1, 0, 0)
        assert world.waiting()[0]["scheduled_for"] == NOW + 2 * HOUR

    def test_keep_the_reason_of_one_that_cannot_be_sent(self, world: World) -> None:
        world.change("user_sms_preferences", quiet_hours_start=time(13), quiet_hours_end=time(14))
        world.event("Too late", NOW + 2 * HOUR)
        assert world.plan() == (0, 1, 0)
        assert world.waiting() == [] and (world.message()["status"], world.message()["reason"]) == (
            "skipped",
            "quiet hours",
        )

    def test_that_change_take_what_waits_along(self, world: World) -> None:
        world.event("A", NOW + 2 * HOUR)
        world.plan()
        world.change("user_sms_preferences", quiet_hours_start=time(13), quiet_hours_end=time(14))
        assert world.waiting() == [] and world.message()["status"] == "skipped"
        world.change("user_sms_preferences", quiet_hours_end=time(13, 50))
        (again,) = world.waiting("schedule_daily_sms")
        world.service.plan_day(world.claimed(again["id"]))
        assert world.waiting()[0]["scheduled_for"] == NOW + 2 * HOUR - 10 * MINUTE
        assert world.message()["status"] == "pending"


def test_an_event_that_is_near_is_reminded_of_at_once_and_one_that_has_begun_not_at_all(world: World) -> None:
    world.event("Near", NOW + 5 * MINUTE)
    world.event("Begun", NOW - 5 * MINUTE)
    assert world.plan() == (1, 1, 0)
    assert world.waiting()[0]["scheduled_for"] == NOW
    reasons = world.rows("select reason from sms_messages where status = 'skipped'")
    assert reasons == [{"reason": "the event has begun"}]


@pytest.mark.parametrize(
    "wish",
    [{"opted_out": True}, {"event_reminders_enabled": False}, {"phone_verified": False}],
    ids=lambda w: next(iter(w)),
)
def test_nobody_is_reminded_who_does_not_want_it_any_more(world: World, wish: dict[str, bool]) -> None:
    world.event()
    world.plan()
    world.change("user_sms_preferences", **wish)
    assert world.waiting() == [] and world.message()["status"] == "cancelled"
    assert world.plan() == (0, 0, 0)
    assert world.waiting() == []
    world.change("user_sms_preferences", **{name: not value for name, value in wish.items()})
    (again,) = world.waiting("schedule_daily_sms")  # and back again
    assert world.service.plan_day(world.claimed(again["id"])).scheduled_count == 1
    assert world.message()["status"] == "pending" and len(world.waiting()) == 1


def test_preferences_that_are_deleted_and_come_back_plan_the_day_again(world: World) -> None:
    world.event()
    world.plan()
    world.run_sql("delete from user_sms_preferences")
    assert world.waiting() == [] and world.message()["reason"] == "reminders are switched off"
    world.add("user_sms_preferences", phone_number=NUMBER, phone_verified=True, event_reminders_enabled=True)
    again = next(job for job in world.waiting("schedule_daily_sms") if "-after-" in job["dedup_key"])
    assert world.service.plan_day(world.claimed(again["id"])).scheduled_count == 1
    assert len(world.waiting()) == 1


class TestTheReminderFollows:
    @pytest.fixture(autouse=True)
    def planned(self, world: World) -> None:
        self.event = world.event("Standup", NOW + 2 * HOUR)
        world.plan()
        (self.before,) = world.waiting()

    def replan(self, world: World) -> None:
        (again,) = world.waiting("schedule_daily_sms")
        job = world.claimed(again["id"])
        world.service.plan_day(job)
        world.finish(again["id"])

    @pytest.mark.parametrize("hours", [-1, 3, 48], ids=["earlier", "later", "to another day"])
    def test_an_event_that_moves(self, world: World, hours: int) -> None:
        start = NOW + (2 + hours) * HOUR
        world.change("calendar_events", self.event, start_time=start, end_time=start)
        (job,) = world.waiting()
        assert (job["id"], job["scheduled_for"]) == (self.before["id"], start - 15 * MINUTE)
        self.replan(world)
        assert [each["id"] for each in world.waiting()] == [job["id"]]
        if hours < 24:
            at = f"{start.hour % 12 or 12}:00 PM"
            assert world.waiting()[0]["metadata"]["message"] == f"Reminder: Standup at {at}"

    def test_an_event_with_a_new_name(self, world: World) -> None:
        world.change("calendar_events", self.event, title="Sit-down")
        self.replan(world)
        assert world.waiting()[0]["metadata"]["message"] == "Reminder: Sit-down at 2:00 PM"

    @pytest.mark.parametrize("how", ["deleted", "cancelled"])
    def test_an_event_that_goes_away_and_comes_back(self, world: World, how: str) -> None:
        if how == "deleted":
            world.run_sql("delete from calendar_events")
        else:
            world.change("calendar_events", self.event, status="cancelled")
        assert world.waiting() == []
        assert (world.message()["status"], world.message()["reason"]) == ("cancelled", f"the event was {how}")
        assert world.rows("select status, message from queue_jobs join job_events on job_id = queue_jobs.id"
                          " where queue_jobs.id = :id order by job_events.id desc limit 1", id=self.before["id"]) == [
            {"status": "cancelled", "message": f"the event was {how}"}
        ]  # fmt: skip
        if how == "cancelled":
            world.change("calendar_events", self.event, status="confirmed")
            self.replan(world)
            assert [job["scheduled_for"] for job in world.waiting()] == [NOW + 2 * HOUR - 15 * MINUTE]

    def test_a_new_event(self, world: World) -> None:
        world.event("New", NOW + 4 * HOUR)
        world.event("And another", NOW + 5 * HOUR)
        assert len(world.waiting("schedule_daily_sms")) == 1
        self.replan(world)
        assert [job["metadata"]["eventName"] for job in world.waiting()] == ["Standup", "New", "And another"]

    def test_an_event_of_another_week_costs_nothing(self, world: World) -> None:
        world.event("Far", NOW + 200 * HOUR)
        assert world.waiting("schedule_daily_sms") == []

    def test_a_lead_time(self, world: World) -> None:
        world.change("user_sms_preferences", event_reminder_lead_time_minutes=60)
        assert [job["scheduled_for"] for job in world.waiting()] == [NOW + HOUR]
        self.replan(world)
        assert [job["scheduled_for"] for job in world.waiting()] == [NOW + HOUR]

    def test_a_user_who_moves(self, world: World) -> None:
        world.change("user_sms_preferences", quiet_hours_start=time(8), quiet_hours_end=time(8, 55))
        world.change("users", timezone="America/New_York")  # the reminder at 13:45 UTC is at 8:45 there
        assert [job["scheduled_for"] for job in world.waiting()] == [NOW + 2 * HOUR - 5 * MINUTE]
        self.replan(world)
        assert world.waiting()[0]["metadata"]["message"] == "Reminder: Standup at 9:00 AM"

    def test_once_for_each_time_of_an_event_that_moves_after_it_was_reminded_of(self, world: World) -> None:
        world.clock.time = NOW + 2 * HOUR - 15 * MINUTE
        world.twilio.clock = world.clock.time
        assert world.send(self.before["id"]).startswith("SM")
        world.change("calendar_events", self.event, start_time=NOW + 5 * HOUR, end_time=NOW + 5 * HOUR)
        self.replan(world)
        assert [job["scheduled_for"] for job in world.waiting()] == [NOW + 5 * HOUR - 15 * MINUTE]
        world.change("calendar_events", self.event, start_time=NOW + 2 * HOUR)
        self.replan(world)
        assert world.waiting() == [] and len(world.twilio.messages) == 1

    def test_a_reminder_that_somebody_cancelled_stays_cancelled(self, world: World) -> None:
        world.run_sql("select cancel_queue_job(:id)", id=self.before["id"])
        for _ in range(2):
            world.plan()
        assert world.waiting() == [] and world.message()["reason"] == "its job was cancelled"

    def test_an_event_that_changes_while_somebody_holds_the_preferences_waits_for_nobody(self, world: World) -> None:
        with world.engine.begin() as other:
            other.execute(text("select 1 from user_sms_preferences for update"))
            world.change("calendar_events", self.event, start_time=NOW + 4 * HOUR, end_time=NOW + 4 * HOUR)
            world.event("New", NOW + 5 * HOUR)
            assert world.waiting()[0]["scheduled_for"] == self.before["scheduled_for"]
        for again in world.waiting("schedule_daily_sms"):  # one for each of the two transactions
            world.service.plan_day(world.claimed(again["id"]))
            world.finish(again["id"])
        assert [job["scheduled_for"] for job in world.waiting()] == [
            NOW + 4 * HOUR - 15 * MINUTE,
            NOW + 5 * HOUR - 15 * MINUTE,
        ]
        assert world.waiting()[0]["id"] == self.before["id"]

    def test_one_that_is_claimed_at_that_moment_asks_itself(self, world: World) -> None:
        world.clock.time = NOW + 2 * HOUR - 15 * MINUTE
        running = world.claimed(self.before["id"])
        world.change("calendar_events", self.event, start_time=NOW + 5 * HOUR, end_time=NOW + 5 * HOUR)
        result = world.service.send(running)
        world.finish(self.before["id"])
        (later,) = world.waiting()
        assert (result.messageSid, result.postponedTo) == (None, later["queue_job_id"])
        assert later["scheduled_for"] == NOW + 5 * HOUR - 15 * MINUTE and world.twilio.messages == []
        world.run_sql("delete from calendar_events")
        assert world.waiting() == []

    def test_two_reminders_of_one_event_never_both_go(self, world: World) -> None:
        """As when one was starting while its event moved, and the planning saw only its successor."""
        world.clock.time = world.twilio.clock = start = NOW + 5 * HOUR
        running = world.claimed(self.before["id"])
        world.change("calendar_events", self.event, start_time=start, end_time=start)
        self.replan(world)
        (successor,) = world.waiting()
        with pytest.raises(PermanentError, match="there is a reminder for that time"):
            world.service.send(running)
        assert world.send(successor["id"]).startswith("SM") and len(world.twilio.messages) == 1

    def test_a_further_copy_keeps_its_time(self, world: World) -> None:
        world.run_sql("update sms_messages set attempt_count = 1")
        world.run_sql(
            "update queue_jobs set scheduled_for = :at where id = :id", at=NOW + 3 * HOUR, id=self.before["id"]
        )
        world.change("user_sms_preferences", event_reminder_lead_time_minutes=60)
        self.replan(world)
        assert [job["scheduled_for"] for job in world.waiting()] == [NOW + 3 * HOUR]

    def test_a_plan_by_hand_may_bring_its_own_lead_time(self, world: World) -> None:
        world.plan(scheduled=False, leadTimeMinutes=90)
        assert world.waiting()[0]["scheduled_for"] == NOW + HOUR / 2
        world.change("calendar_events", self.event, start_time=NOW + 3 * HOUR, end_time=NOW + 3 * HOUR)
        assert world.waiting()[0]["scheduled_for"] == NOW + HOUR * 1.5
