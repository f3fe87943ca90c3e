"""POST /queue/brief and its cancel, to the letter of CONTRACT 5."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.integration.web.conftest import NOON

STRANGER = "6355a033-7a9d-461c-9d69-58f28e125137"  # the id of nobody

PATH = "/queue/brief"


def queue(http, **body):
    return http.post(PATH, json=body)


def row(database, job_id):
    with database.engine.connect() as conn:
        return conn.execute(text("select * from queue_jobs where queue_job_id = :id"), {"id": job_id}).one()


def set_status(database, job_id, *statuses):
    with database.engine.begin() as conn:
        for status in statuses:
            conn.execute(
                text("update queue_jobs set status = :s where queue_job_id = :id"), {"s": status, "id": job_id}
            )


def test_a_plain_request_is_due_now_at_the_highest_priority(http, database, user):
    answer = queue(http, userId=str(user))
    assert answer.status_code == 200
    assert answer.json | {"jobId": ""} == {
        "success": True, "jobId": "", "scheduledFor": "2026-11-21T12:00:00Z", "briefDate": "2026-11-21", "deduplicated": False,
    }  # fmt: skip
    job = row(database, answer.json["jobId"])
    assert (job.status, job.priority, job.job_type, job.user_id) == ("pending", 1, "generate_daily_brief", user)
    assert (job.scheduled_for, job.dedup_key) == (NOON, f"brief-{user}-2026-11-21")
    assert job.metadata == {"briefDate": "2026-11-21", "timezone": "America/New_York"}


def test_the_date_is_the_local_one_of_the_scheduled_time(http, database, user):
    late = queue(http, userId=str(user), scheduledFor="2026-11-23T03:00:00Z").json
    assert (late["briefDate"], late["scheduledFor"]) == ("2026-11-22", "2026-11-23T03:00:00Z")
    assert row(database, late["jobId"]).priority == 10
    east = queue(http, userId=str(user), scheduledFor="2026-11-23T22:00:00-01:00", timezone="Asia/Tokyo").json
    assert (east["briefDate"], east["scheduledFor"]) == ("2026-11-24", "2026-11-23T23:00:00Z")


def test_today_is_the_users_today(http, parts, user):
    parts.clock.time = NOON.replace(hour=3)
    assert queue(http, userId=str(user)).json["briefDate"] == "2026-11-20"


def test_an_unusable_stored_timezone_means_utc(http, database, user):
    with database.engine.begin() as conn:
        conn.execute(text("update users set timezone = 'Mars/Base'"))
    answer = queue(http, userId=str(user))
    assert row(database, answer.json["jobId"]).metadata["timezone"] == "UTC"


def test_projects_to_cover_are_kept_with_the_job(http, database, user):
    options = {"includeProjects": ["a"], "excludeProjects": ["b"]}
    answer = queue(http, userId=str(user), options=options)
    assert row(database, answer.json["jobId"]).metadata.items() >= options.items()


def test_the_same_date_again_is_the_same_job_with_its_stored_time(http, user):
    first = queue(http, userId=str(user), briefDate="2026-12-01", scheduledFor="2026-12-01T09:00:00Z").json
    again = queue(http, userId=str(user), briefDate="2026-12-01", scheduledFor="2026-12-01T17:00:00Z").json
    assert again == first | {"deduplicated": True}


def test_force_immediate_brings_a_waiting_job_forward(http, database, user):
    first = queue(http, userId=str(user), briefDate="2026-12-01", scheduledFor="2026-12-01T09:00:00Z").json
    again = queue(http, userId=str(user), briefDate="2026-12-01", forceImmediate=True).json
    assert again["deduplicated"] is True and again["jobId"] == first["jobId"]
    job = row(database, first["jobId"])
    assert job.priority == 1 and again["scheduledFor"] < "2026-12-01"
    assert again["scheduledFor"].rstrip("Z") == job.scheduled_for.replace(tzinfo=None).isoformat()


def test_force_immediate_leaves_a_running_job_alone(http, database, user):
    first = queue(http, userId=str(user)).json
    set_status(database, first["jobId"], "processing")
    again = queue(http, userId=str(user), forceImmediate=True).json
    assert again == first | {"deduplicated": True}


def test_force_immediate_ignores_a_later_time(http, database, user):
    answer = queue(http, userId=str(user), forceImmediate=True, scheduledFor="2026-11-25T09:00:00Z").json
    assert (answer["scheduledFor"], answer["briefDate"]) == ("2026-11-21T12:00:00Z", "2026-11-25")


@pytest.mark.parametrize("ended", [(), ("processing",), ("processing", "completed"), ("processing", "retrying")])
def test_force_regenerate_cancels_what_is_live_and_always_queues(http, database, user, ended):
    first = queue(http, userId=str(user)).json
    set_status(database, first["jobId"], *ended)
    new = queue(http, userId=str(user), forceRegenerate=True).json
    assert new["jobId"] != first["jobId"] and new["deduplicated"] is False
    assert row(database, first["jobId"]).status == ("completed" if "completed" in ended else "cancelled")
    job = row(database, new["jobId"])
    assert job.metadata["forceRegenerate"] is True
    assert job.dedup_key.startswith(f"brief-{user}-2026-11-21-")
    assert queue(http, userId=str(user)).json == new | {"deduplicated": True}


def test_after_a_failure_the_date_can_be_queued_again(http, database, user):
    first = queue(http, userId=str(user)).json
    set_status(database, first["jobId"], "processing", "failed")
    assert queue(http, userId=str(user)).json["jobId"] != first["jobId"]


def test_many_at_once_add_one_job(app, database, user):
    def one(force):
        return app.test_client().post(PATH, json={"userId": str(user), "forceRegenerate": force}).json

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, [False] * 8))
    assert len({answer["jobId"] for answer in answers}) == 1
    assert [answer["deduplicated"] for answer in answers].count(False) == 1

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, [True] * 8))
    assert len({answer["jobId"] for answer in answers}) == 8
    with database.engine.connect() as conn:
        assert conn.execute(text("select count(*) from queue_jobs where status = 'pending'")).scalar_one() == 1


def test_cancel_counts_the_live_jobs_of_the_date(http, user):
    queue(http, userId=str(user), briefDate="2026-12-01")
    queue(http, userId=str(user), briefDate="2026-12-02")
    body = {"userId": str(user), "briefDate": "2026-12-01"}
    assert http.post("/queue/brief/cancel", json=body).json == {"success": True, "cancelledJobs": 1}
    assert http.post("/queue/brief/cancel", json=body).json == {"success": True, "cancelledJobs": 0}


@pytest.mark.parametrize(
    "unknown", ["", "nobody", "a\x00b", "../etc", "{" + STRANGER + "}", STRANGER, "9" * 5000, "ü"]
)
@pytest.mark.parametrize("path", [PATH, "/queue/brief/cancel"])
def test_an_unknown_user_is_not_found_however_the_id_looks(http, path, unknown):
    answer = http.post(path, json={"userId": unknown, "briefDate": "2026-12-01"})
    assert (answer.status_code, answer.json) == (404, {"error": "User not found", "code": "not_found"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", None), ("userId", 7), ("userId", ["x"]), ("userId", {}), ("userId", True),
        ("briefDate", "2026-02-30"), ("briefDate", "9999-12-31"), ("briefDate", "0001-01-01"), ("briefDate", "21.11.2026"),
        ("briefDate", 20261121), ("briefDate", "2026-11-21T00:00:00Z"), ("briefDate", ""), ("briefDate", "２０２６-11-21"),
        ("scheduledFor", "tomorrow"), ("scheduledFor", 1763726400), ("scheduledFor", "2026-13-01T00:00:00Z"),
        ("scheduledFor", "9999-12-31T23:59:59-12:00"), ("scheduledFor", "0001-01-01T00:00:00+12:00"), ("scheduledFor", ""),
        ("scheduledFor", "2026-11-21"), ("scheduledFor", "2026-11-21T25:00:00Z"), ("scheduledFor", []),
        ("timezone", "../etc"), ("timezone", "Mars/Base"), ("timezone", ""), ("timezone", 1), ("timezone", "UTC\x00"),
        ("timezone", "/etc/passwd"), ("timezone", "localtime"),
        ("forceImmediate", "yes"), ("forceImmediate", 1), ("forceRegenerate", "true"), ("forceRegenerate", []),
        ("options", []), ("options", "all"), ("options.includeProjects", "x"), ("options.includeProjects.0", 1),
        ("options.excludeProjects.0", "a\x00b"),
    ],
)  # fmt: skip
def test_bad_input_is_400_and_names_the_field(http, user, field, value):
    body: dict = {"userId": str(user)}
    parts = field.split(".")
    nested = value
    for part in reversed(parts[1:]):
        nested = [nested] if part == "0" else {part: nested}
    answer = http.post(PATH, json=body | {parts[0]: nested})
    assert answer.status_code == 400
    assert answer.json["code"] == "invalid_input"
    assert answer.json["error"].startswith(f"{field}: ")
    assert answer.json["details"][0]["field"] == field


@pytest.mark.parametrize(
    "empty", ["briefDate", "scheduledFor", "timezone", "forceImmediate", "forceRegenerate", "options"]
)
def test_null_means_not_given(http, user, empty):
    assert queue(http, userId=str(user), **{empty: None}).status_code == 200


def test_what_is_missing_is_named(http, user):
    assert http.post(PATH, json={}).json["error"] == "userId: is required"
    assert http.post("/queue/brief/cancel", json={"userId": str(user)}).json["error"] == "briefDate: is required"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("userId", 7, "expects a string"), ("forceImmediate", "yes", "expects a boolean"),
        ("options", [], "expects an object"),
    ],
)  # fmt: skip
def test_a_message_says_what_is_expected(http, user, field, value, message):
    assert http.post(PATH, json={"userId": str(user), field: value}).json["error"] == f"{field}: {message}"


@pytest.mark.parametrize(("limit", "message"), [("0", "expects at least 1"), ("101", "expects at most 100")])
def test_so_does_that_of_a_limit(http, user, limit, message):
    assert http.get(f"/users/{user}/jobs?limit={limit}").json["error"] == f"limit: {message}"
