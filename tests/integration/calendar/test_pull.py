"""From Google to us: all of it, what changed, and what Google has forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.queue.errors import PermanentError, TransientError
from tests.integration.calendar.conftest import NOW, World


def at(hour: int, day: int = 2, minutes: int = 60) -> dict:
    """Start and end of an event in Berlin."""
    start = datetime(2026, 2, day, hour)
    return {
        name: {"dateTime": f"{moment.isoformat()}+01:00", "timeZone": "Europe/Berlin"}
        for name, moment in (("start", start), ("end", start + timedelta(minutes=minutes)))
    }


def test_all_pages_then_only_what_changed(world: World) -> None:
    for n in range(5):
        world.google.put(f"event{n}", **at(9 + n))
    world.google.page_size = 2
    world.connect()
    first = world.sync()
    assert (first.mode, first.pages, first.added, first.problems) == ("full", 3, 5, [])
    assert world.rows()[0][1:] == (
        "event0", datetime(2026, 2, 2, 8, tzinfo=UTC), datetime(2026, 2, 2, 9, tzinfo=UTC), "confirmed", "google",
    )  # fmt: skip
    world.google.change("event1", summary="Moved", **at(20))
    world.google.drop("event2")
    world.google.put("event9", **at(7))
    before = world.rows("select id, updated_at from calendar_events where title like 'event%'")
    second = world.again()
    assert (second.mode, second.pages, second.added, second.updated, second.removed) == ("incremental", 2, 1, 1, 1)
    assert world.titles() == ["event9", "event0", "event3", "event4", "Moved"]
    untouched = world.rows("select id, updated_at from calendar_events where title in ('event0', 'event3', 'event4')")
    assert set(untouched) <= set(before), "only what changed is written"
    third = world.again()
    assert (third.added, third.updated, third.unchanged, third.removed) == (0, 0, 0, 0)


def test_a_series_its_changed_occurrences_and_their_end(world: World) -> None:
    start = {"dateTime": "2026-02-02T09:00:00+01:00", "timeZone": "Europe/Berlin"}
    end = {"dateTime": "2026-02-02T09:15:00+01:00", "timeZone": "Europe/Berlin"}
    world.google.put("standup", start=start, end=end, recurrence=["RRULE:FREQ=DAILY;COUNT=4"])
    original = {"dateTime": "2026-02-03T09:00:00+01:00", "timeZone": "Europe/Berlin"}
    world.google.put("standup_2", recurringEventId="standup", originalStartTime=original, **at(15, 3))
    world.connect()
    assert world.sync().added == 4
    assert [row[2].strftime("%d %H") for row in world.rows()] == ["02 08", "03 14", "04 08", "05 08"]
    # A change of the series alone leaves the moved occurrence where it is.
    world.google.change("standup", summary="Daily")
    assert world.again().updated == 3
    assert world.titles() == ["Daily", "standup_2", "Daily", "Daily"]
    original = {"dateTime": "2026-02-04T09:00:00+01:00", "timeZone": "Europe/Berlin"}
    world.google.put("standup_3", recurringEventId="standup", originalStartTime=original, status="cancelled")
    assert world.again().updated == 1
    assert [(row[1], row[4]) for row in world.rows()][2] == ("Daily", "cancelled")
    world.google.drop("standup")
    assert world.again().removed == 4 and world.rows() == []


def test_a_broken_event_is_reported_and_the_rest_goes_on(world: World) -> None:
    world.google.put("good1", **at(9))
    world.google.put("nostart", start=None)
    world.google.put("badtime", start={"dateTime": "soon"}, end={"dateTime": "later"})
    world.google.put("badrule", recurrence=["RRULE:FREQ=SOMETIMES"], **at(9))
    world.google.put("odd", summary="a\x00b \ud800", description=["no", "text"], **at(10))
    world.connect()
    result = world.sync()
    assert (result.added, result.refused) == (2, 3) and world.titles() == ["good1", "ab ?"]
    assert [problem.split(":")[0] for problem in result.problems[:2]] == ["event nostart", "event badtime"]
    assert "RRULE" in result.problems[2] or "FREQ" in result.problems[2]
    # A version that cannot be read leaves the earlier one in place, also when everything is read anew.
    world.google.change("good1", start={"dateTime": "soon"})
    world.google.forget()
    assert (world.again().removed, world.titles()) == (0, ["good1", "ab ?"])


def test_a_forgotten_sync_token_means_everything_anew(world: World) -> None:
    for n in range(3):
        world.google.put(f"event{n}", **at(9 + n))
    world.connect()
    world.sync()
    world.google.events.pop("event1")  # nobody will ever tell us
    world.google.change("event2", summary="Changed")
    world.google.forget()
    result = world.again()
    assert (result.mode, result.updated, result.unchanged, result.removed) == ("full", 1, 1, 1)
    assert world.titles() == ["event0", "Changed"] and world.rows("select * from calendar_seen") == []


def test_a_sync_that_is_cut_off_goes_on_where_it_was(world: World) -> None:
    for n in range(6):
        world.google.put(f"event{n}", **at(9 + n))
    world.google.page_size = 2
    world.connect()
    (job_id,) = world.waiting()
    job = world.claimed(job_id)

    def fail_third(method: str, path: str) -> None:
        if path.endswith("/events") and sum("/events?" in asked for asked in world.google.asked) == 3:
            world.google.failures.append((503, "backendError"))

    world.google.before = fail_third
    with pytest.raises(TransientError, match="503"):
        world.services.calendar.sync(job)
    assert len(world.rows()) == 4
    world.google.put("late1", **at(22))  # comes after the list was begun
    world.google.drop("event0")
    result = world.services.calendar.sync(job)
    assert "pageToken" in world.google.asked[-3]
    assert world.titles() == ["event1", "event2", "event3", "event4", "event5", "late1"] and result.mode == "full"


def test_what_is_tried_again(world: World) -> None:
    world.connect()
    (job_id,) = world.waiting()
    job = world.claimed(job_id)
    for status, reason, error in (
        (403, "rateLimitExceeded", TransientError),
        (403, "userRateLimitExceeded", TransientError),
        (429, "rateLimitExceeded", TransientError),
        (500, "backendError", TransientError),
        (403, "forbidden", PermanentError),
        (400, "invalid", PermanentError),
    ):
        world.google.failures.append((status, reason))
        with pytest.raises(error, match=f"{status} .{reason}"):
            world.services.calendar.sync(job)
    assert world.one("calendar_connections")["status"] == "active"


def test_a_refused_token_is_renewed_once(world: World) -> None:
    world.google.put("event1", **at(9))
    world.connect()
    world.google.access.clear()
    assert world.sync().added == 1
    assert sum(asked.startswith("POST /token") for asked in world.google.asked) == 2


def test_a_new_token_that_is_refused_as_well_is_the_end(world: World) -> None:
    world.connect()
    (job_id,) = world.waiting()
    world.google.before = lambda method, path: world.google.failures.append((401, "authError")) if path.endswith("/events") else None
    with pytest.raises(PermanentError, match="refuses a new token"):
        world.services.calendar.sync(world.claimed(job_id))
    assert sum(asked.startswith("POST /token") for asked in world.google.asked) == 2
    assert world.one("calendar_connections")["status"] == "broken"


def test_a_consent_taken_back_marks_the_connection_and_nothing_tries_again(world: World) -> None:
    connection = world.connect()
    world.google.access.clear()
    world.google.refresh.clear()
    (job_id,) = world.waiting()
    with pytest.raises(PermanentError, match="connect the calendar again"):
        world.services.calendar.sync(world.claimed(job_id))
    shown = world.http.get(f"/api/calendar/connections?userId={world.user}").json["connections"]
    assert [(each["id"], each["status"]) for each in shown] == [(connection, "broken")]
    asked = world.http.post("/queue/calendar-sync", json={"userId": str(world.user), "calendarId": connection})
    assert (asked.status_code, asked.json["code"]) == (409, "connection_broken")
    told = world.rows("select metadata #>> '{payload,title}' from queue_jobs where job_type = 'send_notification'")
    assert told == [("Your calendar is no longer connected",)]
    world.run_sql("update queue_jobs set status = 'failed' where status = 'processing'")
    assert world.connect() == connection and world.sync().mode == "full"


def test_a_token_about_to_end_is_renewed_before(world: World) -> None:
    world.connect()
    world.clock.time = NOW + timedelta(seconds=3570)
    world.sync()
    assert world.google.asked[-2].startswith("POST /token")


def test_the_run_that_began_last_alone_writes(world: World) -> None:
    world.google.put("event1", **at(9))
    world.connect()
    (job_id,) = world.waiting()

    def overtake(method: str, path: str) -> None:
        world.google.before = lambda *_: None
        world.run_sql("update calendar_connections set sync_number = sync_number + 1")

    world.google.before = overtake
    assert world.services.calendar.sync(world.claimed(job_id)).mode == "superseded"
    assert world.rows() == []


def test_whole_days_are_the_users_and_declined_is_cancelled(world: World) -> None:
    world.google.put("holiday", start={"date": "2026-02-03"}, end={"date": "2026-02-05"})
    refused = [{"email": "x"}, {"self": True, "responseStatus": "declined"}]
    world.google.put("party1", attendees=refused, **at(20))
    world.connect()
    world.sync()
    query = "select title, (start_time at time zone timezone)::text, (end_time at time zone timezone)::text, all_day, status from calendar_events order by 1"
    assert world.rows(query) == [
        ("holiday", "2026-02-03 00:00:00", "2026-02-05 00:00:00", True, "confirmed"),
        ("party1", "2026-02-02 20:00:00", "2026-02-02 21:00:00", False, "cancelled"),
    ]
