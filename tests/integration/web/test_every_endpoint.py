"""What must hold for every endpoint there is: it is its user's alone, and no odd value is a 500 (CONTRACT 5, 10, 13).

One that is new fails here until it has its line in `CASES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.web.app import create_app
from app.web.openapi import described_endpoints
from app.wiring import build
from tests.support import filling, servers
from tests.support.jobs import sql_client
from tests.support.servers import plain_settings
from tests.support.tokens import KEY, SECRET, token

NOBODY = "redis://127.0.0.1:1/0"  # the API works without a broker
BROWSER = {"p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM", "auth": "tBHItJI5svbpez7KI4CCXg"}
NOTIFICATION = {"channel": "in-app", "eventType": "system.announcement", "payload": {"title": "Hello"}}
TEXT = {"phone_number": "+14155552671", "message": "Hello"}
# What a user may do with what is his own. `{...}` stands for the id of a row of his; all that is said may be left out is there.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/queue/brief", {"userId": "{user}", "scheduledFor": "2030-01-01T00:00:00Z", "briefDate": "2030-01-01", "timezone": "UTC",
                              "forceImmediate": False, "forceRegenerate": False, "options": {"includeProjects": [], "excludeProjects": []}}),
    ("POST", "/queue/brief/cancel", {"userId": "{user}", "briefDate": "2026-12-01"}),
    ("POST", "/queue/bulk", {"jobs": [{"jobType": "other", "userId": "{user}"}]}),
    ("POST", "/api/braindumps/stream", {"userId": "{user}", "text": "buy milk", "projectId": "{project}", "autoAccept": False}),
    ("GET", "/api/braindumps/{dump}", {}),
    ("POST", "/api/braindumps/{dump}/confirm", {}),
    ("POST", "/queue/brain-dump", {"userId": "{user}", "text": "buy milk", "projectId": "{project}", "autoAccept": False}),
    ("GET", "/jobs/{job}", {}),
    ("GET", "/jobs/{job}/events", {}),
    ("GET", "/jobs/{job}/related", {}),
    ("POST", "/jobs/{job}/cancel", {}),
    ("POST", "/jobs/{job}/retry", {}),
    ("GET", "/api/queue-jobs/{job}", {}),
    ("DELETE", "/api/queue-jobs/{job}", {}),
    ("GET", "/users/{user}/jobs?type=other&status=pending&limit=5&cursor=x", {}),
    ("GET", "/users/{user}/briefs?limit=5&cursor=2026-11-22", {}),
    ("GET", "/users/{user}/briefs/2026-11-22", {}),
    ("GET", "/users/{user}", {}),
    ("GET", "/users/{user}/projects", {}),
    ("GET", "/users/{user}/days/2026-11-22", {}),
    ("GET", "/users/{user}/sms/2026-11-22", {}),
    ("GET", "/users/{user}/preferences", {}),
    ("PUT", "/users/{user}/preferences", {
        "timezone": "UTC", "brief": {"time_of_day": "09:00", "day_of_week": 1, "frequency": "daily", "is_active": False},
        "sms": {"quiet_hours_start": "22:00", "quiet_hours_end": "07:00", "daily_sms_limit": 3, "phone_number": "+14155552671"},
        "notifications": {"quiet_hours_start": "22:00", "do_not_disturb": False, "event_channels": {}},
    }),
    ("POST", "/queue/notification", {"userId": "{user}", **NOTIFICATION, "metadata": {"correlationId": "c", "urgent": False}}),
    ("POST", "/queue/email", {"userId": "{user}", "to": "ada@example.com", "subject": "s", "html": "h", "text": "t", "correlationId": "c"}),
    ("GET", "/users/{user}/notifications?limit=5&cursor=x&unread=true", {}),
    ("POST", "/users/{user}/notifications/{notification}/read", {}),
    ("POST", "/push/subscriptions", {"userId": "{user}", "endpoint": "https://push.example.com/1", "keys": BROWSER, "expirationTime": None}),
    ("DELETE", "/push/subscriptions", {"userId": "{user}", "endpoint": "https://push.example.com/1"}),
    ("GET", "/sms/scheduled?userId={user}", {}),
    ("POST", "/sms/scheduled", {"userId": "{user}", "enabled": True, "lead_time_minutes": 5, "quiet_hours_start": "22:00", "quiet_hours_end": "07:00",
                                "daily_sms_limit": 3, "urgent_alerts": True, "phone_number": "+14155552671"}),
    ("POST", "/queue/sms", {"userId": "{user}", **TEXT, "eventId": "e", "eventName": "n", "message_id": "{message}", "retry_attempt": 1,
                            "urgent": False, "scheduledFor": "2030-01-01T00:00:00Z"}),
    ("POST", "/queue/phases", {"userId": "{user}", "projectId": "{project}", "options": {"regenerate": False, "selected_statuses": ["done"]}}),
    ("POST", "/api/phases-jobs", {"userId": "{user}", "projectId": "{project}", "options": {"template": "t", "scheduling_method": "phases_only"}}),
    ("POST", "/api/projects/{project}/phases/generate", {"userId": "{user}", "options": {"includeExistingTasks": True}}),
    ("GET", "/projects/{project}/phases", {}),
    ("POST", "/queue/onboarding", {"userId": "{user}", "userContext": {"name": "Ada", "description": "d", "goals": ["g"], "challenges": ["c"]},
                                   "options": {"forceRegenerate": False}}),
    ("GET", "/users/{user}/onboarding", {}),
    ("POST", "/api/calendar/events/import?userId={user}", {}),
    ("GET", "/api/calendar/connect?userId={user}&calendarId=primary", {}),
    ("POST", "/api/calendar/connect", {"userId": "{user}", "provider": "feed", "url": "https://example.com/x.ics", "name": "n", "calendarId": "c"}),
    ("GET", "/api/calendar/connections?userId={user}", {}),
    ("DELETE", "/api/calendar/connections/{connection}", {}),
    ("POST", "/queue/calendar-sync", {"userId": "{user}", "calendarId": "{connection}", "syncToken": "t"}),
    ("POST", "/api/tasks/{task}/calendar", {"start": "2030-01-01T00:00:00Z", "allDay": False, "durationMinutes": 5, "calendarId": "c"}),
    ("DELETE", "/api/tasks/{task}/calendar", {}),
]  # fmt: skip
# For the service key alone, or with a protection of their own.
OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/jobs/bulk", {"action": "cancel", "filter": {"type": "other", "status": "pending", "userId": "{user}", "before": "2030-01-01T00:00:00Z",
                                                           "after": "2030-01-01T00:00:00Z", "text": "t", "all": True}, "dryRun": True}),
    ("POST", "/queue/pause", {"jobType": "other"}),
    ("POST", "/queue/resume", {"jobType": "other"}),
    ("GET", "/schedules", {}),
    ("POST", "/schedules/nothing/run", {}),
    ("GET", "/queue/stats", {}),
    ("GET", "/api/queue/stats", {}),
    ("GET", "/queue/stale-stats?thresholdHours=24", {}),
    ("POST", "/queue/cleanup", {"staleThresholdHours": 24, "oldFailedJobsDays": 7, "dryRun": True}),
    ("GET", "/metrics", {}),
    ("GET", "/users?text=ada&limit=5", {}),
    ("GET", "/jobs?type=other&status=failed&userId={user}&after=2026-01-01T00:00:00Z&before=2030-01-01T00:00:00Z&text=t&limit=5", {}),
    ("GET", "/queue/figures?range=day&type=other", {}),
    ("GET", "/queue/failures?hours=24", {}),
    ("GET", "/queue/waiting", {}),
    ("GET", "/workers", {}),
    ("POST", "/workers/drain", {"worker": "nobody"}),
    ("POST", "/workers/resume", {"worker": "nobody"}),
    ("GET", "/mail?limit=5", {}),
    ("GET", "/mail/{mail}", {}),
]  # fmt: skip
PUBLIC = [
    ("GET", "/health", {}),
    ("GET", "/access", {}),
    ("GET", "/job-types", {}),
    ("GET", "/push/public-key", {}),
    ("GET", "/email/track/open/x", {}),
    ("GET", "/email/track/click/x?url=https://example.com", {}),
    ("GET", "/api/calendar/callback?state=s&code=c&error=e", {}),
    ("POST", "/api/webhooks/send-notification-email", {}),
    ("POST", "/api/webhooks/twilio/status", {}),
    ("POST", "/api/webhooks/twilio/inbound", {}),
    ("POST", "/api/webhooks/google-calendar", {}),
]
ODD: list[Any] = [None, -1, "x", "\x00", [{}], "2026-02-30"]
ROWS = {"project": "projects", "task": "tasks", "dump": "brain_dumps", "notification": "notifications", "connection": "calendar_connections",
        "message": "sms_messages", "mail": "emails"}  # fmt: skip

Call = Callable[..., TestResponse]


class Filled:
    """The API on a database with rows of two users in every table."""

    def __init__(self, app: Flask, ids: dict[str, str], ada: str, bob: str, owned: Callable[[], list[Any]]) -> None:
        self.app, self.ids, self.ada, self.bob, self.owned = app, ids, ada, bob, owned
        self.http: FlaskClient = app.test_client()

    def named(self, value: Any) -> Any:
        """A request with the ids of Ada's rows in it."""
        if isinstance(value, dict):
            return {key: self.named(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.named(part) for part in value]
        return re.sub(r"{(\w+)}", lambda found: self.ids[found[1]], value) if isinstance(value, str) else value

    def call(self, bearer: str | None, method: str, path: str, body: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if "import" in path:
            return self.http.open(path, method=method, data=b"BEGIN:VCALENDAR\nEND:VCALENDAR", content_type="text/calendar", headers=headers)
        return self.http.open(path, method=method, json=body or None, headers=headers)


@pytest.fixture(scope="module")
def filled(postgres_server, template_database) -> Iterator[Filled]:
    with servers.new_database(postgres_server, template_database) as database, sql_client(database) as sql:
        ada, bob = filling.fill(sql, ["ada@example.com", "bob@example.com"])
        tables = [name for name in filling.tables(sql) if filling.has_user(sql, name)]
        ids = {name: str(sql.value(f"select id from {table} where user_id = %s limit 1", ada)) for name, table in ROWS.items()}
        ids |= {"user": str(ada), "job": str(sql.value("select id from queue_jobs where user_id = %s limit 1", ada))}
        sql.run("update tasks set project_id = %s where id = %s", ids["project"], ids["task"])

        def owned() -> list[Any]:
            return [sql.values(f"select md5(t::text) from {name} t where user_id = %s order by 1", ada) for name in tables]

        keys = {"auth_mode": "jwt", "jwt_secret": SECRET, "service_key": KEY}
        settings = plain_settings(database_url=database.url, redis_url=NOBODY, **keys)
        yield Filled(create_app(build(settings, engine=database.engine)), ids, token(ada), token(bob), owned)


def test_every_endpoint_has_its_line(filled: Filled) -> None:
    known = {(method, re.sub(r"{\w+}|/(x|nothing|\d[\d-]+)(?=/|$)", lambda f: f"{'/' if f[0][0] == '/' else ''}<>", path.split("?")[0]))
             for method, path, _ in CASES + OTHERS + PUBLIC}  # fmt: skip
    assert known == {(each.method, re.sub(r"<\w+>", "<>", each.path)) for each in described_endpoints(filled.app)}


def test_what_is_somebodys_is_nobody_elses(filled: Filled) -> None:
    before, wrong = filled.owned(), []
    for method, path, body in filled.named(CASES):
        for bearer, expected in ((None, {401}), ("nonsense", {401}), (filled.bob, {403, 404})):
            answer = filled.call(bearer, method, path, body)
            refused = answer.status_code in expected
            if path == "/queue/bulk" and bearer == filled.bob:  # each job has an answer of its own
                refused = answer.json["results"] == [{"error": "Not your data", "code": "forbidden"}]
            if not refused:
                wrong.append((method, path, bearer, answer.status_code, answer.text[:200]))
    assert wrong == []
    assert filled.owned() == before


def test_operators_work_is_no_users(filled: Filled) -> None:
    for method, path, body in filled.named(OTHERS):
        found = [filled.call(bearer, method, path, body).status_code for bearer in (None, filled.ada, KEY)]
        assert found[:2] == [401, 403] and found[2] in (200, 404), (method, path, found)


def changed(body: Any, value: Any) -> Iterator[Any]:
    """The body with each of its values replaced in turn, inner ones too."""
    for key in body if isinstance(body, dict) else range(len(body)) if isinstance(body, list) else ():
        copy = deepcopy(body)
        copy[key] = value
        yield copy
        for inner in changed(body[key], value):
            copy = deepcopy(body)
            copy[key] = inner
            yield copy


def test_no_odd_value_is_a_500(filled: Filled) -> None:
    wrong, asked = [], 0
    for method, path, body in CASES + OTHERS + PUBLIC:
        bodies = [body, *(other for value in ODD for other in changed(body, value))]
        odd_parts = ("x", "%00", "2026-02-30", "9" * 40)
        paths = [path, *(re.sub(r"(?<==)[^&]*", odd, path) for odd in odd_parts if "?" in path)]
        paths += [re.sub(r"{\w+}|\d{4}-\d\d-\d\d", odd, path) for odd in odd_parts if re.search(r"{\w+}|\d{4}-", path)]
        for route, sent in [*((path, each) for each in bodies), *((each, body) for each in paths[1:])]:
            bearer = KEY if (method, path, body) in OTHERS else filled.ada
            with filled.call(bearer, method, filled.named(route), filled.named(sent)) as answer:
                asked += 1
                if answer.status_code >= 500 or b"Traceback" in answer.data or b"The database does not allow" in answer.data:
                    wrong.append((method, route, sent, answer.status_code, answer.data[:200]))
                elif answer.status_code >= 400 and not {"error", "code"} <= answer.json.keys() <= {"error", "code", "details"}:
                    wrong.append((method, route, sent, answer.text[:200]))
    assert wrong == [] and asked > 900
