"""POST /queue/bulk: many jobs in one transaction, each with an answer of its own."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

SMS = {"phone_number": "+14155552671", "message": "hi"}


def rows(database, columns="queue_job_id, job_type::text, priority, dedup_key"):
    with database.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(f"select {columns} from queue_jobs order by id"))]


def test_each_job_has_its_answer_in_order(http, database, user):
    jobs = [
        {"jobType": "send_sms", "userId": str(user), "metadata": SMS},
        {"jobType": "send_sms", "userId": str(user), "metadata": {"message": "hi"}},
        {"jobType": "no_such", "userId": str(user), "metadata": {}},
        {"jobType": "send_sms", "userId": "6355a033-7a9d-461c-9d69-58f28e125137", "metadata": SMS},
        {"jobType": "send_sms", "userId": "me", "metadata": SMS},
        {"jobType": "send_sms", "metadata": SMS},
        {"jobType": "cleanup_old_data", "metadata": {}, "priority": 3, "scheduledFor": "2030-01-01T00:00:00Z"},
        {"jobType": "send_sms", "userId": str(user), "metadata": SMS, "priority": 0},
        "not a job",
    ]
    answer = http.post("/queue/bulk", json={"jobs": jobs[:-1]})
    assert answer.status_code == 200, answer.json
    results = answer.json["results"]
    assert [result.get("code", "added") for result in results] == [
        "added", "invalid_input", "invalid_input", "not_found", "not_found", "not_found", "added", "invalid_input",
    ]  # fmt: skip
    assert "metadata.phone_number" in results[1]["error"] and results[3]["error"] == "User not found"
    assert results[6]["scheduledFor"] == "2030-01-01T00:00:00Z"
    assert set(rows(database)) == {
        (results[0]["jobId"], "send_sms", 10, None),
        (results[6]["jobId"], "cleanup_old_data", 3, None),
    }
    assert http.post("/queue/bulk", json={"jobs": jobs}).status_code == 400


def test_keys_find_older_jobs_and_twins_in_the_list(http, database, user):
    job = {"jobType": "send_sms", "userId": str(user), "metadata": SMS, "dedupKey": "a"}
    first = http.post("/queue/bulk", json={"jobs": [job, {**job, "dedupKey": "b"}, job]}).json["results"]
    assert [result["deduplicated"] for result in first] == [False, False, True]
    assert first[0]["jobId"] == first[2]["jobId"] != first[1]["jobId"]
    again = http.post("/queue/bulk", json={"jobs": [{**job, "dedupKey": "b"}, {**job, "dedupKey": "c"}]}).json["results"]
    assert [result["deduplicated"] for result in again] == [True, False]
    assert again[0]["jobId"] == first[1]["jobId"]
    assert len(rows(database)) == 3


def test_a_thousand_at_once_and_not_one_more(http, database, user):
    jobs = [{"jobType": "send_sms", "userId": str(user), "metadata": SMS}] * 1000
    answer = http.post("/queue/bulk", json={"jobs": jobs})
    ids = {result["jobId"] for result in answer.json["results"]}
    assert answer.status_code == 200 and len(ids) == 1000
    assert {row[0] for row in rows(database)} == ids
    assert http.post("/queue/bulk", json={"jobs": [*jobs, jobs[0]]}).status_code == 400
    assert http.post("/queue/bulk", json={"jobs": []}).json == {"success": True, "results": []}


@pytest.mark.parametrize("metadata", [{"message": "a\x00b"}, {"message": "\ud800"}, {"message": 5}, []])
def test_odd_metadata_is_refused_alone(http, database, user, metadata):
    whole = {**SMS, **metadata} if isinstance(metadata, dict) else metadata
    jobs = [{"jobType": "send_sms", "userId": str(user), "metadata": value} for value in (whole, SMS)]
    # As bytes: a lone surrogate can be written in JSON's own escapes alone.
    answer = http.post("/queue/bulk", data=json.dumps({"jobs": jobs}), content_type="application/json")
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert [result.get("code") for result in answer.json["results"]] == ["invalid_input", None]
