"""The endpoints of notifications, preferences and subscriptions (CONTRACT 5, 10, 13)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.queue.reads import iso
from app.realtime.changes import last_place, read_changes
from app.web.app import TABLES, create_app
from app.wiring import build
from tests.integration.notifications.conftest import TASK, World
from tests.support.people import add_user
from tests.support.push_service import Browser
from tests.support.servers import plain_settings

CALM = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip
SECRET = "a secret of thirty-two characters!"
ENDPOINT = "https://push.example/send/abc"

WRONG_NOTIFICATIONS = [
    ({"channel": "fax"}, "channel"),
    ({"eventType": "birthday"}, "eventType"),
    ({"payload": {"taskId": "t"}}, "payload.taskTitle"),
    ({"payload": "x"}, "payload"),
    ({"payload": None}, "payload"),
    ({"metadata": {"correlationId": ""}}, "metadata.correlationId"),
    ({"metadata": {"urgent": "yes"}}, "metadata.urgent"),
]  # fmt: skip
WRONG_MAILS = [({"to": "a b@c"}, "to"), ({"subject": ""}, "subject"), ({"text": None}, "html"), ({"html": 3}, "html")]  # fmt: skip
WRONG_QUERIES = ["limit=0", "limit=x", "cursor=x", "unread=maybe"]  # fmt: skip
WRONG_SUBSCRIPTIONS = [
    *(({"endpoint": bad}, "endpoint") for bad in (
        "http://push.example/", "https://127.0.0.1/", "https://10.1.2.3/x", "https://[::1]/", "https://redis:6379/", "https://u:p@push.example/",
        "https://push.example/#f", "https://push.example:99999/", "https://[x", "ftp://push.example", "", "https://pü.example/",
    )),
    ({"keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}, "keys.p256dh"),
    ({"keys": {"p256dh": "B" * 87, "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}, "keys.p256dh"),
    ({"keys": {"p256dh": Browser("x").p256dh, "auth": "AAAA"}}, "keys.auth"),
    ({"keys": None}, "keys"), ({"expirationTime": "soon"}, "expirationTime"),
]  # fmt: skip
WRONG_PREFERENCES = [
    ("brief", {"is_active": "yes"}), ("brief", {"frequency": "hourly"}), ("brief", {"time_of_day": "25:00"}), ("brief", {"time_of_day": "9"}),
    ("brief", {"day_of_week": 7}), ("brief", {"day_of_week": "1"}), ("brief", {"email_enabled": 1}),
    ("sms", {"phone_number": "0171 5"}), ("sms", {"phone_verified": "true"}), ("sms", {"opted_out": 0}), ("sms", {"event_reminders_enabled": "on"}),
    ("sms", {"event_reminder_lead_time_minutes": 1441}), ("sms", {"daily_sms_limit": -1}), ("sms", {"quiet_hours_start": "24:00"}),
    ("sms", {"quiet_hours_end": 7}), ("sms", {"urgent_alerts": []}),
    ("notifications", {"push_enabled": "x"}), ("notifications", {"email_enabled": 1}), ("notifications", {"in_app_enabled": 1}),
    ("notifications", {"sms_enabled": 1}), ("notifications", {"do_not_disturb": "no"}), ("notifications", {"quiet_hours_start": "7pm"}),
    ("notifications", {"quiet_hours_end": "07:00Z"}), ("notifications", {"event_channels": {"birthday": []}}),
    ("notifications", {"event_channels": {"brief.completed": ["fax"]}}), ("notifications", {"event_channels": []}),
]  # fmt: skip


@pytest.fixture
def make_http(world: World, database, redis_url: str):
    def make(**more: Any) -> FlaskClient:
        values = {"database_url": database.url, "redis_url": redis_url} | more
        return create_app(build(plain_settings(**values), engine=world.engine, clock=world.clock)).test_client()

    return make


@pytest.fixture
def http(make_http) -> FlaskClient:
    return make_http()


def refused(answer: Any) -> str:
    """The field that a 400 names."""
    assert answer.status_code == 400, answer.text
    return answer.json["details"][0]["field"]


def bearer(user: UUID) -> dict[str, str]:
    token = jwt.encode({"sub": str(user), "aud": "authenticated", "exp": 4_000_000_000}, SECRET, "HS256")
    return {"Authorization": f"Bearer {token}"}


class TestQueueing:
    def body(self, world: World, **more: Any) -> dict[str, Any]:
        return {"userId": str(world.user), "channel": "push", "eventType": "task_completed", "payload": TASK} | more

    def test_a_notification_is_queued_and_can_be_followed(self, world: World, http: FlaskClient) -> None:
        answer = http.post("/queue/notification", json=self.body(world))
        assert answer.status_code == 200 and answer.json.keys() == {"success", "jobId", "correlationId"}
        [job] = world.jobs("send_notification")
        assert (job["queue_job_id"], job["priority"]) == (answer.json["jobId"], 5)
        assert job["metadata"] == {**self.body(world), "correlationId": answer.json["correlationId"]}

    def test_the_senders_own_metadata_stay_but_rule_nothing(self, world: World, http: FlaskClient) -> None:
        extras = {
            "correlationId": "corr-7",
            "source": "phases",
            "channel": "sms",
            "urgent": True,
            "retriedFrom": str(uuid4()),
        }
        answer = http.post("/queue/notification", json=self.body(world, metadata=extras))
        assert answer.json["correlationId"] == "corr-7"
        [job] = world.jobs("send_notification")
        expected = {**self.body(world), "correlationId": "corr-7", "source": "phases", "urgent": True}
        assert job["metadata"] == expected

    def test_what_is_wrong_is_named(self, world: World, http: FlaskClient) -> None:
        for wrong, field in WRONG_NOTIFICATIONS:
            assert refused(http.post("/queue/notification", json=self.body(world, **wrong))) == field, wrong
        assert world.jobs("send_notification") == []

    def test_an_unknown_user_is_404(self, world: World, http: FlaskClient) -> None:
        for unknown in (str(uuid4()), "nobody"):
            answer = http.post("/queue/notification", json=self.body(world, userId=unknown))
            assert (answer.status_code, answer.json["error"]) == (404, "User not found")

    def test_nobody_queues_for_somebody_else(self, world: World, make_http) -> None:
        http, eve = make_http(auth_mode="jwt", jwt_secret=SECRET), add_user(world.engine)
        assert http.post("/queue/notification", json=self.body(world)).status_code == 401
        assert http.post("/queue/notification", json=self.body(world), headers=bearer(eve)).status_code == 403
        assert http.post("/queue/notification", json=self.body(world), headers=bearer(world.user)).status_code == 200

    def test_a_mail_is_queued(self, world: World, http: FlaskClient) -> None:
        body = {"userId": str(world.user), "to": "bob@example.com", "subject": "Hi", "text": "Hello"}
        answer = http.post("/queue/email", json=body)
        [job] = world.jobs("send_email")
        assert (answer.status_code, answer.json["jobId"]) == (200, job["queue_job_id"])
        assert job["metadata"] == {**body, "correlationId": answer.json["correlationId"]}

    def test_a_mail_that_cannot_go_is_refused(self, world: World, http: FlaskClient) -> None:
        good = {"userId": str(world.user), "to": "bob@example.com", "subject": "Hi", "text": "Hello"}
        for wrong, field in WRONG_MAILS:
            assert refused(http.post("/queue/email", json=good | wrong)) == field, wrong

    def test_any_json_is_answered(self, world: World, http: FlaskClient) -> None:
        odd = st.sampled_from(
            [
                "",
                "\x00",
                "push",
                "in-app",
                "task_completed",
                str(world.user),
                "https://a.b/",
                0,
                True,
                None,
                [],
                {},
                1e308,
            ]
        )
        values = st.recursive(odd, lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=5)
        fields = ("channel", "eventType", "payload", "metadata", "to", "subject", "html", "endpoint", "keys", "expirationTime",
                  "brief", "sms", "notifications", "timezone", "subscription")  # fmt: skip

        @CALM
        @given(st.fixed_dictionaries({}, optional=dict.fromkeys(fields, values)), st.sampled_from(
            ["POST /queue/notification", "POST /queue/email", "POST /push/subscriptions", "DELETE /push/subscriptions", "PUT /users/{}/preferences"]
        ))  # fmt: skip
        def attempt(body: dict, which: str) -> None:
            method, path = which.format(world.user).split()
            answer = http.open(path, method=method, json={"userId": str(world.user), **body})
            assert answer.status_code < 500, answer.text

        attempt()


class TestReading:
    def test_pages_newest_first_until_the_last(self, world: World, http: FlaskClient) -> None:
        for number in range(5):
            world.run(world.job("in-app", "system.announcement", {"title": f"No {number}"}))
        seen, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = http.get(f"/users/{world.user}/notifications", query_string=query).json
            seen += [each["title"] for each in page["notifications"]]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        assert seen == [f"No {number}" for number in (4, 3, 2, 1, 0)] and page["unreadCount"] == 5

    def test_it_is_what_the_event_said_and_can_be_read_once(self, world: World, http: FlaskClient) -> None:
        world.run(world.job("in-app"))
        [(_, event)] = world.events()
        [shown] = http.get(f"/users/{world.user}/notifications").json["notifications"]
        assert shown == {**event, "readAt": None}
        first = http.post(f"/users/{world.user}/notifications/{shown['id']}/read")
        assert first.json == {"success": True, "id": shown["id"], "readAt": "2026-11-22T12:00:00Z"}
        assert http.post(f"/users/{world.user}/notifications/{shown['id']}/read").json == first.json
        unread = http.get(f"/users/{world.user}/notifications?unread=true").json
        assert (unread["notifications"], unread["unreadCount"]) == ([], 0)

    def test_open_pages_hear_of_what_was_read(self, world: World, http: FlaskClient) -> None:
        start = last_place(world.engine).position
        world.run(world.job("in-app"))
        shown = world.one("notifications")
        http.post(f"/users/{world.user}/notifications/{shown['id']}/read")
        told = [
            e
            for e in read_changes(world.engine, TABLES, [world.user], start).events
            if e.payload.get("table") == "notifications"
        ]
        assert told[-1].payload["new"] == {
            "id": str(shown["id"]), "user_id": str(world.user), "event_type": "task_completed", "title": shown["title"], "body": "",
            "url": shown["url"], "correlation_id": shown["correlation_id"], "read_at": "2026-11-22T12:00:00Z", "created_at": iso(shown["created_at"]),
        }  # fmt: skip

    def test_another_users_is_404(self, world: World, http: FlaskClient) -> None:
        world.run(world.job("in-app"))
        bob = add_user(world.engine)
        answer = http.post(f"/users/{bob}/notifications/{world.one('notifications')['id']}/read")
        assert (answer.status_code, answer.json["error"]) == (404, "Notification not found")
        assert http.post(f"/users/{world.user}/notifications/what/read").status_code == 404
        assert http.get(f"/users/{bob}/notifications").json["notifications"] == []

    def test_a_wrong_query_is_400(self, world: World, http: FlaskClient) -> None:
        for query in WRONG_QUERIES:
            assert refused(http.get(f"/users/{world.user}/notifications?{query}")) == query.partition("=")[0]


class TestSubscriptions:
    def test_a_browser_is_kept_once_and_forgotten(self, world: World, http: FlaskClient) -> None:
        browser = Browser(ENDPOINT)
        body = {"userId": str(world.user), **browser.as_json(), "expirationTime": 1_800_000_000_000}
        first = http.post("/push/subscriptions", json=body, headers={"User-Agent": "Fox/1"})
        assert first.json == {"success": True, "id": first.json["id"], "created": True}
        kept = world.one("push_subscriptions")
        assert (kept["endpoint"], kept["p256dh"], kept["auth"], kept["user_agent"]) == (
            ENDPOINT,
            browser.p256dh,
            browser.auth,
            "Fox/1",
        )
        assert kept["expires_at"].isoformat() == "2027-01-15T08:00:00+00:00"
        renewed = {"userId": str(world.user), "subscription": Browser(ENDPOINT).as_json()}
        assert http.post("/push/subscriptions", json=renewed).json == {**first.json, "created": False}
        gone = http.delete("/push/subscriptions", json={"userId": str(world.user), "endpoint": ENDPOINT})
        assert gone.json == {"success": True, "removed": True}
        assert http.delete("/push/subscriptions", json=body).json["removed"] is False

    def test_it_belongs_to_who_uses_the_browser_now_and_ten_are_kept(self, world: World, http: FlaskClient) -> None:
        bob = add_user(world.engine)
        for user in (world.user, bob):
            http.post("/push/subscriptions", json={"userId": str(user), **Browser(ENDPOINT).as_json()})
        assert world.one("push_subscriptions")["user_id"] == bob
        for number in range(11):
            http.post("/push/subscriptions", json={"userId": str(bob), **Browser(f"{ENDPOINT}{number}").as_json()})
        kept = [row["endpoint"] for row in world.rows("select endpoint from push_subscriptions order by created_at")]
        assert kept == [f"{ENDPOINT}{number}" for number in range(1, 11)]

    def test_what_cannot_be_pushed_to_is_refused(self, world: World, http: FlaskClient) -> None:
        good = {"userId": str(world.user), **Browser(ENDPOINT).as_json()}
        for wrong, field in WRONG_SUBSCRIPTIONS:
            assert refused(http.post("/push/subscriptions", json=good | wrong)) == field, wrong

    def test_a_token_says_whose_browser_it_is(self, world: World, make_http) -> None:
        http = make_http(auth_mode="jwt", jwt_secret=SECRET)
        browser = Browser(ENDPOINT).as_json()
        assert http.post("/push/subscriptions", json=browser, headers=bearer(world.user)).status_code == 200
        eve = add_user(world.engine)
        stolen = {"userId": str(world.user), "endpoint": ENDPOINT}
        assert http.delete("/push/subscriptions", json=stolen, headers=bearer(eve)).status_code == 403
        assert http.get("/push/public-key").json == {"publicKey": None}

    def test_without_a_token_the_user_is_named(self, http: FlaskClient) -> None:
        answer = http.post("/push/subscriptions", json=Browser(ENDPOINT).as_json())
        assert (answer.status_code, answer.json["error"]) == (400, "userId: is required")


class TestPreferences:
    def put(self, http: FlaskClient, world: World, **parts: Any) -> Any:
        return http.put(f"/users/{world.user}/preferences", json=parts)

    def test_without_a_choice_they_say_what_holds(self, world: World, http: FlaskClient) -> None:
        found = http.get(f"/users/{world.user}/preferences").json
        assert found == {
            "timezone": "Europe/Berlin",
            "brief": {"is_active": False, "frequency": "daily", "time_of_day": "09:00:00", "day_of_week": 1, "email_enabled": False},
            "sms": {
                "phone_number": None, "phone_verified": False, "opted_out": False, "event_reminders_enabled": False,
                "event_reminder_lead_time_minutes": 15, "daily_sms_limit": 10, "quiet_hours_start": None, "quiet_hours_end": None,
                "urgent_alerts": True,
            },
            "notifications": {
                "push_enabled": True, "email_enabled": True, "in_app_enabled": True, "sms_enabled": True, "do_not_disturb": False,
                "quiet_hours_start": None, "quiet_hours_end": None, "event_channels": {},
            },
        }  # fmt: skip
        assert world.rows("select from user_brief_preferences") == []

    def test_what_is_given_changes_and_the_rest_stays(self, world: World, http: FlaskClient) -> None:
        before = http.get(f"/users/{world.user}/preferences").json
        answer = self.put(
            http, world, brief={"time_of_day": "07:30"}, sms={"quiet_hours_start": "22:00", "quiet_hours_end": "07:00:30"},
            notifications={"event_channels": {"brief.completed": ["push"]}, "push_enabled": None},
        )  # fmt: skip
        before["brief"]["time_of_day"] = "07:30:00"
        before["sms"] |= {"quiet_hours_start": "22:00:00", "quiet_hours_end": "07:00:30"}
        before["notifications"]["event_channels"] = {"brief.completed": ["push"]}
        assert answer.json == before == http.get(f"/users/{world.user}/preferences").json
        assert self.put(http, world, sms={"quiet_hours_start": None}).json["sms"]["quiet_hours_start"] is None
        assert self.put(http, world, **before).json == before  # read, sent back: the same

    def test_everything_can_be_set_at_once(self, world: World, http: FlaskClient) -> None:
        wanted = {
            "timezone": "America/New_York",
            "brief": {"is_active": True, "frequency": "weekly", "time_of_day": "23:59:59", "day_of_week": 0, "email_enabled": True},
            "sms": {
                "phone_number": "+14155552671", "phone_verified": True, "opted_out": True, "event_reminders_enabled": True,
                "event_reminder_lead_time_minutes": 0, "daily_sms_limit": 0, "quiet_hours_start": "22:00:00", "quiet_hours_end": "07:00:00",
                "urgent_alerts": False,
            },
            "notifications": {
                "push_enabled": False, "email_enabled": False, "in_app_enabled": False, "sms_enabled": False, "do_not_disturb": True,
                "quiet_hours_start": "00:00:00", "quiet_hours_end": "01:00:00", "event_channels": {"task_completed": []},
            },
        }  # fmt: skip
        assert self.put(http, world, **wanted).json == wanted
        assert world.one("user_sms_preferences")["opted_out_at"] == world.clock.now()

    def test_each_value_is_checked(self, world: World, http: FlaskClient) -> None:
        for part, wrong in WRONG_PREFERENCES:
            field = refused(self.put(http, world, **{"brief": {"is_active": True}, part: wrong}))
            assert field.startswith(f"{part}.{next(iter(wrong))}"), wrong
        assert world.rows("select from user_brief_preferences") == []

    def test_a_wrong_zone_or_part_is_named(self, world: World, http: FlaskClient) -> None:
        assert self.put(http, world, timezone="Mars/Olympus").json["details"][0]["field"] == "timezone"
        assert self.put(http, world, sms="off").json["details"][0]["field"] == "sms"

    def test_queued_briefs_follow_at_once(self, world: World, http: FlaskClient) -> None:
        self.put(http, world, brief={"is_active": True, "time_of_day": "09:00"})
        with world.engine.begin() as conn:
            conn.exec_driver_sql(
                "select check_and_schedule_briefs(date_trunc('day', now()) + interval '7 hours 30 minutes')"
            )
        [queued] = world.jobs("generate_daily_brief")
        assert queued["status"] == "pending"
        self.put(http, world, brief={"is_active": False})
        assert world.jobs("generate_daily_brief")[0]["status"] == "cancelled"

    def test_another_number_is_not_a_verified_one(self, world: World, http: FlaskClient) -> None:
        self.put(http, world, sms={"phone_number": "+14155552671", "phone_verified": True})
        assert self.put(http, world, sms={"daily_sms_limit": 3}).json["sms"]["phone_verified"] is True
        assert self.put(http, world, sms={"phone_number": "+14155552672"}).json["sms"]["phone_verified"] is False

    def test_users_change_their_own_and_verify_no_number_themselves(self, world: World, make_http) -> None:
        http, eve = (
            make_http(auth_mode="jwt", jwt_secret=SECRET, service_key="a service key that is long"),
            add_user(world.engine),
        )
        path = f"/users/{world.user}/preferences"
        assert (
            http.get(path, headers=bearer(eve)).status_code
            == http.put(path, json={}, headers=bearer(eve)).status_code
            == 403
        )
        own = bearer(world.user)
        assert http.put(path, json={"sms": {"phone_number": "+14155552671"}}, headers=own).status_code == 200
        assert http.put(path, json={"sms": {"phone_verified": True}}, headers=own).status_code == 403
        key = {"Authorization": "Bearer a service key that is long"}
        verified = http.put(path, json={"sms": {"phone_verified": True}}, headers=key).json
        assert verified["sms"]["phone_verified"] is True
        changed = {**verified, "sms": {**verified["sms"], "phone_number": "+14155552672"}}
        assert http.put(path, json=changed, headers=own).json["sms"]["phone_verified"] is False
