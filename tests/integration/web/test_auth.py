"""AUTH_MODE=jwt: a user's token reaches that user's data, the service key everything (CONTRACT 10)."""

from __future__ import annotations

import pytest

from app.web.app import create_app
from tests.integration.web.conftest import Parts
from tests.support.people import add_user
from tests.support.tokens import KEY, SECRET, token


@pytest.fixture
def closed(parts):
    settings = type(parts.settings).model_validate(
        parts.settings.model_dump() | {"auth_mode": "jwt", "jwt_secret": SECRET, "service_key": KEY}
    )
    return create_app(Parts(settings, parts.engine, parts.clock))


@pytest.fixture
def call(closed):
    client = closed.test_client()

    def call(bearer, method, path, **body):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return client.open(path, method=method, json=body or None, headers=headers)

    return call


@pytest.fixture
def stranger(database):
    return add_user(database.engine)


def paths(user, job):
    return [
        ("POST", "/queue/brief", {"userId": str(user)}),
        ("POST", "/queue/brief/cancel", {"userId": str(user), "briefDate": "2026-12-01"}),
        ("GET", f"/users/{user}/jobs", {}),
        ("GET", f"/users/{user}/briefs", {}),
        ("GET", f"/users/{user}/briefs/2026-11-21", {}),
        ("GET", f"/jobs/{job}", {}),
        ("GET", f"/jobs/{job}/events", {}),
        ("GET", f"/api/queue-jobs/{job}", {}),
        ("POST", f"/jobs/{job}/retry", {}),
        ("POST", f"/jobs/{job}/cancel", {}),
        ("DELETE", f"/api/queue-jobs/{job}", {}),
    ]


def test_who_may_what(call, user, stranger):
    job = call(KEY, "POST", "/queue/brief", userId=str(user)).json["jobId"]
    for method, path, body in paths(user, job):
        nobody = call(None, method, path, **body)
        assert (nobody.status_code, nobody.json["code"]) == (401, "unauthorized")
        assert nobody.headers["WWW-Authenticate"] == "Bearer"
        assert call("nonsense", method, path, **body).status_code == 401
        other = call(token(stranger), method, path, **body)
        assert other.status_code == (404 if job in path else 403)
        assert call(token(user), method, path, **body).status_code in (200, 409) or "briefs/" in path


def test_everybody_may_ask_who_he_is(call, user):
    assert call(None, "GET", "/access").json == {"authMode": "jwt", "caller": "anonymous", "operator": False, "userId": None}
    assert call(KEY, "GET", "/access").json == {"authMode": "jwt", "caller": "service", "operator": True, "userId": None}
    assert call(token(user), "GET", "/access").json == {"authMode": "jwt", "caller": "user", "operator": False, "userId": str(user)}
    refused = call("nonsense", "GET", "/access")
    assert (refused.status_code, refused.json["error"]) == (401, "The token is not valid")


def test_counts_are_for_operators(call, user):
    assert call(token(user), "GET", "/queue/stats").status_code == 403
    assert call(None, "GET", "/api/queue/stats").status_code == 401
    assert call(KEY, "GET", "/queue/stats").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/queue/pause", {"jobType": "other"}),
        ("POST", "/queue/resume", {"jobType": "other"}),
        ("GET", "/schedules", {}),
        ("POST", "/schedules/check_and_schedule_briefs/run", {}),
        ("POST", "/jobs/bulk", {"action": "cancel", "filter": {"all": True}}),
        ("GET", "/queue/stale-stats", {}),
        ("POST", "/queue/cleanup", {"dryRun": True}),
    ],
    ids=["pause", "resume", "schedules", "run", "bulk", "stale", "cleanup"],
)
def test_operations_are_for_operators(call, user, method, path, body):
    assert call(None, method, path, **body).status_code == 401
    assert call(token(user), method, path, **body).status_code == 403
    assert call(KEY, method, path, **body).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health"])
@pytest.mark.parametrize("bearer", [None, "nonsense"])
def test_what_is_public(call, path, bearer):
    assert call(bearer, "GET", path).status_code in (200, 503)


def test_health_counts_are_not_for_strangers(call, user):
    call(KEY, "POST", "/queue/brief", userId=str(user))
    assert call(None, "GET", "/health").json["stats"] == []
    assert call(KEY, "GET", "/health").json["totals"]["pending"] == 1


def test_a_users_bulk_is_no_way_around(call, user, stranger):
    def bulk(bearer, **job):
        return call(bearer, "POST", "/queue/bulk", jobs=[job]).json["results"][0]

    # Upkeep cancels and archives everybody's jobs, also as a job "of" the user.
    for upkeep in ("cleanup_old_data", "update_recurring_tasks"):
        job = {"jobType": upkeep, "userId": str(stranger), "metadata": {"date": "2026-11-21", "staleThresholdHours": 0}}
        assert bulk(token(stranger), **job) == {"error": "Only the service key may do this", "code": "forbidden"}
        assert "jobId" in bulk(KEY, **job)
    # Whoever takes the key of another's brief before him must not keep it from being made, nor learn of its job.
    key = f"brief-{user}-2026-12-01"
    text = {"phone_number": "+14155552671", "message": "hi"}
    mine = {"jobType": "send_sms", "userId": str(stranger), "metadata": text, "dedupKey": key}
    first = bulk(token(stranger), **mine)
    brief = call(token(user), "POST", "/queue/brief", userId=str(user), briefDate="2026-12-01").json
    again = bulk(token(stranger), **mine)
    assert (first["deduplicated"], brief["deduplicated"]) == (False, False)
    assert (again["deduplicated"], again["jobId"]) == (True, first["jobId"])
