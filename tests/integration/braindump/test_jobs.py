"""Brain dumps as jobs: run once, run again, cancelled, failed; and the yes."""

from __future__ import annotations

import json
import threading

import pytest
from sqlalchemy import text

from app.features.braindump.models import PlanRefused
from app.features.braindump.repository import dumps_by_id
from app.features.braindump.service import NotProposed
from app.queue.errors import LeaseLost, PermanentError, TransientError
from app.queue.steering import cancel_job
from tests.integration.braindump.conftest import World
from tests.integration.braindump.test_streaming import _until_stopped
from tests.support.api import wait_until

TASKS = {"operations": [{"op": "create_task", "title": "Call Anna"}]}


@pytest.fixture
def told(world: World) -> World:
    world.model.says = {"tasks": TASKS}
    return world


def test_a_job_proposes(told: World) -> None:
    job = told.claimed(told.job())
    result = told.service().process(job)
    dump = told.dump()
    assert result.model_dump() == {
        "brainDumpId": str(dump.id), "status": "proposed", "executed": False, "source": "model", "result": None,
        "operations": dump.operations,
    }  # fmt: skip
    assert (dump.queue_job_id, dump.status, len(dump.operations)) == (job.id, "proposed", 1)
    [(progress,)] = told.rows("select metadata -> 'generation_progress' from queue_jobs")
    assert (progress["step"], progress["progress"]) == ("done", 100)


def test_it_shows_that_it_is_alive_while_the_model_thinks(told: World) -> None:
    seen = []

    def think(stop) -> str:
        for _ in range(3):
            before = told.rows("select metadata -> 'generation_progress' ->> 'timestamp' from queue_jobs")
            wait_until(lambda before=before: told.rows("select metadata -> 'generation_progress' ->> 'timestamp' from queue_jobs") != before)
            seen.append(before)
        return json.dumps(TASKS)

    told.model.says["tasks"] = think
    assert told.service(tick=0.01).process(told.claimed(told.job())).status == "proposed"
    assert len(seen) == 3


def test_every_change_of_the_row_reaches_the_users_browsers(told: World) -> None:
    told.service().process(told.claimed(told.job()))
    changes = told.rows("select distinct op from row_events where table_name = 'brain_dumps' and user_id = :u", u=told.user)
    assert set(changes) == {("INSERT",), ("UPDATE",)}
    with told.engine.connect() as conn:
        shown = dumps_by_id(conn, [told.dump().id])[told.dump().id]
    assert json.loads(json.dumps(shown))["status"] == "proposed"


def test_a_job_that_runs_again_does_nothing_twice(told: World) -> None:
    job_id = told.job(autoAccept=True)
    first = told.service().process(told.claimed(job_id))
    again = told.service().process(told.again(job_id))
    assert first == again and first.executed
    assert told.model.asked.count("tasks") == 1
    assert told.rows("select count(*) from tasks where title = 'Call Anna'") == [(1,)]


def test_a_failed_run_is_noted_and_made_good_by_the_next(told: World) -> None:
    told.model.says["tasks"] = ["?", "?", TASKS]
    job_id = told.job()
    with pytest.raises(TransientError, match="was wrong twice"):
        told.service().process(told.claimed(job_id))
    with told.engine.begin() as conn:
        told.service().failed(conn, job_id=job_id, error="it was wrong")
    assert (told.dump().status, told.dump().error) == ("failed", "it was wrong")
    told.service().process(told.again(job_id))
    assert (told.dump().status, told.dump().error) == ("proposed", None)


def test_another_users_project_is_no_project(told: World) -> None:
    theirs = told.add("projects", name="Theirs", user_id=told.stranger)
    with pytest.raises(PermanentError, match="^projectId: "):
        told.service().process(told.claimed(told.job(projectId=str(theirs))))


def test_a_cancelled_job_stops_and_ends_the_call(told: World) -> None:
    job_id = told.job(autoAccept=True)

    def cancel_and_wait(stop) -> str:
        with told.engine.begin() as conn:
            assert cancel_job(conn, job_id)
        return _until_stopped(stop)

    told.model.says["tasks"] = cancel_and_wait
    with pytest.raises(LeaseLost):
        told.service(tick=0.01).process(told.claimed(job_id))
    assert told.model.stops[-1].is_set
    assert (told.dump().status, told.dump().error) == ("cancelled", "its job was cancelled")
    assert told.rows("select 1 from tasks where title = 'Call Anna'") == []


def test_cancelling_a_brief_takes_down_the_sign_that_it_is_being_made(told: World) -> None:
    """Whoever cancels it, and though its process is killed before it can say so."""
    with told.engine.begin() as conn:
        job, other = (
            conn.execute(
                text("select add_queue_job(:u, 'generate_daily_brief', jsonb_build_object('briefDate', cast(:day as text)))"),
                {"u": told.user, "day": day},
            ).scalar_one()
            for day in ("2026-11-22", "2026-11-23")
        )
    told.claimed(job)
    told.add("daily_briefs", brief_date="2026-11-22", generation_status="processing", queue_job_id=job)
    told.add("daily_briefs", brief_date="2026-11-23", generation_status="processing", queue_job_id=other)
    told.add("daily_briefs", brief_date="2026-11-24", generation_status="completed", queue_job_id=job)
    with told.engine.begin() as conn:
        assert conn.execute(text("select cancel_queue_job(:id)"), {"id": job}).scalar_one()
    assert told.rows("select generation_status, generation_error from daily_briefs order by brief_date") == [
        ("failed", "cancelled"), ("processing", None), ("completed", None)
    ]  # fmt: skip


class TestTheYes:
    def confirm(self, world: World):
        with world.engine.begin() as conn:
            return world.service().confirm(conn, world.dump().id)

    def test_a_second_yes_changes_nothing_and_answers_the_same(self, told: World) -> None:
        told.stream()
        first, second = self.confirm(told), self.confirm(told)
        assert first == second and first.status == "applied"
        assert told.rows("select count(*) from tasks where title = 'Call Anna'") == [(1,)]

    def test_nothing_to_confirm(self, told: World) -> None:
        told.begin()
        with pytest.raises(NotProposed) as caught:
            self.confirm(told)
        assert caught.value.status == "processing"

    def test_a_proposal_that_somebody_spoilt_is_refused(self, told: World) -> None:
        told.stream()
        with told.engine.begin() as conn:
            conn.execute(text("""update brain_dumps set operations = '[{"op": "drop"}]'"""))
        with pytest.raises(PlanRefused, match="cannot be read"):
            self.confirm(told)

    def test_two_at_once_do_it_once(self, told: World) -> None:
        told.stream()
        first = told.engine.connect()
        began = first.begin()
        done = told.service().confirm(first, told.dump().id)
        answers = []
        second = threading.Thread(target=lambda: answers.append(self.confirm(told)))
        second.start()  # waits for the row
        began.commit()
        first.close()
        second.join(20)
        assert answers == [done]
        assert told.rows("select count(*) from tasks where title = 'Call Anna'") == [(1,)]
