"""A request and the jobs it adds have one trace id, which is the correlation id of every line they log."""

from __future__ import annotations

from sqlalchemy import text

from tests.support.people import add_user

PLACE = f"00-{'a' * 32}-{'b' * 16}-01"


def kept(database):
    with database.engine.connect() as conn:
        return list(conn.execute(text("select traceparent from queue_jobs order by id")).scalars())


def test_a_request_gives_its_trace_to_the_job_and_shows_it_nowhere(database, http) -> None:
    user = add_user(database.engine)
    for path, body in (
        ("/queue/brief", {"briefDate": "2026-12-24"}),
        ("/queue/notification", {"channel": "in-app", "eventType": "system.announcement", "payload": {"title": "a", "message": "b"}}),
    ):
        answer = http.post(path, json={"userId": str(user), **body}, headers={"traceparent": PLACE})
        assert answer.status_code == 200, answer.text
        assert "traceparent" not in answer.json and "traceparent" not in http.get(f"/jobs/{answer.json['jobId']}").json
    assert kept(database) == [PLACE, PLACE]
    http.post("/queue/brief", json={"userId": str(user), "briefDate": "2026-12-25"})
    (_, _, fresh) = kept(database)
    assert fresh.startswith("00-") and fresh.endswith("-00") and fresh[3:35] != "a" * 32
