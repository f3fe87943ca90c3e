"""A type of job from outside, as the database and the API know it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from flask.testing import FlaskClient

from app.queue.catalog import OURS
from app.queue.own_types import sync
from app.settings import Settings
from app.web.app import create_app
from app.wiring import build
from tests.support.jobs import Client, sql_client
from tests.support.own_types import EXAMPLE, loaded, only_ours_afterwards
from tests.support.servers import Database

MONTH = {"month": "2026-11"}


@pytest.fixture
def sql(database: Database) -> Iterator[Client]:
    with sql_client(database) as client:
        yield client


@pytest.fixture
def registered(database: Database) -> Iterator[None]:
    """The example's type, in the catalog and in the database."""
    with loaded(EXAMPLE):
        with database.engine.begin() as conn:
            assert sync(conn) == ["monthly_report"]
        yield


@pytest.fixture
def http(registered: None, settings: Settings) -> FlaskClient:
    return create_app(build(settings)).test_client()


def test_it_is_told_once_and_takes_jobs_from_the_commit_on(database: Database, registered: None, sql: Client) -> None:
    with database.engine.begin() as conn:
        assert sync(conn) == []
    job = sql.job(sql.add("monthly_report", MONTH, user=sql.user()))
    assert (job["job_type"], job["max_attempts"], job["priority"]) == ("monthly_report", 5, 10)
    assert sql.job(sql.add("other"))["max_attempts"] == 3
    (claimed,) = sql.claim("monthly_report")
    assert claimed["id"] == job["id"]


def test_a_job_without_a_user_only_where_the_type_says_so(registered: None, sql: Client) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation, match="needs a user"):
        sql.add("monthly_report", MONTH)
    sql.run("select register_job_type('count_stars', 'Stars', 'sky', 1, false)")
    assert sql.job(sql.add("count_stars"))["user_id"] is None
    sql.run("select register_job_type('count_stars', 'Stars', 'sky', 1, true)")
    with pytest.raises(psycopg.errors.NotNullViolation, match="needs a user"):
        sql.add("count_stars")


def test_ours_and_names_that_are_none_are_refused(sql: Client) -> None:
    for name in OURS:
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="is one of ours"):
            sql.value("select register_job_type(%s)", name)
    for name in ("Bad", "x'); drop table users; --", "", "a b"):
        with pytest.raises(psycopg.errors.CheckViolation):
            sql.value("select register_job_type(%s)", name)
    assert set(sql.values("select unnest(enum_range(null::queue_type))::text")) == OURS


def test_a_worker_without_rights_on_the_schema_may_register(sql: Client) -> None:
    sql.run("set role service_role")
    sql.run("select register_job_type('make_thumbnail')")
    assert sql.run("select label, queue, max_attempts, needs_user from job_types") == [
        {"label": "make_thumbnail", "queue": "upkeep", "max_attempts": 3, "needs_user": True}
    ]
    for role in ("anon", "authenticated"):
        sql.run(f"set role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            sql.run("select register_job_type('make_thumbnail')")


def test_the_api_describes_it_takes_it_and_checks_it(http: FlaskClient, sql: Client) -> None:
    (shown,) = [known for known in http.get("/job-types").json["jobTypes"] if known["own"]]
    assert (shown["name"], shown["label"], shown["queue"], shown["maxAttempts"]) == ("monthly_report", "Monthly report", "reports", 5)
    assert shown["metadata"]["required"] == ["month"] and "noteId" in shown["result"]["properties"]
    assert "monthly_report" in json.dumps(http.get("/openapi.json").json)

    user = str(sql.user())
    jobs = [{"jobType": "monthly_report", "userId": user, "metadata": metadata} for metadata in (MONTH, {"month": "2026-13"}, {})]
    good, bad, empty = http.post("/queue/bulk", json={"jobs": jobs}).json["results"]
    assert good["jobId"].startswith("monthly_report-")
    assert bad["error"].startswith("metadata.month: ") and empty["error"] == "metadata.month: is required"
    listed = http.get(f"/users/{user}/jobs?type=monthly_report").json["jobs"]
    assert [job["queue_job_id"] for job in listed] == [good["jobId"]] and listed[0]["max_attempts"] == 5
    assert http.post("/queue/pause", json={"jobType": "monthly_report"}).json["paused"] is True


def test_an_api_without_its_module_shows_its_jobs_and_says_why_it_adds_none(http: FlaskClient, sql: Client) -> None:
    user = sql.user()
    job = sql.in_state("failed", job_type="monthly_report", user=user, metadata=MONTH)
    with only_ours_afterwards():
        pass
    assert http.get(f"/jobs/{job}").json["job_type"] == "monthly_report"
    refused = http.post(f"/jobs/{job}/retry")
    assert (refused.status_code, refused.json["error"]) == (400, "jobType: monthly_report is not known here: is its module in JOB_MODULES?")
