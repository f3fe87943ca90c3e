"""GET /health says what is broken (CONTRACT 5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from app.db.engine import make_engine
from app.web.app import create_app
from tests.integration.web.conftest import Parts
from tests.support.servers import plain_settings

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def alive(database):
    """A worker and a beat that report at a given moment."""

    def report(**ages):
        with database.engine.begin() as conn:
            for kind, age in ages.items():
                conn.execute(
                    text(
                        "insert into queue_processes (name, kind, host, pid, heartbeat_at, last_poll_at) "
                        "values (:name, :kind, 'here', 1, :at, :polled)"
                    ),
                    {
                        "name": f"{kind}@here",
                        "kind": kind,
                        "at": now(database) - age,
                        "polled": now(database) if kind == "worker" else None,
                    },
                )

    return report


def now(database):
    with database.engine.connect() as conn:
        return conn.execute(text("select clock_timestamp()")).scalar_one()


@pytest.fixture
def awake(parts, database):
    """The app's clock follows the database's, as heartbeats do."""
    parts.clock.time = now(database)
    return parts


def test_all_is_well(http, awake, alive, user):
    alive(worker=timedelta(0), beat=timedelta(0))
    http.post("/queue/brief", json={"userId": str(user)})
    answer = http.get("/health")
    body = answer.json
    assert (answer.status_code, body["status"]) == (200, "healthy")
    assert body["checks"] == {"database": "ok", "broker": "ok", "workers": "ok", "beat": "ok"}
    assert (body["service"], body["queue"]) == ("daily-brief-worker", "celery")
    assert body["queues"] == {"generate_daily_brief": {"pending": 1, "processing": 0}}
    assert body["stats"] == [{"job_type": "generate_daily_brief", "status": "pending", "count": 1}]
    assert body["totals"] == {"pending": 1, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0, "retrying": 0}
    assert body["lastPoll"].endswith("Z") and body["timestamp"].endswith("Z") and body["uptime"] >= 0


def test_without_workers_it_is_degraded(http, awake, alive):
    alive(beat=timedelta(0), worker=timedelta(seconds=40))
    answer = http.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["checks"]["workers"] == "away" and answer.json["checks"]["beat"] == "ok"


def test_without_the_broker_it_is_degraded(awake, alive):
    alive(worker=timedelta(0), beat=timedelta(0))
    settings = awake.settings.model_copy(update={"redis_url": f"redis://{NOWHERE}/0"})
    answer = create_app(Parts(settings, awake.engine, awake.clock)).test_client().get("/health")
    assert (answer.status_code, answer.json["status"], answer.json["checks"]["broker"]) == (200, "degraded", "away")


def test_without_the_database_it_is_unhealthy_and_nothing_else_breaks(parts, user):
    settings = plain_settings(database_url=f"postgresql://x@{NOWHERE}/x", redis_url=parts.settings.redis_url)
    http = create_app(Parts(settings, make_engine(settings), parts.clock)).test_client()
    answer = http.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "unhealthy")
    assert answer.json["checks"]["database"] == "away" and answer.json["checks"]["broker"] == "ok"
    for method, path in (
        ("POST", "/queue/brief"),
        ("GET", "/jobs/x"),
        ("GET", "/queue/stats"),
        ("GET", f"/users/{user}/jobs"),
    ):
        refused = http.open(path, method=method, json={"userId": str(user)} if method == "POST" else None)
        assert (refused.status_code, refused.json["code"]) == (503, "database_unavailable")
    assert http.get("/").status_code == http.get("/docs").status_code == http.get("/openapi.json").status_code == 200


def test_a_database_that_does_not_answer_is_away(http, awake, alive, database):
    alive(worker=timedelta(0), beat=timedelta(0))
    question = http.application.extensions["buildos.pulse"].database
    with database.engine.begin() as conn:
        conn.execute(text("lock table queue_processes in access exclusive mode"))
        question.patience = 0.02
        answers = [http.get("/health") for _ in range(2)]
        hanging = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        assert conn.execute(hanging).scalar_one() <= 1
    assert [(answer.status_code, answer.json["checks"]["database"]) for answer in answers] == [(503, "away")] * 2
    question.patience = 30
    assert http.get("/health").json["status"] == "healthy"


def test_a_database_without_our_tables_is_503(empty_database, parts):
    settings = parts.settings.model_copy(update={"database_url": empty_database.url})
    http = create_app(Parts(settings, empty_database.engine, parts.clock)).test_client()
    answer = http.get("/queue/stats")
    assert (answer.status_code, "buildos migrate" in answer.json["error"]) == (503, True)
    assert http.get("/health").status_code == 503


def test_strangers_get_no_counts(parts, user):
    settings = parts.settings.model_copy(update={"auth_mode": "jwt"})
    http = create_app(Parts(settings, parts.engine, parts.clock)).test_client()
    body = http.get("/health").json
    assert body["stats"] == [] and body["queues"] == {} and set(body["totals"].values()) == {0}


def test_alerts_are_shown(http, awake, alive, database):
    alive(worker=timedelta(0))
    with database.engine.begin() as conn:
        for _ in range(5):
            conn.execute(text("select add_queue_job(null, 'other', '{}')"))
        failed = conn.execute(text("select fail_queue_job(id, 'no such address') from claim_pending_jobs('{other}', 5)"))
        assert len(failed.all()) == 5
    awake.clock.time = now(database)
    alerts = {alert["name"]: alert for alert in http.get("/health").json["alerts"]}
    assert set(alerts) == {"no_beat", "failing:other"}
    assert alerts["failing:other"]["value"] == 5 and "no such address" in alerts["failing:other"]["message"]
