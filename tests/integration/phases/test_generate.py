"""Phases from a claimed job to their rows."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from app.features.phases.service import PhasesService
from app.ports.llm import LLMUnavailable
from app.queue.errors import LeaseLost, PermanentError, TransientError
from app.queue.models import PhasesResult
from app.queue.running import RunningJob
from app.queue.steering import cancel_job
from tests.support.plan_world import PlanWorld, plan


def start(world: PlanWorld, project: UUID, *, user: UUID | None = None, **options: Any) -> RunningJob:
    metadata = {"projectId": str(project), "options": options, "correlationId": "corr-1"}
    return world.claimed(world.job("generate_phases", metadata, user=user))


def generate(world: PlanWorld, project: UUID, **options: Any) -> PhasesResult:
    return world.services.phases.generate(start(world, project, **options))


class TestWithAModel:
    def test_phases_tasks_event_and_notification(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant", "water", needs={"plant": "dig"})
        world.model.answers = [plan(["T1"], ["T2", "T9"])]
        result = generate(world, project)
        assert result == PhasesResult(projectId=str(project), phaseCount=2, backlogCount=1, plannedBy="model")
        assert world.phases(project) == [["dig"], ["plant"]]
        assert world.rows("select phases_generated from projects") == [{"phases_generated": True}]
        (made,) = world.rows("select * from phase_generations")
        assert (made["planned_by"], made["llm_model"], made["summary"]) == ("model", "test/model", "A plan.")
        assert made["notes"] == {"unknown": ["T9"], "left_out": [str(world.tasks["water"])]}
        assert world.rows("select distinct assignment_reason from phase_tasks") == [{"assignment_reason": "so"}]
        assert world.events() == [("phases_completed", {"projectId": str(project), "phaseCount": 2})]
        (told,) = world.notifications()
        assert (told["eventType"], told["channel"], told["correlationId"]) == ("phases.ready", "in-app", "corr-1")
        assert told["payload"] == {
            "projectId": str(project),
            "phaseCount": 2,
            "projectName": "Garden",
            "url": f"/projects/{project}",
        }

    def test_those_who_chose_channels_hear_on_them_and_in_the_app_once(self, world: PlanWorld) -> None:
        channels = '{"phases.ready": ["in-app", "push"]}'
        world.run_sql(
            "insert into user_notification_preferences (user_id, event_channels) values (:u, cast(:c as jsonb))",
            u=world.user,
            c=channels,
        )
        generate(world, world.project("dig"))
        assert sorted(told["channel"] for told in world.notifications()) == ["in-app", "push"]

    def test_the_order_holds_whatever_the_model_says(self, world: PlanWorld) -> None:
        project = world.project(
            "dig", "plant", "water", "rest", needs={"dig": "plant", "plant": "water", "water": "plant"}
        )
        world.model.answers = [plan(["T1"], ["T2"], ["T3"])]
        assert generate(world, project).phaseCount == 1
        assert world.phases(project) == [["plant", "water", "dig"]]
        ((notes),) = [row["notes"] for row in world.rows("select notes from phase_generations")]
        assert notes["circles"] == [[str(world.tasks["plant"]), str(world.tasks["water"])]]

    def test_a_useless_answer_is_repaired_once(self, world: PlanWorld) -> None:
        project = world.project("dig")
        world.model.answers = ["I cannot", plan(["T1"])]
        assert generate(world, project).plannedBy == "model"
        assert world.rows("select notes from phase_generations") == [{"notes": {"repaired": True}}]
        world.model.answers, world.model.asked = [plan(["T7"])], []
        with pytest.raises(TransientError, match="none of them holds a task"):
            generate(world, project)
        assert len(world.model.asked) == 2 and world.phases(project) == [["dig"]]  # the old ones stay

    def test_what_is_stored_holds_no_markup(self, world: PlanWorld) -> None:
        project = world.project("dig", name="<b>Garden</b>")
        world.model.answers = [plan(["T1"]).replace("Phase 1", "<script>x</script>Go\\u0000 https://evil.example")]
        generate(world, project)
        assert world.rows("select name from phases") == [{"name": "xGo (link removed)"}]
        assert world.notifications()[0]["payload"]["projectName"] == "Garden"

    def test_what_changed_while_the_model_thought_counts(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant", "water")

        def answer() -> str:
            world.run_sql("delete from tasks where title = 'plant'")
            late = world.add("tasks", title="late", project_id=project)
            world.run_sql(
                "insert into task_dependencies (user_id, task_id, depends_on_task_id) values (:u, :a, :b)",
                u=world.user, a=world.tasks["dig"], b=late,
            )  # fmt: skip
            return plan(["T1", "T2"], ["T3"])

        world.model.answers = [answer]
        assert generate(world, project).backlogCount == 0
        assert world.phases(project) == [["late", "dig"], ["water"]]


class TestWithoutAModel:
    def test_a_plan_from_dependencies_says_so(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant", needs={"dig": "plant"})
        assert generate(world, project).plannedBy == "dependencies"
        assert world.phases(project) == [["plant"], ["dig"]]
        (made,) = world.rows("select * from phase_generations")
        assert (made["planned_by"], made["llm_model"]) == ("dependencies", None)
        assert made["summary"] == "Planned from dependencies alone: no language model is configured"

    def test_models_that_are_down_are_asked_again_until_the_last_attempt(self, world: PlanWorld) -> None:
        project = world.project("dig")
        world.model.answers = [LLMUnavailable("test/model cannot be reached")]
        job = start(world, project)
        with pytest.raises(TransientError, match="cannot be reached"):
            world.services.phases.generate(job)
        world.run_sql("update queue_jobs set attempts = 2")
        assert world.services.phases.generate(world.again()).plannedBy == "dependencies"


class TestReplacing:
    def test_a_new_plan_takes_the_place_of_the_old_one(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant")
        world.model.answers = [plan(["T1"], ["T2"]), plan(["T2", "T1"])]
        generate(world, project)
        assert generate(world, project).phaseCount == 1
        assert world.phases(project) == [["plant", "dig"]]
        assert "phases so far" in world.model.asked[1]
        generate(world, project, regenerate=True)
        assert "phases so far" not in world.model.asked[2]

    def test_all_or_nothing(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant")
        world.model.answers = [plan(["T1", "T2"]), plan(["T1"], ["T2"])]
        generate(world, project)
        world.run_sql("""alter table phase_tasks add check (assignment_reason <> 'so' or "order" <> 1) not valid""")
        with pytest.raises(Exception, match="phase_tasks"):
            generate(world, project)
        assert world.phases(project) == [["dig", "plant"]]
        assert len(world.notifications()) == len(world.events()) == 1

    def test_phases_that_stay_get_new_ones_behind_them(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant")
        world.model.answers = [plan(["T1"], ["T2"]), plan(["T1"])]
        generate(world, project)
        before = world.rows('select id from phases order by "order"')
        assert generate(world, project, includeExistingTasks=False).phaseCount == 2  # nothing new
        world.add("tasks", title="water", project_id=project)
        assert generate(world, project, includeExistingTasks=False).phaseCount == 3
        assert world.phases(project) == [["dig"], ["plant"], ["water"]]
        assert world.rows('select id from phases order by "order"')[:2] == before
        assert len(world.model.asked) == 2

    def test_a_job_that_runs_again_finds_its_work(self, world: PlanWorld) -> None:
        project = world.project("dig")
        world.model.answers = [plan(["T1"])]
        job = start(world, project)
        first = world.services.phases.generate(job)
        assert world.services.phases.generate(world.again()) == first
        assert len(world.model.asked) == len(world.notifications()) == len(world.events()) == 1

    def test_a_task_that_moved_to_another_project_moves_to_its_phases(self, world: PlanWorld) -> None:
        garden = world.project("dig")
        generate(world, garden)
        kitchen = world.add("projects", name="Kitchen")
        world.run_sql("update tasks set project_id = :p", p=kitchen)
        generate(world, kitchen)
        assert world.phases(kitchen) == [["dig"]] and world.phases(garden) == []


class TestDates:
    def test_around_the_calendar_in_the_users_zone(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant", "water", "rest")
        for title, begin, end, more in [
            ("stand-up", "2026-11-23T08:00Z", "2026-11-23T09:30Z", {}),
            ("off", "2026-11-24T00:00Z", "2026-11-25T00:00Z", {"all_day": True}),
            # Thursday in Auckland is Thursday for somebody in Berlin, too, though it begins there the evening before.
            ("holiday", "2026-11-25T11:00Z", "2026-11-26T11:00Z", {"all_day": True, "timezone": "Pacific/Auckland"}),
            ("for ever ago", "0500-01-01T00:00Z", "2026-11-01T00:00Z", {"timezone": "No/Where"}),
            ("odd", "2026-11-28T00:00Z", "infinity", {"all_day": True, "timezone": "No/Where"}),
            ("called off", "2026-11-23T09:30Z", "2026-11-23T18:00Z", {"status": "cancelled"}),
        ]:
            world.add("calendar_events", title=title, start_time=begin, end_time=end, **more)
        world.model.answers = [plan(["T1"], ["T2"], ["T3"], ["T4"])]
        generate(world, project, scheduling_method="calendar_optimized")
        found = world.rows(
            "select start_date, suggested_start_date as s from phases p join phase_tasks on phase_id = p.id order by s"
        )
        assert [(row["start_date"], row["s"]) for row in found] == [
            (date(2026, 11, 23), datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),  # 10:30 in Berlin
            (date(2026, 11, 25), datetime(2026, 11, 25, 8, 0, tzinfo=UTC)),
            (date(2026, 11, 27), datetime(2026, 11, 27, 8, 0, tzinfo=UTC)),
            (None, None),
        ]
        ((notes),) = [row["notes"] for row in world.rows("select notes from phase_generations")]
        assert notes == {"no_room": [str(world.tasks["rest"])]}
        assert world.rows("select 1 from tasks where start_date is not null") == []  # tasks are the user's own

    def test_repeating_events_count_on_days_nobody_has_looked_at(self, world: PlanWorld) -> None:
        project = world.project("dig")
        ics = (
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:s@example.com\r\nSUMMARY:Stand-up\r\n"
            "DTSTART:20260105T080000Z\r\nDTEND:20260105T100000Z\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
        world.add("calendar_series", external_id="s@example.com", ics=ics, expanded_until="2026-02-01T00:00Z")
        generate(world, project, scheduling_method="calendar_optimized")
        assert [row["s"].hour for row in world.rows("select suggested_start_date as s from phase_tasks")] == [10]

    def test_what_other_plans_have_taken_counts_as_well(self, world: PlanWorld) -> None:
        kitchen = world.project("cook", name="Kitchen")
        generate(world, kitchen, scheduling_method="calendar_optimized")
        garden = world.project("dig")
        generate(world, garden, scheduling_method="calendar_optimized")
        found = world.rows("select suggested_start_date as s from phase_tasks order by s")
        assert [row["s"].hour for row in found] == [8, 9]

    def test_phases_only_dates_no_task(self, world: PlanWorld) -> None:
        generate(world, world.project("dig"))
        assert world.rows("select suggested_start_date from phase_tasks") == [{"suggested_start_date": None}]


class TestRefusals:
    def test_somebody_elses_project(self, world: PlanWorld) -> None:
        project = world.project("dig")
        stranger = world.add("users", email="bob@example.com")
        with pytest.raises(PermanentError, match="Project not found"):
            world.services.phases.generate(start(world, project, user=stranger))

    def test_nothing_to_plan(self, world: PlanWorld) -> None:
        project = world.project("dig", "plant")
        world.run_sql("update tasks set status = 'done' where title = 'dig'")
        world.run_sql("update tasks set deleted_at = now() where title = 'plant'")
        with pytest.raises(PermanentError, match="no tasks"):
            generate(world, project)
        assert generate(world, project, selected_statuses=["done"]).phaseCount == 1

    def test_a_cancelled_job_stops_while_the_model_thinks(self, world: PlanWorld) -> None:
        project, thinking, enough = world.project("dig"), threading.Event(), threading.Event()

        def answer() -> str:
            thinking.set()
            enough.wait(30)
            return plan(["T1"])

        world.model.answers = [answer]
        job = start(world, project)

        def cancel() -> None:
            thinking.wait(30)
            with world.engine.begin() as conn:
                cancel_job(conn, job.id)

        canceller = threading.Thread(target=cancel)
        canceller.start()
        service = PhasesService(world.engine, world.clock, world.model, tick_seconds=0.02)
        with pytest.raises(LeaseLost):
            service.generate(job)
        canceller.join(30)
        enough.set()
        assert world.phases(project) == [] and world.events() == []
