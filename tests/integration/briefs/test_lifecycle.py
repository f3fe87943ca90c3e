"""What happens around a brief: again, in vain, in between, by mail."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.adapters.llm_openai import ChainLLM
from app.queue import claims
from app.queue.errors import LeaseLost, PermanentError
from app.queue.steering import cancel_job
from tests.integration.briefs.conftest import TODAY, Model, World, unavailable
from tests.support.llm_server import LLMServer, answer, status, wait_for
from tests.support.servers import plain_settings


class TestAgain:
    def test_a_rerun_finds_its_own_brief_and_does_nothing_twice(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        job_id = busy.job()
        first = busy.service().generate(busy.claimed(job_id))
        with busy.engine.begin() as conn:  # the completion never arrived: the job is taken back and claimed anew
            assert claims.release(conn, busy.held, "worker lost")
        busy.add("tasks", title="Added meanwhile", due_date="2026-11-22T09:00Z")
        again = busy.service().generate(busy.claimed(job_id))
        assert again == first and first.emailSent
        assert busy.model.asked == 1
        assert "Added meanwhile" not in busy.page()
        assert len(busy.events()) == len(busy.email_jobs()) == len(busy.rows("select from emails")) == 1

    def test_regenerating_replaces_the_days_brief(self, busy: World) -> None:
        first = busy.run()
        busy.complete(first)
        busy.add("tasks", title="Added meanwhile", due_date="2026-11-22T09:00Z")
        second = busy.run(forceRegenerate=True)
        assert second.briefId == first.briefId
        assert "Added meanwhile" in busy.page()
        assert [name for name, _ in busy.events()] == ["brief_completed", "brief_completed"]

    def test_two_days_are_two_briefs(self, busy: World) -> None:
        assert busy.run().briefId != busy.run(briefDate="2026-11-23").briefId
        assert "## Priorities\n\n1. **Send the invoice** · Website · 3 days overdue" in busy.page("2026-11-23")

    def test_a_failed_brief_is_made_good_by_the_next_attempt(self, busy: World) -> None:
        job_id = busy.job()
        with busy.engine.begin() as conn:
            busy.service().failed(
                conn, job_id=job_id, user_id=busy.user, metadata={"briefDate": TODAY}, error="no luck", final=False
            )
        assert busy.brief()["generation_error"] == "no luck"
        busy.service().generate(busy.claimed(job_id))
        assert (busy.brief()["generation_status"], busy.brief()["generation_error"]) == ("completed", None)


class TestWhileItIsMade:
    def status_seen_by_the_model(self, world: World) -> str:
        seen = []

        def look() -> str:
            seen.append(world.brief()["generation_status"])
            return "Done."

        world.run(world.service(llm=Model(says=look)))
        return seen[0]

    def test_a_first_brief_shows_that_it_is_being_made(self, busy: World) -> None:
        assert self.status_seen_by_the_model(busy) == "processing"

    def test_a_finished_one_stays_until_the_better_one_is_there(self, busy: World) -> None:
        busy.run()
        assert self.status_seen_by_the_model(busy) == "completed"


class TestFailure:
    def fail(self, world: World, *, final: bool, error: str = "the database was away", **metadata: object) -> None:
        with world.engine.begin() as conn:
            world.service().failed(
                conn,
                job_id=self.JOB,
                user_id=world.user,
                metadata={"briefDate": TODAY, **metadata},
                error=error,
                final=final,
            )

    JOB = uuid4()

    def test_it_is_written_down_and_told_at_the_last_attempt(self, world: World) -> None:
        self.fail(world, final=False)
        brief = world.brief()
        assert (brief["generation_status"], brief["generation_error"]) == ("failed", "the database was away")
        assert world.events() == []
        self.fail(world, final=True)
        self.fail(world, final=True)
        assert world.events() == [("brief_failed", {"error": "the database was away", "briefDate": TODAY})]

    def test_the_earlier_brief_stays_untouched(self, busy: World) -> None:
        busy.run()
        before = busy.brief()
        self.fail(busy, final=True)
        assert busy.brief() == before
        assert busy.events()[-1][0] == "brief_failed"

    def test_a_brief_that_another_job_is_making_stays_untouched(self, busy: World) -> None:
        job = busy.claimed(busy.job())
        busy.model.says = lambda: self.fail(busy, final=True) or busy.brief()["generation_status"]
        busy.service().generate(job)
        assert busy.brief()["llm_analysis"] == "processing"

    @pytest.mark.parametrize("day", ["2026-13-40", "tomorrow", "", None, 17, ["x"], "x" * 500])
    def test_a_day_that_is_none_is_told_and_written_nowhere(self, world: World, day: object) -> None:
        self.fail(world, final=True, error="briefDate: expects a date as YYYY-MM-DD", briefDate=day)
        assert world.rows("select from daily_briefs") == []
        [(name, payload)] = world.events()
        assert (name, payload["error"]) == ("brief_failed", "briefDate: expects a date as YYYY-MM-DD")

    def test_odd_words_and_zones_are_survived(self, world: World) -> None:
        self.fail(world, final=True, error="nul \x00 and " + "long " * 1000, timezone="Mars/Olympus")
        assert world.brief()["timezone"] == "Europe/Berlin"
        assert len(world.brief()["generation_error"]) == 2000

    def test_a_job_without_a_user_tells_nobody(self, world: World) -> None:
        with world.engine.begin() as conn:
            world.service().failed(
                conn, job_id=self.JOB, user_id=None, metadata={"briefDate": TODAY}, error="e", final=True
            )
        assert world.events() == [] and world.rows("select from daily_briefs") == []

    def test_a_user_who_is_gone(self, world: World) -> None:
        job = world.claimed(world.job())
        with world.engine.begin() as conn:
            conn.execute(text("set local session_replication_role = replica"))  # no trigger settles his jobs, as after a bad restore
            conn.execute(text("delete from users"))
        with pytest.raises(PermanentError, match="^user_id: there is no such user"):
            world.service().generate(job)

    def test_a_save_that_fails_leaves_the_old_brief_and_sends_nothing(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        busy.run(busy.service(llm=unavailable()))
        before, events, jobs = busy.brief(), busy.events(), busy.email_jobs()
        with busy.engine.begin() as conn:  # whatever saves comes to an end at its last statement
            conn.exec_driver_sql("""
                create function refuse() returns trigger language plpgsql as $$ begin raise 'disk full'; end $$;
                create trigger refuse before insert on row_events for each row
                    when (new.event = 'brief_completed') execute function refuse();
            """)
        with pytest.raises(DBAPIError, match="disk full"):
            busy.run()
        assert (busy.brief(), busy.events(), busy.email_jobs()) == (before, events, jobs)


class TestLostJobs:
    def test_a_cancelled_job_writes_nothing_more(self, busy: World) -> None:
        job_id = busy.job()

        def cancel() -> str:
            with busy.engine.begin() as conn:
                assert cancel_job(conn, job_id)
            return "too late"

        busy.model.says = cancel
        with pytest.raises(LeaseLost):
            busy.service().generate(busy.claimed(job_id))
        brief = busy.brief()
        assert (brief["generation_status"], brief["generation_error"], brief["summary_content"]) == (
            "failed",
            "cancelled",
            None,
        )
        assert busy.events() == []

    def test_cancelling_a_regeneration_leaves_the_finished_brief(self, busy: World) -> None:
        busy.complete(busy.run())
        before, job_id = busy.brief(), busy.job()

        def cancel() -> str:
            with busy.engine.begin() as conn:
                cancel_job(conn, job_id)
            return "too late"

        with pytest.raises(LeaseLost):
            busy.service(llm=Model(says=cancel)).generate(busy.claimed(job_id))
        assert busy.brief() == before

    def test_cancelling_is_noticed_while_the_model_thinks(self, busy: World) -> None:
        job_id = busy.job()
        asked, release = threading.Event(), threading.Event()

        def think() -> str:
            asked.set()
            release.wait(60)
            return "never read"

        def cancel() -> None:
            asked.wait(60)
            with busy.engine.begin() as conn:
                cancel_job(conn, job_id)

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(LeaseLost):
            busy.service(llm=Model(says=think), tick_seconds=0.02).generate(busy.claimed(job_id))
        canceller.join()
        release.set()

    def test_a_run_that_was_taken_back_leaves_the_sign_of_the_next(self, busy: World) -> None:
        job_id = busy.job()

        def take_back() -> str:
            with busy.engine.begin() as conn:
                claims.release(conn, busy.held, "stalled")
            return "too late"

        with pytest.raises(LeaseLost):
            busy.service(llm=Model(says=take_back)).generate(busy.claimed(job_id))
        assert busy.brief()["generation_status"] == "processing"
        busy.service().generate(busy.claimed(job_id))
        assert busy.brief()["generation_status"] == "completed"

    def test_a_run_that_was_taken_back_cannot_write_over_the_new_one(self, busy: World) -> None:
        job_id = busy.job()
        stale = busy.claimed(job_id)
        with busy.engine.begin() as conn:
            claims.release(conn, busy.held, "stalled")
        result = busy.service().generate(busy.claimed(job_id))
        with pytest.raises(LeaseLost):
            busy.service(llm=Model(says="stale")).generate(stale)
        assert busy.brief()["llm_analysis"] == "Begin with the **invoice**."
        assert result.briefId == str(busy.brief()["id"])


class TestEmail:
    def test_it_is_queued_with_the_brief(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        result = busy.run()
        [email] = busy.rows("select * from emails")
        assert result.emailSent is True
        assert (email["subject"], email["status"]) == ("Your brief for Sunday, 22 November 2026", "pending")
        assert email["text_content"] == busy.page()
        assert len(email["tracking_id"]) == 32
        assert busy.email_jobs() == [{
            "userId": str(busy.user), "emailId": str(email["id"]), "briefId": result.briefId, "recipientEmail": "ada@example.com",
            "correlationId": str(busy.held.id),
        }]  # fmt: skip

    @pytest.mark.parametrize("wanted", [None, False])
    def test_only_where_it_is_wanted(self, busy: World, wanted: bool | None) -> None:
        if wanted is not None:
            busy.add("user_brief_preferences", email_enabled=wanted)
        assert busy.run().emailSent is False
        assert busy.rows("select from emails") == busy.email_jobs() == []

    def test_only_where_there_is_an_address(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        with busy.engine.begin() as conn:
            conn.execute(text("update users set email = '-'"))
        assert busy.run().emailSent is False

    def test_a_regenerated_brief_takes_over_the_email_that_still_waits(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        busy.complete(busy.run())
        busy.add("tasks", title="Added meanwhile", due_date="2026-11-22T09:00Z")
        assert busy.run().emailSent is True
        [email] = busy.rows("select text_content from emails")
        assert "Added meanwhile" in email["text_content"]
        assert len(busy.email_jobs()) == 1

    def test_after_it_was_sent_a_regenerated_brief_is_sent_anew(self, busy: World) -> None:
        busy.add("user_brief_preferences", email_enabled=True)
        busy.complete(busy.run())
        with busy.engine.begin() as conn:
            conn.execute(text("update emails set status = 'sent'"))
        busy.run()
        assert len(busy.email_jobs()) == len(busy.rows("select from emails")) == 2


class TestAnalysis:
    """Through the real client, against a provider on this machine."""

    def chain(self, server: LLMServer | None = None) -> ChainLLM:
        values = (
            {}
            if server is None
            else {"private_openrouter_api_key": "sk-secret", "openrouter_base_url": server.base_url}
        )
        return ChainLLM(plain_settings(llm_timeout=20, **values))

    def test_without_a_key_the_brief_is_complete_and_says_so(self, busy: World) -> None:
        busy.run(busy.service(llm=self.chain()))
        brief = busy.brief()
        assert (brief["generation_status"], brief["llm_analysis"], brief["llm_model"]) == ("completed", None, None)
        assert "*This brief has no AI analysis: no language model is configured" in brief["summary_content"]
        assert "## Priorities" in brief["summary_content"]

    def test_the_model_that_answered_is_kept(self, busy: World) -> None:
        with LLMServer(default=answer("# Well\n\nStart <b>small</b>: [here](http://evil.example/?q=1)")) as server:
            server.behave("deepseek/deepseek-chat", status(429, retry_after=30))
            busy.run(busy.service(llm=self.chain(server)))
            assert server.models_asked == ["deepseek/deepseek-chat", "openai/gpt-4o"]
        brief = busy.brief()
        assert brief["llm_model"] == "openai/gpt-4o"
        assert brief["llm_analysis"] == "**Well**\n\nStart &lt;b>small&lt;/b>: here"
        assert brief["llm_analysis"] in brief["summary_content"]

    def test_every_provider_down_costs_the_analysis_alone(self, busy: World) -> None:
        with LLMServer(default=status(503)) as server:
            result = busy.run(busy.service(llm=self.chain(server)))
            assert len(server.requests) == 3
        assert result.projectBriefsGenerated == 2
        assert "no AI analysis: deepseek/deepseek-chat answered with status 503; openai/gpt-4o answered" in busy.page()
        assert "sk-secret" not in busy.page()

    def test_a_model_that_breaks_in_an_unknown_way(self, busy: World) -> None:
        busy.run(busy.service(llm=Model(says=RuntimeError("sk-secret"))))
        assert "no AI analysis: the language model could not be asked" in busy.page()
        assert busy.brief()["llm_analysis"] is None

    def test_an_answer_of_which_nothing_is_left(self, busy: World) -> None:
        busy.run(busy.service(llm=Model(says="![](http://evil.example/x)")))
        assert busy.brief()["llm_model"] is None
        assert "no AI analysis: test/model had nothing to say" in busy.page()

    def test_signs_of_life_while_the_model_thinks(self, busy: World) -> None:
        log, enough, release = busy.progress_log(), 3, threading.Event()

        def watch() -> None:
            while not release.is_set():
                if sum(report["step"] == "analysing" for report in log()) > enough:
                    release.set()
                release.wait(0.02)

        with LLMServer(default=wait_for(release, "At last.")) as server:
            watcher = threading.Thread(target=watch)
            watcher.start()
            busy.run(busy.service(llm=self.chain(server), tick_seconds=0.02))
            watcher.join()
        analysing = [report for report in log() if report["step"] == "analysing"]
        assert len(analysing) > enough
        assert {report["progress"] for report in analysing} == {75}
        assert analysing[1]["message"] == "Asking for an AI analysis (0 s)"
        assert busy.brief()["llm_analysis"] == "At last."
