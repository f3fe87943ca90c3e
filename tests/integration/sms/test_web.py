"""/sms/scheduled, /queue/sms, and what Twilio tells us, over HTTP (CONTRACT 5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from app.features.sms.reads import messages_by_id
from app.web.app import create_app
from app.wiring import build
from tests.integration.sms.conftest import HERE, NOW, NUMBER, World
from tests.integration.web.test_fuzz import CALM, VALUES, check
from tests.support.servers import plain_settings
from tests.support.twilio_server import TOKEN

FIELDS = ("MessageSid", "MessageStatus", "ErrorCode", "From", "Body", "OptOutType")
STATUS, INBOUND = "/api/webhooks/twilio/status", "/api/webhooks/twilio/inbound"


@pytest.fixture
def http(world: World, database, redis_url: str) -> FlaskClient:
    settings = plain_settings(database_url=database.url, redis_url=redis_url, **world.twilio.settings(public_url=HERE))
    return create_app(build(settings, engine=world.engine, clock=world.clock)).test_client()


def told(http: FlaskClient, path: str, signature: str | None = None, **form: str) -> Any:
    """Post a form as Twilio does: signed for the address that the outside sees."""
    signature = signature or RequestValidator(TOKEN).compute_signature(HERE + path, form)
    return http.post(path, data=form, headers={"X-Twilio-Signature": signature})


def status(http: FlaskClient, sid: str, word: str, path: str = STATUS, **form: str) -> None:
    answer = told(http, path, MessageSid=sid, MessageStatus=word, **form)
    assert (answer.status_code, answer.json) == (200, {"success": True})


class TestStatus:
    @pytest.fixture
    def sid(self, world: World) -> str:
        return world.send()

    def test_what_is_delivered_is_noted(self, world: World, http: FlaskClient, sid: str) -> None:
        for word in ("queued", "sent", "delivered"):
            status(http, sid, word)
        message = world.message()
        assert (message["status"], message["twilio_status"], message["delivered_at"]) == ("delivered", "delivered", NOW)
        assert world.waiting() == []

    def test_late_and_repeated_words_change_nothing(self, world: World, http: FlaskClient, sid: str) -> None:
        status(http, sid, "delivered")
        before = world.message()
        for word in ("sent", "queued", "delivered", "failed", "undelivered", "nonsense", ""):
            status(http, sid, word)
            assert world.message() == before, word
        assert world.waiting() == []

    @pytest.mark.parametrize("word", ["failed", "undelivered"])
    def test_what_was_not_delivered_goes_again_while_a_copy_is_left(
        self, world: World, http: FlaskClient, sid: str, word: str
    ) -> None:
        for copy, minutes in ((1, 2), (2, 4)):
            for _ in range(2):
                status(http, sid, word, ErrorCode="30003")
            (retry,) = world.waiting()
            message = world.message()
            assert retry["scheduled_for"] == NOW + timedelta(minutes=minutes)
            assert (retry["metadata"]["retry_attempt"], retry["metadata"]["message_id"]) == (copy, str(message["id"]))
            assert (message["status"], message["twilio_status"], message["error_code"]) == ("pending", word, "30003")
            old, sid = sid, world.send(retry["id"])
            assert sid.startswith("SM") and sid != old
            status(http, old, "delivered")  # too late, and of another copy
            assert world.message()["status"] == "sent"
        status(http, sid, word)
        assert world.waiting() == [] and world.message()["status"] == word
        assert (len(world.twilio.messages), world.message()["attempt_count"]) == (3, 3)

    def test_who_has_unsubscribed_gets_no_further_copy(self, world: World, http: FlaskClient, sid: str) -> None:
        status(http, sid, "failed", ErrorCode="21610")
        assert world.waiting() == []
        assert world.rows("select opted_out from user_sms_preferences") == [{"opted_out": True}]

    def test_a_word_that_is_faster_than_the_answer_settles_the_copy(self, world: World, http: FlaskClient) -> None:
        job = world.job()
        world.twilio.answers.append("silence")
        world.send(job)
        (copy,) = world.rows("select id from sms_delivery")
        path = world.twilio.messages[0].callback.removeprefix(HERE)
        assert str(copy["id"]) in path
        sid = world.twilio.messages[0].sid
        status(http, sid, "delivered", path=path)
        assert (world.message()["status"], world.message()["twilio_sid"], world.copies()) == (
            "delivered",
            sid,
            ["sent"],
        )
        assert world.service.send(world.again(job)).messageSid == sid
        assert len(world.twilio.messages) == 1

    def test_a_late_word_of_an_older_copy_does_not_touch_the_latest(self, world: World, http: FlaskClient) -> None:
        job = world.job()
        world.twilio.answers.append("lost")  # or so it seemed
        world.send(job)
        (first,) = world.rows("select id from sms_delivery")
        sid = world.service.send(world.again(job)).messageSid
        status(http, sid, "delivered")
        status(http, "SM99", "sent", path=f"{STATUS}?delivery={first['id']}")
        status(http, "", "sent", path=f"{STATUS}?delivery={first['id']}")
        assert (world.message()["status"], world.message()["twilio_sid"]) == ("delivered", sid)
        assert (world.copies(), world.message()["attempt_count"]) == (["sent", "sent"], 2)

    def test_a_message_of_another_programs_is_known_by_its_sid(self, world: World, http: FlaskClient) -> None:
        world.add("sms_messages", phone_number=NUMBER, message_content="Hi", status="sent", twilio_sid="SM77")
        status(http, "SM77", "undelivered")
        (retry,) = world.waiting()
        assert (retry["metadata"]["retry_attempt"], retry["metadata"]["message"]) == (1, "Hi")

    def test_a_message_nobody_knows_is_none_of_ours(self, world: World, http: FlaskClient) -> None:
        status(http, "SM404", "failed")
        status(http, "SM404", "failed", path=f"{STATUS}?delivery={uuid4()}")
        status(http, "\x00", "failed", path=f"{STATUS}?delivery=x")
        assert world.waiting() == []

    @pytest.mark.parametrize("path", [STATUS, INBOUND], ids=["status", "inbound"])
    def test_only_twilio_may_tell(self, world: World, http: FlaskClient, path: str) -> None:
        form = {"MessageSid": "SM1", "MessageStatus": "failed", "From": NUMBER, "Body": "STOP"}
        right = RequestValidator(TOKEN).compute_signature(HERE + path, form)
        for signature in (
            "",
            "x",
            "ümläut",
            right[:-1],
            RequestValidator("other").compute_signature(HERE + path, form),
        ):
            answer = http.post(path, data=form, headers={"X-Twilio-Signature": signature.encode().decode("latin-1")})
            assert (answer.status_code, answer.json["error"]) == (401, "Invalid signature")
        assert http.post(path, data=form).status_code == 401
        assert http.post(f"{path}?a=b", data=form, headers={"X-Twilio-Signature": right}).status_code == 401
        assert http.post(path, data={**form, "Body": "START"}, headers={"X-Twilio-Signature": right}).status_code == 401
        assert http.post(path, data=form, headers={"X-Twilio-Signature": right}).status_code == 200

    def test_without_a_token_nobody_may(self, world: World, database, redis_url: str) -> None:
        settings = plain_settings(database_url=database.url, redis_url=redis_url)
        closed = create_app(build(settings, engine=world.engine)).test_client()
        empty = RequestValidator("").compute_signature("http://localhost" + STATUS, {})
        assert closed.post(STATUS, headers={"X-Twilio-Signature": empty}).status_code == 401


class TestInbound:
    def test_stop_and_start(self, world: World, http: FlaskClient) -> None:
        other = world.add("users", email="bob@example.com")
        world.add("user_sms_preferences", user_id=other, phone_number="+14155550000")
        rows = "select opted_out, opted_out_at from user_sms_preferences order by opted_out"
        for stop, start in (("STOP", "START"), (" stop. ", "unstop"), ("Unsubscribe", "Yes"), ("QUIT", "start")):
            answer = told(http, INBOUND, From=NUMBER, Body=stop, MessageSid="SM1")
            assert (answer.status_code, answer.mimetype) == (200, "text/xml")
            assert [tuple(row.values()) for row in world.rows(rows)] == [(False, None), (True, NOW)], stop
            assert world.send() == "no: the user has opted out of text messages"
            told(http, INBOUND, From=NUMBER, Body=start, MessageSid="SM2")
            assert [tuple(row.values()) for row in world.rows(rows)] == [(False, None), (False, None)], start

    def test_other_words_change_nothing(self, world: World, http: FlaskClient) -> None:
        for body in ("please do not stop", "HELP", "", "stopwatch"):
            assert told(http, INBOUND, From=NUMBER, Body=body).status_code == 200
        assert world.rows("select opted_out from user_sms_preferences") == [{"opted_out": False}]


class TestScheduled:
    def test_shows_who_is_reminded_and_how(self, world: World, http: FlaskClient) -> None:
        world.change("user_sms_preferences", quiet_hours_start=time(22), quiet_hours_end=time(8, 0, 30))
        shown = http.get(f"/sms/scheduled?userId={world.user}").json
        assert shown["schedule"] == http.get("/sms/scheduled").json["schedule"]
        (row,) = shown["schedule"]
        assert {"userId": str(world.user), "phone_number": NUMBER, "enabled": True, "lead_time_minutes": 15,
                "quiet_hours_start": "22:00", "quiet_hours_end": "08:00:30"}.items() <= row.items()  # fmt: skip

    def test_changes_take_effect_at_once(self, world: World, http: FlaskClient) -> None:
        world.event()
        world.plan()
        body = {"userId": str(world.user), "lead_time_minutes": 30}
        assert http.post("/sms/scheduled", json=body).json == {"success": True, "updated": True}
        assert http.post("/sms/scheduled", json=body).json == {"success": True, "updated": False}
        assert world.waiting()[0]["scheduled_for"] == NOW + timedelta(minutes=90)
        assert http.post("/sms/scheduled", json={**body, "enabled": False}).json["updated"] is True
        assert world.waiting() == []

    def test_a_new_number_has_to_be_verified(self, world: World, http: FlaskClient) -> None:
        http.post("/sms/scheduled", json={"userId": str(world.user), "phone_number": NUMBER})
        assert world.rows("select phone_verified from user_sms_preferences") == [{"phone_verified": True}]
        http.post("/sms/scheduled", json={"userId": str(world.user), "phone_number": "+14155550000"})
        assert world.rows("select phone_verified from user_sms_preferences") == [{"phone_verified": False}]

    def test_a_user_without_preferences_gets_them(self, world: World, http: FlaskClient) -> None:
        user = world.add("users", email="bob@example.com")
        assert http.get(f"/sms/scheduled?userId={user}").json["schedule"] == []
        assert http.post("/sms/scheduled", json={"userId": str(user), "enabled": True}).json["updated"] is True
        assert http.get(f"/sms/scheduled?userId={user}").json["schedule"][0]["enabled"] is True

    def test_names_the_field_that_is_wrong(self, world: World, http: FlaskClient) -> None:
        for name, wrong in (
            ("lead_time_minutes", -1), ("lead_time_minutes", "15"), ("quiet_hours_start", "24:00"), ("quiet_hours_end", 8),
            ("enabled", "yes"), ("phone_number", "0415"), ("daily_sms_limit", 10**12),
        ):  # fmt: skip
            answer = http.post("/sms/scheduled", json={"userId": str(world.user), name: wrong})
            assert answer.status_code == 400 and answer.json["error"].startswith(name)

    def test_unknown_users_are_not_found(self, http: FlaskClient) -> None:
        for user in (str(uuid4()), "nobody"):
            assert http.get(f"/sms/scheduled?userId={user}").status_code == 404
            assert http.post("/sms/scheduled", json={"userId": user}).status_code == 404
        assert http.get("/sms/scheduled?cursor=x").status_code == 400


class TestQueueSms:
    def test_queues_a_message(self, world: World, http: FlaskClient) -> None:
        body = {"userId": str(world.user), "phone_number": NUMBER, "message": "Hello"}
        answer = http.post("/queue/sms", json=body)
        urgent = http.post("/queue/sms", json={**body, "urgent": True, "scheduledFor": "2031-01-01T00:00:00Z"})
        first, second = world.waiting()
        assert (answer.json, urgent.json["jobId"]) == (
            {"success": True, "jobId": first["queue_job_id"]}, second["queue_job_id"],
        )  # fmt: skip
        assert (first["priority"], second["priority"], first["metadata"]) == (10, 5, body)
        assert world.send(first["id"]).startswith("SM")

    def test_sends_a_message_again_that_is_the_users_own(self, world: World, http: FlaskClient) -> None:
        world.twilio.answers.append(400)
        world.send()
        message = world.message()
        body = {"userId": str(world.user), "phone_number": NUMBER, "message": "Hello", "message_id": str(message["id"])}
        assert http.post("/queue/sms", json={**body, "retry_attempt": 1}).status_code == 200
        (job,) = world.waiting()
        assert world.send(job["id"]).startswith("SM")
        assert (world.message()["id"], world.message()["status"]) == (message["id"], "sent")
        for unknown in (str(uuid4()), "none", ""):
            answer = http.post("/queue/sms", json={**body, "message_id": unknown})
            assert (answer.status_code, answer.json["error"]) == (404, "Message not found")

    def test_refuses_what_cannot_be_sent(self, world: World, http: FlaskClient) -> None:
        body = {"userId": str(world.user), "phone_number": NUMBER, "message": "Hello"}
        for bad in ({"phone_number": "123"}, {"message": ""}, {"message": "x" * 1601}, {"phone_number": None}):
            answer = http.post("/queue/sms", json={**body, **bad})
            assert answer.status_code == 400 and answer.json["error"].startswith(next(iter(bad)))
        assert http.post("/queue/sms", json={**body, "userId": str(uuid4())}).status_code == 404


def test_a_token_reaches_its_own_user_alone(world: World, database, redis_url: str) -> None:
    keys = {"auth_mode": "jwt", "jwt_secret": "a secret of thirty-two characters!", "service_key": "the service key"}
    settings = plain_settings(database_url=database.url, redis_url=redis_url, **keys)
    http = create_app(build(settings, engine=world.engine)).test_client()
    claims = {"sub": str(world.user), "aud": "authenticated", "exp": datetime.now(UTC) + timedelta(hours=1)}
    own = {"Authorization": f"Bearer {jwt.encode(claims, keys['jwt_secret'], algorithm='HS256')}"}
    service = {"Authorization": "Bearer the service key"}
    bob = world.add("users", email="bob@example.com")
    sms = {"phone_number": NUMBER, "message": "Hello"}
    for user, headers, expected in ((world.user, own, 200), (bob, own, 403), (bob, service, 200), (bob, {}, 401)):
        assert http.get(f"/sms/scheduled?userId={user}", headers=headers).status_code == expected
        assert http.post("/sms/scheduled", json={"userId": str(user)}, headers=headers).status_code == expected
        assert http.post("/queue/sms", json={"userId": str(user), **sms}, headers=headers).status_code == expected
    assert [http.get("/sms/scheduled", headers=who).status_code for who in (own, service, {})] == [403, 200, 401]


def test_no_input_gives_a_500(world: World, http: FlaskClient) -> None:
    keys = st.sampled_from(
        ["userId", "phone_number", "message", "quiet_hours_start", "scheduledFor", "enabled", "lead_time_minutes"]
    )

    @CALM
    @given(st.sampled_from(["/sms/scheduled", "/queue/sms"]), st.dictionaries(keys, VALUES), st.booleans())
    def ask(path: str, body: dict[str, Any], real: bool) -> None:
        check(http.post(path, json={**body, "userId": str(world.user)} if real else body))

    @CALM
    @given(st.sampled_from([STATUS, INBOUND]), st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20)))
    def tell(path: str, form: dict[str, str]) -> None:
        answer = told(http, path, **form)
        assert answer.status_code == 200, answer.text

    ask()
    tell()


def test_browsers_hear_of_a_message(world: World) -> None:
    world.send()
    changes = world.rows("select op, row_id from row_events where table_name = 'sms_messages' order by id")
    assert changes[0] == {"op": "INSERT", "row_id": world.message()["id"]} and {row["op"] for row in changes[1:]} == {
        "UPDATE"
    }
    with world.engine.connect() as conn:
        (shown,) = messages_by_id(conn, [world.message()["id"]]).values()
    assert (shown["status"], shown["message_content"], shown["sent_at"]) == (
        "sent",
        "Hello Ada",
        "2030-01-15T12:00:00Z",
    )
    json.dumps(shown)
