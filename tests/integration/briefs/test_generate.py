"""A brief from its job to its row, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.queue.errors import PermanentError
from tests.integration.briefs.conftest import TODAY, World, unavailable


def test_a_full_brief(busy: World) -> None:
    result = busy.run()
    brief = busy.brief()
    assert result.model_dump() == {
        "briefId": str(brief["id"]),
        "briefDate": TODAY,
        "projectBriefsGenerated": 2,
        "emailSent": False,
    }
    assert (brief["generation_status"], brief["generation_error"], brief["timezone"]) == (
        "completed",
        None,
        "Europe/Berlin",
    )
    assert brief["generation_started_at"] == brief["generation_completed_at"] == busy.clock.moment
    assert (brief["llm_analysis"], brief["llm_model"]) == ("Begin with the **invoice**.", "test/model")
    assert brief["summary_content"] == PAGE

    assert [(each["projectName"], each["counts"]) for each in brief["project_briefs"]] == [
        ("Website", {"overdue": 1, "today": 1, "upcoming": 1, "completed": 1, "open": 4}),
        ("Tax return", {"overdue": 0, "today": 0, "upcoming": 1, "completed": 0, "open": 1}),
        ("Inbox", {"overdue": 0, "today": 1, "upcoming": 0, "completed": 0, "open": 1}),
    ]
    assert [each["projectId"] for each in brief["project_briefs"]] == [str(busy.site), str(busy.tax), None]
    assert all(each["markdown"] in brief["summary_content"] + "\n" for each in brief["project_briefs"])
    assert [(action["title"], action["bucket"], action["date"]) for action in brief["priority_actions"]] == [
        ("Send the invoice", "overdue", "2026-11-20"),
        ("Publish the page", "today", "2026-11-22"),
        ("Renew passport", "today", "2026-11-22"),
    ]
    completed = {"briefId": str(brief["id"]), "briefDate": TODAY, "timezone": "Europe/Berlin"}
    assert busy.events() == [("brief_completed", completed)]


PAGE = """\
# Sunday, 22 November 2026

Hello Ada, here is your day.

## In short

**1 task is overdue** and **2 are due today**, in Website and Inbox. 2 more follow in the next 7 days, the first tomorrow. \
You finished 1 task in the last 24 hours. The calendar has 1 event: Stand-up at 09:30.

**Start with** Send the invoice: 2 days overdue and high priority.

## Priorities

1. **Send the invoice** · Website · 2 days overdue · high priority
2. **Publish the page** · Website · today at 14:00 · in progress
3. **Renew passport** · Inbox · today

## Calendar

- **09:30–09:45** Stand-up

## AI analysis

Begin with the **invoice**.

*Written by test/model from the rest of this brief. It can be wrong.*

## Projects

### Website

*Relaunch in January*

**Overdue (1)**

- **Send the invoice** · since Fri 20 Nov (2 days) · high priority

**Today (1)**

- Publish the page · at 14:00 · in progress

**Next 7 days (1)**

- Write copy · Tue 24 Nov at 10:00

**Done in the last 24 hours (1)**

- Fix the footer · yesterday at 18:00

*1 more open task later or without a date.*

**Latest notes**

- **Call with Anna**: blue, not green

### Tax return

**Next 7 days (1)**

- Collect receipts · tomorrow

### Inbox

**Today (1)**

- Renew passport · planned

---

*Times are in Europe/Berlin (UTC+1).*
"""


def test_the_model_reads_the_brief_as_data(busy: World) -> None:
    busy.run()
    assert busy.model.read.startswith("<brief>\n# Sunday, 22 November 2026") and busy.model.read.endswith("</brief>")
    assert "AI analysis" not in busy.model.read


def test_the_same_data_makes_the_same_page(busy: World) -> None:
    busy.run(busy.service(llm=unavailable()))
    first = busy.page()
    busy.run(busy.service(llm=unavailable()))
    assert busy.page() == first


def test_the_latest_activity_is_the_users_and_not_what_schedules_note(world: World) -> None:
    for minute, activity in enumerate(("task_completed", "daily_sms_scheduled", "sms_sent", "unknown_time_zone")):
        world.add("activity_log", user_id=world.user, activity=activity, created_at=f"2026-11-21T19:0{minute}Z")
    world.run(world.service(llm=unavailable()))
    assert "Latest activity: task completed, Sat 21 Nov at 20:00" in world.page()


def test_a_user_without_data_gets_a_helpful_page(world: World) -> None:
    result = world.run(world.service(llm=unavailable()))
    assert (result.projectBriefsGenerated, result.emailSent) == (0, False)
    assert "There is nothing planned yet" in world.page()
    assert (world.brief()["project_briefs"], world.brief()["priority_actions"]) == ([], [])


def test_nobody_elses_work_gets_in(busy: World) -> None:
    other = busy.add("users", email="eve@example.com")
    project = busy.add("projects", name="Eve's plan", user_id=other)
    busy.add("tasks", title="Eve's task", user_id=other, project_id=project, due_date="2026-11-22T09:00Z")
    busy.add("tasks", title="Eve in my project", user_id=other, project_id=busy.site, due_date="2026-11-22T09:00Z")
    busy.add("notes", title="Eve's note", user_id=other, project_id=busy.site)
    busy.add(
        "calendar_events",
        title="Eve's date",
        user_id=other,
        start_time="2026-11-22T09:00Z",
        end_time="2026-11-22T10:00Z",
    )
    busy.run()
    assert "Eve" not in busy.page()


class TestWhichProjects:
    def names(self, world: World, **metadata: object) -> list[str]:
        world.run(**metadata)
        return [each["projectName"] for each in world.brief()["project_briefs"]]

    def test_only_those_asked_for_and_then_no_inbox(self, busy: World) -> None:
        assert self.names(busy, includeProjects=[str(busy.tax).upper()]) == ["Tax return"]

    def test_without_those_not_wanted(self, busy: World) -> None:
        assert self.names(busy, excludeProjects=[str(busy.site)]) == ["Tax return", "Inbox"]

    def test_an_empty_list_asks_for_nothing_special(self, busy: World) -> None:
        assert self.names(busy, includeProjects=[], excludeProjects=[]) == ["Website", "Tax return", "Inbox"]

    def test_what_is_no_project_is_said(self, busy: World) -> None:
        assert self.names(busy, includeProjects=[str(busy.tax), "nonsense", str(busy.user)]) == ["Tax return"]
        assert "*2 projects asked for by id not found among your active projects.*" in busy.page()


class TestDays:
    def test_the_timezone_asked_for_decides_the_day(self, world: World) -> None:
        world.add("tasks", title="At half past one in Berlin", due_date="2026-11-22T00:30Z")
        world.run(timezone="America/New_York")
        assert "1 day overdue" in world.page() and "America/New\\_York" not in world.page()
        assert "*Times are in America/New_York (UTC−5).*" in world.page()
        world.run(briefDate="2026-11-22")
        assert "· today at 01:30" in world.page()

    def test_a_date_only_task_stays_on_its_date_in_another_timezone(self, world: World) -> None:
        world.add("tasks", title="Birthday", due_date="2026-11-21T23:00Z", all_day=True)  # midnight in Berlin
        for zone in ("America/Los_Angeles", "Pacific/Kiritimati", "Europe/Berlin"):
            world.run(timezone=zone)
            assert "1. **Birthday** · Inbox · today" in world.page()

    def test_events_over_midnight_and_all_day(self, world: World) -> None:
        world.add("calendar_events", title="Party", start_time="2026-11-21T21:00Z", end_time="2026-11-22T01:00Z")
        world.add("calendar_events", title="Fair", start_time="2026-11-22T00:00-10:00", end_time="2026-11-23T00:00-10:00",
                  all_day=True, timezone="Pacific/Honolulu")  # fmt: skip
        world.add("calendar_events", title="Yesterday's", start_time="2026-11-20T23:00Z", end_time="2026-11-21T23:00Z",
                  all_day=True, timezone="Europe/Berlin")  # fmt: skip
        world.run()
        assert "- **All day** Fair\n- **Sat 21 Nov 22:00 – 02:00** Party\n" in world.page()
        assert "Yesterday's" not in world.page()

    def test_holidays(self, world: World) -> None:
        world.run(briefDate="2026-12-25")
        assert "🎉 Public holiday: **Christmas Day**" in world.page("2026-12-25")

    def test_a_dst_day(self, world: World) -> None:
        world.clock.moment = datetime(2026, 3, 29, 4, tzinfo=UTC)
        world.add("tasks", title="Late", due_date="2026-03-29T21:59:59Z")
        world.add("tasks", title="Early", due_date="2026-03-28T23:00:00Z")
        world.run(briefDate="2026-03-29")
        assert "**2 tasks are due today**" in world.page("2026-03-29")

    def test_welcome_back(self, world: World) -> None:
        world.run(options={"isReengagement": True, "daysSinceLastLogin": 31})
        assert "Welcome back, Ada. It has been 31 days." in world.page()


class TestCalendarExpansion:
    def test_it_is_brought_up_to_the_day_before_events_are_read(self, world: World) -> None:
        asked = []

        def expand(conn, user_id, until) -> None:
            asked.append((user_id, until))
            conn.execute(
                text("insert into calendar_events (user_id, title, start_time, end_time) values (:u, 'Yoga', :s, :s)"),
                {"u": user_id, "s": datetime(2026, 11, 22, 17, tzinfo=UTC)},
            )

        world.run(world.service(expand_calendar=expand))
        assert "- **18:00** Yoga" in world.page()
        [(user_id, until)] = asked
        assert user_id == world.user and until > datetime(2026, 11, 22, 23, tzinfo=UTC)

    def test_a_series_that_cannot_be_expanded_costs_a_remark(self, busy: World) -> None:
        def expand(conn, user_id, until) -> None:
            raise ValueError("a broken rule")

        busy.run(busy.service(expand_calendar=expand))
        assert "*Repeating events could not be worked out for this day: some may be missing here.*" in busy.page()
        assert "Stand-up" in busy.page()


def test_a_project_that_fails_does_not_take_the_others_with_it(busy: World) -> None:
    busy.add("tasks", title="Before Christ", project_id=busy.tax, due_date="0044-03-15 BC")
    log = busy.progress_log()
    result = busy.run()
    assert result.projectBriefsGenerated == 1
    assert "⚠️ Could not be prepared: Tax return. See below." in busy.page()
    assert "### Tax return\n\n⚠️ This project could not be prepared: one of its dates cannot be read." in busy.page()
    assert "Send the invoice" in busy.page()
    [failed] = [each for each in busy.brief()["project_briefs"] if each.get("failed")]
    assert (failed["projectName"], failed["counts"]["open"]) == ("Tax return", 2)
    assert log()[-1]["projects"] == {"completed": 1, "total": 2, "failed": 1}


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "99999-01-01"])
def test_a_date_beyond_all_dates_is_survived(busy: World, moment: str) -> None:
    busy.add("tasks", title="Never", project_id=busy.tax, due_date=moment)
    busy.add("calendar_events", title="Ever", start_time="-infinity", end_time="infinity")
    busy.run()
    assert busy.brief()["generation_status"] == "completed"


class TestProgress:
    def test_every_step_is_seen_and_the_percentage_only_grows(self, busy: World) -> None:
        log = busy.progress_log()
        busy.run()
        reports = log()
        steps = list(dict.fromkeys(report["step"] for report in reports))
        assert steps == ["fetching", "projects", "consolidating", "analysing", "saving", "done"]
        percents = [report["progress"] for report in reports]
        assert percents == sorted(percents) and (percents[0], percents[-1]) == (5, 100)
        first = {step: next(r["progress"] for r in reports if r["step"] == step) for step in steps}
        assert first == {"fetching": 5, "projects": 10, "consolidating": 65, "analysing": 75, "saving": 90, "done": 100}
        totals = [report["projects"] for report in reports if report["step"] == "projects"]
        assert totals == [{"completed": n, "total": 2, "failed": 0} for n in (0, 1, 2)]
        assert all(report["message"] and report["timestamp"].endswith("Z") for report in reports)

    def test_many_projects_are_reported_as_the_percentage_moves(self, world: World) -> None:
        for number in range(300):
            world.add("projects", name=f"Project {number}")
        log = world.progress_log()
        world.run()
        reports = [report for report in log() if report["step"] == "projects"]
        assert 40 <= len(reports) <= 60
        assert reports[-1]["projects"] == {"completed": 300, "total": 300, "failed": 0}


class TestWhatCannotWork:
    def test_a_timezone_that_is_none(self, world: World) -> None:
        with world.engine.begin() as conn:
            conn.execute(text("update users set timezone = 'Mars/Olympus'"))
        with pytest.raises(PermanentError, match="^users.timezone: 'Mars/Olympus' is not an IANA timezone"):
            world.run()
        world.run(timezone="Europe/Berlin")  # whoever names one does not need the other
