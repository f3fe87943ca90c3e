"""The webhook: what it signs, when it tries again, where it does not go. And the outbox: what lies there."""

from __future__ import annotations

import hashlib
import hmac
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.mail_outbox import Outbox
from app.adapters.mail_webhook import WebhookMail
from app.adapters.safe_http import ForbiddenTarget, NoReply, post
from app.ports.mail import MailDeferred, MailRefused, MailUnknown
from app.settings import Settings, SettingsError
from tests.integration.email.test_mail_adapters import MESSAGE, nothing
from tests.support.clock import FixedClock
from tests.support.mail_servers import Receiver, make_certificate, webhook_receiver
from tests.support.servers import plain_settings

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def settings_for(url: str, **more: object) -> Settings:
    return plain_settings(
        use_webhook_email=True, buildos_webhook_url=url, private_buildos_webhook_secret="hush", **more
    )


def mail_to(receiver: Receiver, pauses: list[float], **options: object) -> WebhookMail:
    return WebhookMail(settings_for(receiver.url), clock=FixedClock(NOW), sleep=pauses.append, **options)


def test_a_call_carries_secret_signature_and_everything_the_receiver_needs() -> None:
    with webhook_receiver() as receiver:
        assert mail_to(receiver, []).send(replace(MESSAGE, event_id="e1"), nothing) == f"<there-{MESSAGE.delivery_id}>"
    (call,) = receiver.calls
    assert call.path == "/api/webhooks/send-notification-email"
    assert call.headers["authorization"] == "Bearer hush"
    assert call.headers["x-source"] == "daily-brief-worker"
    assert call.headers["x-webhook-timestamp"] == "2026-11-22T07:00:00.000Z"
    signed = hmac.new(b"hush", b"2026-11-22T07:00:00.000Z." + call.body, hashlib.sha256).hexdigest()
    assert call.headers["x-webhook-signature"] == signed
    assert call.json == {
        "recipientEmail": MESSAGE.to, "recipientUserId": str(MESSAGE.user_id), "subject": MESSAGE.subject,
        "htmlContent": MESSAGE.html, "textContent": MESSAGE.text, "deliveryId": MESSAGE.delivery_id, "eventId": "e1",
    }  # fmt: skip


def test_an_endpoint_of_its_own_is_posted_to_as_it_is() -> None:
    with webhook_receiver() as receiver:
        WebhookMail(settings_for(f"{receiver.url}/hooks/mail?x=1")).send(MESSAGE, nothing)
    assert receiver.calls[0].path == "/hooks/mail?x=1"


def test_three_retries_and_no_more() -> None:
    pauses: list[float] = []
    with webhook_receiver() as receiver, pytest.raises(MailDeferred, match="503"):
        receiver.answers = [503]
        mail_to(receiver, pauses).send(MESSAGE, nothing)
    assert len(receiver.calls) == 4 and pauses == [1.0, 2.0, 4.0]


def test_the_last_retry_counts_and_nothing_is_doubled() -> None:
    with webhook_receiver() as receiver:
        receiver.answers = [500, "accept and fall silent", 502, 200]
        mail_to(receiver, []).send(MESSAGE, nothing)
    assert len(receiver.calls) == 4 and len(receiver.sent) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302, 307])
def test_a_refusal_is_not_tried_again_and_a_redirect_not_followed(status: int) -> None:
    with webhook_receiver() as receiver, pytest.raises(MailRefused, match=str(status)):
        receiver.answers = [status]
        mail_to(receiver, []).send(MESSAGE, nothing)
    assert len(receiver.calls) == 1


def test_a_refusal_after_silence_stays_unknown() -> None:
    with webhook_receiver() as receiver, pytest.raises(MailUnknown):
        receiver.answers = ["accept and fall silent", 400]
        mail_to(receiver, []).send(MESSAGE, nothing)


def test_no_secret_in_what_is_said_of_a_failure() -> None:
    with webhook_receiver() as receiver:
        mail = mail_to(receiver, [])
    with pytest.raises(MailDeferred) as failed:
        mail.send(MESSAGE, nothing)
    assert "hush" not in str(failed.value) and "hush" not in repr(mail._settings)


class TestWhereItGoes:
    @pytest.mark.parametrize(
        "url",
        ["http://10.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://0.0.0.0/",
         "https://[fd00::1]/", "https://192.168.1.1:8443/x", "http://93.184.216.34/", "ftp://127.0.0.1/", "https:///x"],
    )  # fmt: skip
    def test_not_into_an_inner_network_nor_in_the_clear(self, url: str) -> None:
        with pytest.raises(ForbiddenTarget):
            post(url, b"{}", {}, timeout=1)

    def test_not_to_the_metadata_service_even_when_insecure_is_allowed(self) -> None:
        with pytest.raises(ForbiddenTarget):
            post("http://169.254.169.254/", b"{}", {}, timeout=1, allow_insecure=True)

    def test_plain_http_elsewhere_stops_the_program_at_its_start(self) -> None:
        with pytest.raises(SettingsError, match="BUILDOS_WEBHOOK_URL: expects https"):
            settings_for("http://build-os.example")
        assert settings_for("http://build-os.example", webhook_allow_insecure=True)
        with pytest.raises(SettingsError, match="PRIVATE_BUILDOS_WEBHOOK_SECRET"):
            plain_settings(use_webhook_email=True, buildos_webhook_url="https://build-os.com")

    def test_tls_is_checked(self, tmp_path: Path) -> None:
        certificate = make_certificate(tmp_path)
        with webhook_receiver(certificate.server) as receiver:
            assert post(receiver.url, b'{"deliveryId": "x"}', {}, timeout=5, tls=certificate.client).status == 200
            with pytest.raises(NoReply, match="certificate is not valid") as refused:
                post(receiver.url, b"{}", {}, timeout=5)
        assert refused.value.handed_over is False

    def test_a_port_where_nobody_listens(self) -> None:
        with webhook_receiver() as receiver:
            pass
        with pytest.raises(NoReply) as refused:
            post(receiver.url, b"{}", {}, timeout=5)
        assert refused.value.handed_over is False


class TestOutbox:
    def test_the_same_delivery_is_one_file_for_its_owner_alone(self, tmp_path: Path) -> None:
        box = Outbox(plain_settings(buildos_home=str(tmp_path)))
        box.send(MESSAGE, nothing)
        box.send(MESSAGE, nothing)
        (file,) = (tmp_path / "outbox").iterdir()
        assert file.name == f"{MESSAGE.delivery_id}.eml"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_what_lies_there_can_be_listed_and_read(self, tmp_path: Path) -> None:
        box = Outbox(plain_settings(mail_outbox=str(tmp_path / "box")))
        assert box.recent() == []
        box.send(MESSAGE, nothing)
        (entry,) = box.recent()
        assert (entry.name, entry.to, entry.subject) == (MESSAGE.delivery_id, MESSAGE.to, MESSAGE.subject)
        assert box.read(entry.name).startswith(b"From: BuildOS <buildos@localhost>\r\n")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "a/b", "a\x00b"])
    def test_nothing_else_can_be_read(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret.eml").write_text("s")
        (tmp_path / "box").mkdir()
        assert Outbox(plain_settings(mail_outbox=str(tmp_path / "box"))).read(name) is None
