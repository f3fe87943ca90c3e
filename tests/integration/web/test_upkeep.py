"""GET /queue/stale-stats, POST /queue/cleanup, and jobs that are archived (CONTRACT 5)."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest

from app.web.app import create_app
from tests.integration.web.conftest import Parts
from tests.support.jobs import STATUSES, sql_client
from tests.support.people import add_user


@pytest.fixture
def sql(database):
    with sql_client(database) as client:
        yield client


@pytest.fixture
def hours_later(parts, sql):
    """Set the clock so many hours ahead of the database's."""

    def later(hours):
        parts.clock.time = sql.value("select now()") + timedelta(hours=hours)

    return later


def due_hours_ago(sql, hours, status="pending", **named):
    job = sql.in_state(status, **named)
    sql.run("update queue_jobs set scheduled_for = now() - make_interval(hours => %s) where id = %s", hours, job)
    return job


class TestStale:
    def test_what_is_stale_and_what_is_not(self, http, sql):
        stale = {status: due_hours_ago(sql, 25, status) for status in ("pending", "retrying", "processing")}
        sql.silent(stale["processing"], 10)
        due_hours_ago(sql, 23)
        due_hours_ago(sql, 25, "processing")  # its worker is alive
        for kind in ("paused", "external"):
            sql.setting(f"{kind}.cleanup_old_data", "true")
            due_hours_ago(sql, 25, job_type="cleanup_old_data")
        answer = http.get("/queue/stale-stats").json
        assert (answer["thresholdHours"], answer["staleCount"], answer["oldFailedCount"]) == (24, 3, 0)
        assert {(job["id"], job["job_type"], job["status"]) for job in answer["staleJobs"]} == {
            (str(job), "other", status) for status, job in stale.items()
        }
        assert answer["message"] == "Found 3 stale job(s) that can be cleaned up"
        assert answer["staleJobs"][0]["created_at"].endswith("Z") and answer["staleJobs"][0]["age_hours"] == 0.0
        assert http.get("/queue/stale-stats?thresholdHours=22.5").json["staleCount"] == 4
        assert http.get("/queue/stale-stats?thresholdHours=48").json["message"] == "No stale jobs found"

    def test_the_list_is_bounded_and_old_failures_are_counted(self, http, sql, hours_later):
        sql.run("select count(add_queue_job(null, 'other', '{}', p_scheduled_for => now() - interval '2 days')) from generate_series(1, 101)")
        sql.in_state("failed")
        hours_later(7 * 24 + 1)
        answer = http.get("/queue/stale-stats").json
        assert (answer["staleCount"], len(answer["staleJobs"]), answer["oldFailedCount"]) == (101, 100, 1)

    @pytest.mark.parametrize("value", ["-1", "x", "nan", "inf", "1e9", ""])
    def test_a_threshold_that_is_none_is_refused(self, http, value):
        answer = http.get(f"/queue/stale-stats?thresholdHours={value}")
        assert answer.status_code == 400 and answer.json["error"].startswith("thresholdHours")


class TestCleanup:
    def test_at_once(self, http, sql, hours_later):
        stale, fresh, failed = due_hours_ago(sql, 25), sql.add(), sql.in_state("failed", dedup_key="k")
        hours_later(7 * 24 + 1)
        row = sql.job(failed)
        expected = {"success": True, "staleCancelled": 1, "oldFailedCancelled": 1, "errors": []}
        assert http.post("/queue/cleanup", json={"dryRun": True}).json == {
            **expected, "message": "Dry run - would cancel 1 stale job(s) and archive 1 old failed job(s)",
        }  # fmt: skip
        assert sql.job(stale)["status"] == "pending" and sql.job(failed) == row, "a dry run changes nothing"
        assert http.post("/queue/cleanup").json == {
            **expected, "message": "Cleanup completed - cancelled 1 stale job(s) and archived 1 old failed job(s)",
        }  # fmt: skip
        assert [sql.job(job)["status"] for job in (stale, fresh)] == ["cancelled", "pending"]
        assert sql.history(stale)[-1][-1] == "cancelled: stale for 24 hours"
        kept = sql.one("select * from queue_jobs_archive")
        assert {name: kept[name] for name in row.keys() & kept.keys()} == {name: row[name] for name in row.keys() & kept.keys()}
        assert http.post("/queue/cleanup").json["message"] == "Cleanup completed - cancelled 0 stale job(s) and archived 0 old failed job(s)"

    def test_the_thresholds_are_the_caller_s(self, http, sql, hours_later):
        jobs = {status: due_hours_ago(sql, 3, status) if status in ("pending", "retrying") else sql.in_state(status) for status in STATUSES}
        hours_later(1)
        answer = http.post("/queue/cleanup", json={"staleThresholdHours": 2, "oldFailedJobsDays": 0}).json
        assert (answer["staleCancelled"], answer["oldFailedCancelled"]) == (2, 1)
        assert sql.values("select id from queue_jobs_archive") == [jobs["failed"]], "ended otherwise: the daily job's business"

    def test_a_step_that_fails_is_told_and_stops_no_other(self, http, sql, hours_later):
        stale = due_hours_ago(sql, 25)
        sql.in_state("failed")
        hours_later(7 * 24 + 1)
        sql.run("alter table queue_jobs_archive rename column history to story")
        answer = http.post("/queue/cleanup")
        assert (answer.status_code, answer.json["success"], answer.json["staleCancelled"]) == (200, False, 1)
        assert len(answer.json["errors"]) == 1 and "history" in answer.json["errors"][0]
        assert sql.job(stale)["status"] == "cancelled"

    @pytest.mark.parametrize(
        "body",
        [{"staleThresholdHours": "24"}, {"staleThresholdHours": -1}, {"oldFailedJobsDays": True}, {"oldFailedJobsDays": None}, {"dryRun": "no"}],
        ids=str,
    )
    def test_what_is_no_number_is_refused(self, http, body):
        answer = http.post("/queue/cleanup", json=body)
        assert answer.status_code == 400 and answer.json["error"].startswith(next(iter(body)))


def test_an_archived_job_is_found_by_its_owner_alone(parts, sql, database, user, hours_later):
    secret = "a secret of thirty-two characters!"
    settings = type(parts.settings).model_validate(parts.settings.model_dump() | {"auth_mode": "jwt", "jwt_secret": secret, "service_key": "key"})
    client = create_app(Parts(settings, parts.engine, parts.clock)).test_client()

    def call(owner, method, path):
        claims = {"sub": str(owner), "aud": "authenticated", "exp": sql.value("select now()") + timedelta(hours=1)}
        return client.open(path, method=method, headers={"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm='HS256')}"})

    job = sql.in_state("failed", job_type="send_sms", user=user, metadata={"phone_number": "+14155550100", "message": "x"})
    before = call(user, "GET", f"/jobs/{job}").json
    hours_later(7 * 24 + 1)
    assert client.post("/queue/cleanup", headers={"Authorization": "Bearer key"}).json["oldFailedCancelled"] == 1
    assert call(user, "GET", f"/jobs/{before['queue_job_id']}").json == before
    assert [event["to"] for event in call(user, "GET", f"/jobs/{job}/events").json["events"]] == ["pending", "processing", "failed"]
    assert call(user, "POST", f"/jobs/{job}/cancel").status_code == 409
    assert call(user, "POST", f"/jobs/{job}/retry").json["retriedFrom"] == str(job)
    stranger = add_user(database.engine)
    assert [call(stranger, "GET", path).status_code for path in (f"/jobs/{job}", f"/jobs/{job}/events")] == [404, 404]
