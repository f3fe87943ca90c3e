"""Jobs one by one, a user's pages, counts, briefs (CONTRACT 5)."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.support.people import add_user

STRANGER = "6355a033-7a9d-461c-9d69-58f28e125137"  # the id of nobody


@pytest.fixture
def job(http, user):
    return http.post("/queue/brief", json={"userId": str(user)}).json["jobId"]


def move(database, job_id, *statuses):
    with database.engine.begin() as conn:
        for status in statuses:
            conn.execute(
                text("update queue_jobs set status = :s where queue_job_id = :id"), {"s": status, "id": job_id}
            )


def test_a_job_by_both_of_its_names(http, job, user):
    by_name = http.get(f"/jobs/{job}").json
    assert http.get(f"/jobs/{by_name['id']}").json == by_name
    assert by_name["queue_job_id"] == job and by_name["user_id"] == str(user)
    assert by_name["error"] is None and by_name["progress"] == {"current": 0, "total": 100, "message": "pending"}
    assert by_name["created_at"].endswith("Z") and by_name["scheduled_for"] == "2026-11-21T12:00:00Z"
    assert not {"fencing_token", "dedup_key", "heartbeat_at", "worker"} & by_name.keys()


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/events", "/api/queue-jobs/{}"])
@pytest.mark.parametrize(
    "unknown", ["x", "%00", "a%00b", "%FF", STRANGER, "9" * 3000, "%F0%9F%92%A9", "..%2f..%2fetc"]
)
def test_an_unknown_job_is_not_found_however_the_id_looks(http, path, unknown):
    answer = http.get(path.format(unknown))
    assert answer.status_code == 404
    if "%2f" not in unknown:
        assert answer.json == {"error": "Job not found", "code": "not_found"}


def test_history_is_told_oldest_first(http, database, job):
    move(database, job, "processing", "completed")
    events = http.get(f"/jobs/{job}/events").json["events"]
    assert [(event["from"], event["to"]) for event in events] == [
        (None, "pending"), ("pending", "processing"), ("processing", "completed"),
    ]  # fmt: skip
    assert events[0].keys() == {"from", "to", "at", "attempt", "worker", "message"}


@pytest.mark.parametrize("live", [(), ("processing",), ("processing", "retrying")])
@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}/cancel"), ("DELETE", "/api/queue-jobs/{}")])
def test_a_live_job_is_cancelled_once(http, database, job, live, method, path):
    move(database, job, *live)
    answer = http.open(path.format(job), method=method)
    assert (answer.status_code, answer.json) == (200, {"success": True, "jobId": job, "status": "cancelled"})
    again = http.open(path.format(job), method=method)
    assert again.status_code == 409 and again.json["error"] == "A cancelled job cannot be cancelled"
    assert http.get(f"/api/queue-jobs/{job}").json["status"] == "cancelled"


@pytest.mark.parametrize("ended", ["completed", "failed"])
def test_an_ended_job_cannot_be_cancelled(http, database, job, ended):
    move(database, job, "processing", ended)
    answer = http.post(f"/jobs/{job}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "wrong_state")


def test_a_retry_is_a_new_job(http, database, job):
    move(database, job, "processing", "failed")
    answer = http.post(f"/jobs/{job}/retry")
    assert answer.status_code == 200 and answer.json["jobId"] != job
    new = http.get(f"/jobs/{answer.json['jobId']}").json
    old = http.get(f"/jobs/{job}").json
    assert new["metadata"]["retriedFrom"] == answer.json["retriedFrom"] == old["id"]
    assert (new["status"], old["status"]) == ("pending", "failed")


@pytest.mark.parametrize("states", [(), ("processing",), ("processing", "completed")])
def test_only_what_failed_or_was_cancelled_can_be_retried(http, database, job, states):
    move(database, job, *states)
    assert http.post(f"/jobs/{job}/retry").status_code == 409


def test_a_user_pages_through_jobs_newest_first(http, user, database):
    made = [
        http.post("/queue/brief", json={"userId": str(user), "briefDate": f"2026-12-0{n}"}).json["jobId"]
        for n in range(1, 6)
    ]
    http.post("/queue/brief", json={"userId": str(add_user(database.engine))})
    seen, cursor = [], ""
    while cursor is not None:
        page = http.get(f"/users/{user}/jobs?limit=2{'&cursor=' + cursor if cursor else ''}").json
        seen += [job["queue_job_id"] for job in page["jobs"]]
        cursor = page["nextCursor"]
    assert seen == made[::-1]


def test_jobs_are_filtered(http, user, database, job):
    move(database, job, "processing", "retrying")
    http.post("/queue/brief", json={"userId": str(user), "briefDate": "2026-12-01"})

    def found(query):
        return [item["queue_job_id"] for item in http.get(f"/users/{user}/jobs?{query}").json["jobs"]]

    assert found("status=retrying") == found("status=queued_for_retry") == [job]
    assert len(found("type=generate_daily_brief")) == 2 and found("type=send_sms") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=ten", "limit"), ("limit=-1", "limit"), ("limit=1e1", "limit"),
        ("limit=" + "9" * 5000, "limit"), ("limit=", "limit"), ("limit=1&limit=2", "limit"), ("limit=%D9%A1", "limit"),
        ("type=nonsense", "type"), ("type=", "type"), ("status=done", "status"), ("status=%00", "status"),
        ("cursor=x", "cursor"), ("cursor=%00", "cursor"), ("cursor=W10=", "cursor"), ("cursor=" + "A" * 1000, "cursor"),
        ("cursor=WyI5OTk5LTEyLTMxVDIzOjU5OjU5LjAwMDAwMC0xMjowMCIsIDFd", "cursor"),
    ],
)  # fmt: skip
def test_bad_queries_name_the_parameter(http, user, query, field):
    answer = http.get(f"/users/{user}/jobs?{query}")
    assert answer.status_code == 400 and answer.json["error"].startswith(f"{field}: ")


@pytest.mark.parametrize("unknown", ["x", "%00", STRANGER, "me"])
@pytest.mark.parametrize("path", ["jobs", "briefs", "briefs/2026-11-21"])
def test_nobodys_pages_are_not_found(http, path, unknown):
    answer = http.get(f"/users/{unknown}/{path}")
    assert (answer.status_code, answer.json["error"]) == (404, "User not found")


def test_counts(http, database, job, user):
    http.post("/queue/brief", json={"userId": str(user), "briefDate": "2026-12-01"})
    move(database, job, "processing", "completed")
    wanted = {
        "stats": [
            {"job_type": "generate_daily_brief", "status": "completed", "count": 1},
            {"job_type": "generate_daily_brief", "status": "pending", "count": 1},
        ]
    }
    assert http.get("/queue/stats").json == http.get("/api/queue/stats").json == wanted


def test_briefs_latest_first_and_one_by_date(http, database, user):
    with database.engine.begin() as conn:
        for day in ("2026-11-19", "2026-11-20", "2026-11-21"):
            conn.execute(
                text(
                    "insert into daily_briefs (user_id, brief_date, generation_status, summary_content) "
                    "values (:u, :d, 'completed', '# Today')"
                ),
                {"u": user, "d": day},
            )
    first = http.get(f"/users/{user}/briefs?limit=2").json
    assert [brief["brief_date"] for brief in first["briefs"]] == ["2026-11-21", "2026-11-20"]
    rest = http.get(f"/users/{user}/briefs?limit=2&cursor={first['nextCursor']}").json
    assert [brief["brief_date"] for brief in rest["briefs"]] == ["2026-11-19"] and rest["nextCursor"] is None
    one = http.get(f"/users/{user}/briefs/2026-11-20").json
    assert one == first["briefs"][1] | {"summary_html": "<h1>Today</h1>\n"} and one["summary_content"] == "# Today"
    missing = http.get(f"/users/{user}/briefs/2026-11-01")
    assert (missing.status_code, missing.json["error"]) == (404, "Brief not found")
    for bad in ("2026-02-30", "today", "9999-12-31", "%00"):
        answer = http.get(f"/users/{user}/briefs/{bad}")
        assert answer.status_code == 400 and answer.json["details"][0]["field"] == "date"


@pytest.mark.parametrize(
    "odd", ['{"progress": "much", "message": 5}', '{"progress": true}', '{"progress": 1e300}', "[]", '"x"', "null"]
)
def test_whatever_a_sql_client_wrote_can_be_shown(http, database, user, odd):
    with database.engine.begin() as conn:
        added = "select add_queue_job(:u, 'send_sms', jsonb_build_object('generation_progress', cast(:odd as jsonb)))"
        conn.execute(text(added), {"u": user, "odd": odd})
        name = conn.execute(text("select queue_job_id from queue_jobs")).scalar_one()
        conn.execute(
            text("insert into daily_briefs (user_id, brief_date, project_briefs) values (:u, '2026-11-21', '{}')"),
            {"u": user},
        )
    progress = http.get(f"/jobs/{name}").json["progress"]
    assert 0 <= progress["current"] <= 100 and progress["message"] == "pending"
    assert http.get(f"/users/{user}/jobs").json["jobs"][0]["queue_job_id"] == name
    assert http.get(f"/users/{user}/briefs/2026-11-21").json["project_briefs"] == {}
