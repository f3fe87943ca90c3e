"""The pixel, the links and the webhook, over HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from app.features.email.signing import sign
from app.features.email.tracking import KEPT_EVENTS
from app.web.app import create_app
from app.wiring import build
from tests.integration.email.conftest import NOW, World
from tests.support.servers import plain_settings

LINK = "https://board.example/?a=1&b=2"
WEBHOOK = "/api/webhooks/send-notification-email"
STAMP = "2026-11-22T07:00:00.000Z"


@pytest.fixture
def http(world: World, database, redis_url: str) -> FlaskClient:
    settings = plain_settings(
        database_url=database.url,
        redis_url=redis_url,
        private_buildos_webhook_secret="hush",
        email_from="b@example.com",
    )
    return create_app(build(settings, engine=world.engine, clock=world.clock)).test_client()


@pytest.fixture
def tracking_id(world: World) -> str:
    """Of a brief's email that was sent."""
    world.service().send_brief(world.claimed(world.job()))
    return world.one("emails")["tracking_id"]


class TestOpening:
    def test_is_recorded_and_answered_with_a_picture_that_nobody_keeps(
        self, world: World, http: FlaskClient, tracking_id: str
    ) -> None:
        for _ in range(2):
            answer = http.get(f"/email/track/open/{tracking_id}", headers={"User-Agent": "Mail/1.0"})
            assert answer.status_code == 200 and answer.mimetype == "image/gif"
            assert answer.data[:6] == b"GIF89a" and answer.data[6:10] == b"\x01\x00\x01\x00"
            assert "no-store" in answer.headers["Cache-Control"]
        recipient = world.one("email_recipients")
        assert (recipient["open_count"], recipient["opened_at"], recipient["click_count"]) == (2, NOW, 0)
        events = world.rows("select * from email_tracking_events")
        assert [(e["event_type"], e["recipient_id"], e["user_agent"], e["ip_address"]) for e in events] == [
            ("opened", recipient["id"], "Mail/1.0", "127.0.0.1")
        ] * 2

    @pytest.mark.parametrize("unknown", ["nobody", "a" * 5000, "%00", "..", "%F0%9F%90%98", "'; drop table emails"])
    def test_an_unknown_mail_is_the_same_picture(self, world: World, http: FlaskClient, unknown: str) -> None:
        answer = http.get(f"/email/track/open/{unknown}")
        assert (answer.status_code, answer.mimetype) == (200, "image/gif")
        assert world.rows("select from email_tracking_events") == []

    def test_the_picture_comes_also_when_the_database_does_not(
        self, world: World, http: FlaskClient, tracking_id: str
    ) -> None:
        world.run_sql("alter table email_recipients rename to elsewhere")
        assert http.get(f"/email/track/open/{tracking_id}").mimetype == "image/gif"

    def test_a_machine_that_only_looks_is_not_counted(self, world: World, http: FlaskClient, tracking_id: str) -> None:
        assert http.head(f"/email/track/open/{tracking_id}").status_code == 200
        assert world.one("email_recipients")["open_count"] == 0

    def test_nobody_can_fill_the_table(self, world: World, http: FlaskClient, tracking_id: str) -> None:
        world.run_sql("update email_recipients set open_count = :n", n=KEPT_EVENTS)
        http.get(f"/email/track/open/{tracking_id}")
        assert world.one("email_recipients")["open_count"] == KEPT_EVENTS + 1
        assert world.rows("select from email_tracking_events") == []


class TestClicking:
    def test_is_recorded_and_leads_on(self, world: World, http: FlaskClient, tracking_id: str) -> None:
        answer = http.get(f"/email/track/click/{tracking_id}", query_string={"url": LINK})
        assert (answer.status_code, answer.headers["Location"]) == (302, LINK)
        recipient = world.one("email_recipients")
        assert (recipient["click_count"], recipient["clicked_at"], recipient["open_count"]) == (1, NOW, 0)
        event = world.one("email_tracking_events")
        assert (event["event_type"], event["clicked_url"]) == ("clicked", LINK)

    def test_the_links_in_the_mail_work_as_they_stand_there(
        self, world: World, http: FlaskClient, tracking_id: str
    ) -> None:
        html = world.mail.gone[0].html
        wrapped = html.split('href="https://jobs.example.com', 1)[1].split('"', 1)[0]
        assert http.get(wrapped).headers["Location"] == LINK

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/",
            "https://board.example/",
            LINK + "&c=3",
            LINK.upper(),
            "javascript:alert(1)",
            "//evil.example",
            "",
            "a\x00b",
        ],
    )
    def test_leads_nowhere_else(self, world: World, http: FlaskClient, tracking_id: str, url: str) -> None:
        answer = http.get(f"/email/track/click/{tracking_id}", query_string={"url": url})
        assert answer.status_code == 400 and "Location" not in answer.headers
        assert world.rows("select from email_tracking_events") == []

    def test_another_mails_links_are_not_this_ones(self, world: World, http: FlaskClient, tracking_id: str) -> None:
        other = world.add("emails", subject="s", tracking_id="other")
        world.add("email_links", email_id=other, url="https://other.example/")
        assert http.get(f"/email/track/click/{tracking_id}?url=https://other.example/").status_code == 400
        assert http.get(f"/email/track/click/other?url={LINK}").status_code == 400
        assert http.get("/email/track/click/nobody?url=https://other.example/").status_code == 400

    def test_without_a_url(self, http: FlaskClient, tracking_id: str) -> None:
        answer = http.get(f"/email/track/click/{tracking_id}")
        assert answer.status_code == 400 and answer.json["error"] == "url: is required"


class Webhook:
    """The web app, calling."""

    def __init__(self, http: FlaskClient, world: World) -> None:
        self._http = http
        self.body = {
            "recipientEmail": "ada@example.com", "recipientUserId": str(world.user), "subject": "Hi <there>",
            "htmlContent": "<p>x</p><script>y</script>", "textContent": "x", "deliveryId": "d1", "eventId": "e1",
        }  # fmt: skip

    def call(self, *, bearer: str | None = "Bearer hush", signed: dict[str, str] | bool = False, **changes: Any):
        raw = json.dumps({**self.body, **changes}).encode()
        headers = {"Authorization": bearer} if bearer else {}
        if signed is True:
            signed = {"X-Webhook-Timestamp": STAMP, "X-Webhook-Signature": sign("hush", STAMP, raw)}
        return self._http.post(
            WEBHOOK, data=raw, content_type="application/json", headers={**headers, **(signed or {})}
        )


@pytest.fixture
def webhook(http: FlaskClient, world: World) -> Webhook:
    return Webhook(http, world)


class TestHandingOver:
    def test_becomes_a_job_whose_mail_has_the_id_that_was_answered(self, world: World, webhook: Webhook) -> None:
        answer = webhook.call()
        assert answer.status_code == 200 and answer.json["success"] is True
        job = world.one("queue_jobs")
        assert (job["job_type"], job["status"], job["user_id"]) == ("send_notification_email", "pending", world.user)
        world.service().send_notification(world.claimed(job["id"]))
        (mail,) = world.own_mail.gone
        assert mail.message_id == answer.json["messageId"] and world.mail.gone == []  # never back to the web app
        assert (mail.subject, mail.text, mail.event_id) == ("Hi <there>", "x", "e1") and "script" not in mail.html

    def test_the_same_delivery_is_sent_once(self, world: World, webhook: Webhook) -> None:
        first, second = webhook.call(), webhook.call(subject="changed")
        assert first.json["messageId"] == second.json["messageId"]
        assert (first.json["deduplicated"], second.json["deduplicated"]) == (False, True)
        assert len(world.rows("select from queue_jobs")) == 1
        assert webhook.call(deliveryId="d2").json["messageId"] != first.json["messageId"]

    @pytest.mark.parametrize(
        "bearer", [None, "", "Bearer", "Bearer wrong", "Bearer hush ush", "Basic hush", "Bearer é"]
    )
    def test_only_with_the_secret(self, world: World, webhook: Webhook, bearer: str | None) -> None:
        answer = webhook.call(bearer=bearer)
        assert (answer.status_code, answer.json["error"]) == (401, "Unauthorized")
        assert world.rows("select from queue_jobs") == []

    def test_without_a_secret_of_ours_nobody_gets_in(self, world: World, database, redis_url: str) -> None:
        settings = plain_settings(database_url=database.url, redis_url=redis_url)
        http = create_app(build(settings, engine=world.engine, clock=world.clock)).test_client()
        assert Webhook(http, world).call(bearer="Bearer ").status_code == 401

    def test_a_signature_works_once(self, world: World, webhook: Webhook) -> None:
        assert webhook.call(signed=True).status_code == 200
        assert webhook.call(signed=True).status_code == 401
        assert webhook.call(deliveryId="d2", signed=True).status_code == 200

    def test_signatures_are_kept_no_longer_than_they_could_be_used(self, world: World, webhook: Webhook) -> None:
        webhook.call(signed=True)
        world.clock.time = NOW + timedelta(minutes=12)
        stamp = "2026-11-22T07:12:00.000Z"
        raw = json.dumps({**webhook.body, "deliveryId": "d9"}).encode()
        signed = {"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": sign("hush", stamp, raw)}
        assert webhook.call(deliveryId="d9", signed=signed).status_code == 200
        assert [row["signature"] for row in world.rows("select signature from webhook_signatures")] == [
            signed["X-Webhook-Signature"]
        ]

    @pytest.mark.parametrize("late", [timedelta(minutes=6), timedelta(minutes=-6)])
    def test_a_stale_signature_is_none(self, world: World, webhook: Webhook, late: timedelta) -> None:
        world.clock.time = NOW + late
        assert webhook.call(signed=True).status_code == 401

    @pytest.mark.parametrize(
        "signed",
        [{"X-Webhook-Signature": "0" * 64, "X-Webhook-Timestamp": STAMP}, {"X-Webhook-Timestamp": STAMP}, {"X-Webhook-Signature": "0" * 64},
         {"X-Webhook-Signature": "", "X-Webhook-Timestamp": ""}, {"X-Webhook-Signature": "é", "X-Webhook-Timestamp": "é"}],
    )  # fmt: skip
    def test_signature_headers_that_are_sent_must_be_right(self, webhook: Webhook, signed: dict[str, str]) -> None:
        assert webhook.call(signed=signed).status_code == 401

    @pytest.mark.parametrize(
        ("change", "status", "named"),
        [({"recipientEmail": "nobody"}, 400, "recipientEmail"), ({"recipientEmail": 3}, 400, "recipientEmail"), ({"subject": None}, 400, "subject"),
         ({"htmlContent": None, "textContent": ""}, 400, "htmlContent"), ({"recipientUserId": 1}, 400, "recipientUserId"),
         ({"recipientUserId": "x"}, 404, "User not found"), ({"recipientUserId": str(uuid4())}, 404, "User not found"),
         ({"textContent": "a\x00b"}, 400, "textContent")],
    )  # fmt: skip
    def test_what_is_wrong_is_named(
        self, world: World, webhook: Webhook, change: dict[str, Any], status: int, named: str
    ) -> None:
        answer = webhook.call(**change)
        assert answer.status_code == status and named in answer.json["error"]
        assert world.rows("select from queue_jobs") == []

    def test_a_stranger_learns_nothing_about_the_body(self, webhook: Webhook) -> None:
        assert webhook.call(bearer=None, recipientEmail=3).status_code == 401


def test_both_webhooks_understand_each_other(world: World, webhook: Webhook, http: FlaskClient) -> None:
    """What our worker posts, our own endpoint takes."""
    from app.adapters.mail_webhook import WebhookMail
    from tests.integration.email.test_mail_adapters import MESSAGE, nothing
    from tests.support.mail_servers import webhook_receiver

    with webhook_receiver() as receiver:
        settings = plain_settings(
            use_webhook_email=True, buildos_webhook_url=receiver.url, private_buildos_webhook_secret="hush"
        )
        WebhookMail(settings, clock=world.clock).send(MESSAGE, nothing)
    (call,) = receiver.calls
    body = call.body.replace(str(MESSAGE.user_id).encode(), str(world.user).encode())
    headers = {name: call.headers[name] for name in ("authorization", "x-webhook-timestamp", "content-type")}
    signature = sign("hush", headers["x-webhook-timestamp"], body)
    answer = http.post(call.path, data=body, headers={**headers, "X-Webhook-Signature": signature})
    assert answer.status_code == 200, answer.json
    assert call.headers["x-webhook-signature"] == sign("hush", headers["x-webhook-timestamp"], call.body)
