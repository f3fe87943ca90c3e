"""What operators do: pause a job type, look at the schedules, cancel and retry many jobs (CONTRACT 5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from app.queue import dispatching, many
from tests.support.jobs import LEGAL, STATUSES, sql_client, wait_until_blocked


@pytest.fixture
def sql(database):
    with sql_client(database) as client:
        yield client


def bulk(http, action, dry_run=False, **filter):
    answer = http.post("/jobs/bulk", json={"action": action, "filter": filter, "dryRun": dry_run})
    assert answer.status_code == 200, answer.json
    return answer.json


class TestPausing:
    def test_a_paused_type_waits_everywhere_and_goes_on_at_once(self, http, database, sql):
        running, waiting, other = sql.claimed(), sql.add(), sql.add("cleanup_old_data")
        sql.run("update queue_jobs set attempts = 1 where id = %s", waiting)
        with database.engine.begin() as conn:  # handed out, but not begun
            dispatching.dispatch(conn, ["other"], 1, "w")
        assert http.post("/queue/pause", json={"jobType": "other"}).json == {"success": True, "jobType": "other", "paused": True}
        assert sql.claim("other", "cleanup_old_data", batch=10)[0]["id"] == other
        assert sql.run("select * from dispatch_jobs('{other}', 5, 'd')") == []
        assert sql.run("select * from claim_job(%s, 't', 'w')", waiting) == []
        assert sql.value("select complete_queue_job(%s, null, %s)", running["id"], running["fencing_token"])
        assert http.get("/health").json["paused"] == ["other"]
        assert 'buildos_paused{job_type="other"} 1' in http.get("/metrics").text

        with psycopg.connect(database.url, autocommit=True) as ear:
            ear.execute("listen queue_jobs")
            assert http.post("/queue/resume", json={"jobType": "other"}).json["paused"] is False
            assert [heard.payload for heard in ear.notifies(timeout=10, stop_after=1)] == ["due"]
        assert sql.values("select job_id from dispatch_jobs('{other}', 5, 'd')") == [waiting], "its mark does not hold it back"
        assert http.get("/health").json["paused"] == [] and "buildos_paused{" not in http.get("/metrics").text

    @pytest.mark.parametrize("body", [{}, {"jobType": None}, {"jobType": "no_such"}, {"jobType": 1}], ids=str)
    def test_a_type_that_is_none_is_refused(self, http, sql, body):
        answer = http.post("/queue/pause", json=body)
        assert answer.status_code == 400 and answer.json["error"].startswith("jobType")
        assert sql.run("select 1 from queue_settings where key like 'paused.%%'") == []


class TestSchedules:
    def test_they_are_shown_and_run(self, http, sql, user):
        sql.run("insert into user_sms_preferences (user_id, phone_number, phone_verified, event_reminders_enabled) values (%s, '+14155550100', true, true)", user)
        before = {row["name"]: row for row in http.get("/schedules").json["schedules"]}
        assert before["check_and_schedule_daily_sms"]["lastRun"] is before["check_and_schedule_daily_sms"]["lastOutcome"] is None
        assert before["check_and_schedule_daily_sms"]["nextRun"] == "2026-11-22T00:00:00Z"
        answer = http.post("/schedules/check_and_schedule_daily_sms/run").json
        assert answer["success"] is True and answer["queued"] >= 1
        assert http.post("/schedules/check_and_schedule_daily_sms/run").json["queued"] == 0, "nothing twice"
        after = {row["name"]: row for row in http.get("/schedules").json["schedules"]}["check_and_schedule_daily_sms"]
        assert after["lastOutcome"] == "succeeded" and after["lastRun"] and after["coveredUntil"]

    def test_a_failure_is_shown_until_the_next_success(self, http, sql):
        sql.run("alter function queue_briefs rename to queue_briefs_away")
        assert http.post("/schedules/check_and_schedule_briefs/run").status_code == 503
        failed = next(row for row in http.get("/schedules").json["schedules"] if row["name"] == "check_and_schedule_briefs")
        assert failed["lastOutcome"] == "failed" and "queue_briefs" in failed["lastError"] and failed["lastErrorAt"]
        sql.run("alter function queue_briefs_away rename to queue_briefs")
        assert http.post("/schedules/check_and_schedule_briefs/run").json == {"success": True, "queued": 0}
        worked = next(row for row in http.get("/schedules").json["schedules"] if row["name"] == "check_and_schedule_briefs")
        assert (worked["lastOutcome"], worked["lastError"]) == ("succeeded", None)

    def test_one_that_is_none_is_404(self, http):
        answer = http.post("/schedules/no_such/run")
        assert (answer.status_code, answer.json["error"]) == (404, "Schedule not found")


class TestManyJobs:
    def test_each_job_keeps_to_the_state_machine(self, http, sql, user):
        jobs = {status: sql.in_state(status, job_type="other") for status in STATUSES}
        untouched = sql.add("send_sms", {"phone_number": "+14155550100", "message": "x"}, user=user)
        assert bulk(http, "cancel", dry_run=True, type="other") == {
            "success": True, "matched": 6, "eligible": 3, "changed": 0, "refused": 0, "dryRun": True,
        }  # fmt: skip
        assert {sql.job(job)["status"] for job in jobs.values()} == set(STATUSES), "a dry run changes nothing"
        found = bulk(http, "cancel", type="other")
        assert (found["matched"], found["changed"]) == (6, 3)
        expected = {status: "cancelled" if (status, "cancelled") in LEGAL else status for status in STATUSES}
        assert {status: sql.job(job)["status"] for status, job in jobs.items()} == expected
        assert sql.history(jobs["pending"])[-1][-1] == "cancelled in bulk"
        assert sql.job(untouched)["status"] == "pending"
        assert bulk(http, "cancel", type="other")["changed"] == 0

    def test_a_retry_adds_a_new_job_like_the_old_one(self, http, sql, user):
        old = sql.in_state("failed", job_type="send_sms", metadata={"phone_number": "+14155550100", "message": "x"}, user=user, dedup_key="k", priority=3)
        unfit = sql.in_state("cancelled", job_type="send_sms", metadata={"phone_number": "nobody"}, user=user)
        sql.in_state("completed", job_type="send_sms", user=user)
        found = bulk(http, "retry", userId=str(user))
        assert (found["matched"], found["eligible"], found["changed"], found["refused"]) == (3, 2, 1, 1)
        new = sql.one("select * from queue_jobs where status = 'pending'")
        assert new["metadata"] == {"phone_number": "+14155550100", "message": "x", "retriedFrom": str(old)}
        assert (new["user_id"], new["job_type"], new["priority"], new["dedup_key"]) == (user, "send_sms", 3, None)
        assert [sql.job(job)["status"] for job in (old, unfit)] == ["failed", "cancelled"], "the old rows stay"

    def test_every_part_of_the_filter_counts(self, http, sql, user, database):
        first = sql.add("other", {"note": "Blue Whale"})
        sql.run("update queue_jobs set error_message = 'Timeout at provider' where id = %s", first)
        second = sql.in_state("retrying", job_type="send_email", user=user)
        name, created = sql.job(first)["queue_job_id"], sql.job(second)["created_at"].isoformat()
        for filter, matched in (
            ({"type": "send_email"}, 1), ({"status": "pending"}, 1), ({"status": "queued_for_retry"}, 1), ({"userId": str(user)}, 1),
            ({"text": "blue WHALE"}, 1), ({"text": "timeout"}, 1), ({"text": name}, 1), ({"text": "%"}, 0),
            ({"before": created}, 1), ({"after": created}, 1), ({"type": "other", "status": "retrying"}, 0), ({"all": True}, 2),
        ):  # fmt: skip
            assert bulk(http, "cancel", dry_run=True, **filter)["matched"] == matched, filter
        assert bulk(http, "cancel", all=True)["changed"] == 2

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({"action": "cancel", "filter": {}}, 400, "filter"),
            ({"action": "cancel", "filter": {"all": False}}, 400, "filter"),
            ({"action": "cancel", "filter": {"all": "yes"}}, 400, "filter.all"),
            ({"action": "cancel"}, 400, "filter"),
            ({"action": "delete", "filter": {"all": True}}, 400, "action"),
            ({"action": "cancel", "filter": {"status": "gone"}}, 400, "filter.status"),
            ({"action": "cancel", "filter": {"before": "soon"}}, 400, "filter.before"),
            ({"action": "cancel", "filter": {"text": ""}}, 400, "filter.text"),
            ({"action": "cancel", "filter": {"userId": "me"}}, 404, "User not found"),
            ({"action": "cancel", "filter": {"userId": str(uuid4())}}, 404, "User not found"),
        ],
        ids=["empty", "all-false", "all-word", "none", "action", "status", "before", "text", "user", "unknown-user"],
    )  # fmt: skip
    def test_what_is_not_clear_is_refused(self, http, sql, body, status, field):
        job = sql.add()
        answer = http.post("/jobs/bulk", json=body)
        assert answer.status_code == status and answer.json["error"].startswith(field)
        assert sql.job(job)["status"] == "pending"

    def test_a_job_that_somebody_holds_keeps_no_other_waiting(self, http, database, sql):
        held, *others = (sql.claimed()["id"] for _ in range(4))
        with sql_client(database, autocommit=False) as holder, ThreadPoolExecutor(1) as thread:
            holder.run("update queue_jobs set status = 'completed' where id = %s", held)
            answer = thread.submit(bulk, http, "cancel", type="other")
            waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            while not (pids := sql.values(waiting)):
                assert not answer.done()
            wait_until_blocked(sql, pids[0])
            assert [sql.job(job)["status"] for job in others] == ["cancelled"] * 3
            holder.connection.commit()
            assert answer.result()["changed"] == 3
        assert sql.job(held)["status"] == "completed"

    def test_many_go_in_small_transactions_and_new_ones_are_left_alone(self, http, database, sql):
        total = 2 * many.BATCH + 1
        sql.run("select count(add_queue_job(null, 'other', '{}')) from generate_series(1, %s)", total)
        assert bulk(http, "cancel", type="other")["changed"] == total
        assert sql.value("select count(distinct xid) from job_events where \"to\" = 'cancelled'") == 3
        assert bulk(http, "retry", status="cancelled")["changed"] == total
        with database.engine.connect() as conn:
            assert conn.execute(text("select count(*) from queue_jobs where status = 'pending'")).scalar_one() == total
