"""One suite for every way mail can leave: SMTP, the webhook, the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest

from app.adapters.mail_outbox import Outbox
from app.adapters.mail_smtp import SmtpMail
from app.adapters.mail_webhook import WebhookMail
from app.ports.mail import Mail, MailDeferred, MailError, MailMessage, MailRefused, MailUnknown
from tests.support.mail_servers import smtp_server, webhook_receiver
from tests.support.servers import plain_settings

MESSAGE = MailMessage(
    message_id="<6f1c1f0e-0000-4000-8000-000000000001@example.com>",
    delivery_id="6f1c1f0e-0000-4000-8000-000000000001",
    to="ada@example.com",
    subject="Your brief: ümläute, 漢字 & <b>",
    sent_at=datetime(2026, 11, 22, 7, 0, tzinfo=UTC),
    user_id=UUID(int=7),
    text="Hello Ada,\n.a line with a dot\nÜber alles " + "x" * 1200 + "\n",
    html="<p>Hello <b>Ada</b> &amp; Über</p>",
)


@dataclass
class Way:
    """An adapter with its other side. `arrived`: (to, subject, text, html) of each mail; the others make it misbehave."""

    mail: Mail
    arrived: Callable[[], list[tuple[str, str, str, str]]]
    defer: Callable[[], None]
    refuse: Callable[[], None] | None = None
    fall_silent: Callable[[], None] | None = None


@contextmanager
def _smtp(folder: Path) -> Iterator[Way]:
    with smtp_server() as server:
        mail = SmtpMail(
            plain_settings(email_host="127.0.0.1", email_port=server.port, email_from="BuildOS <b@example.com>")
        )
        yield Way(
            mail,
            lambda: [_seen(each) for each in server.mails],
            lambda: server.answers.update(RCPT="450 greylisted"),
            lambda: server.answers.update(RCPT="550 no such user"),
            lambda: server.answers.update(END="silence"),
        )


@contextmanager
def _webhook(folder: Path) -> Iterator[Way]:
    with webhook_receiver() as receiver:
        settings = plain_settings(
            use_webhook_email=True, buildos_webhook_url=receiver.url, private_buildos_webhook_secret="hush"
        )
        keys = ("recipientEmail", "subject", "textContent", "htmlContent")
        yield Way(
            WebhookMail(settings, sleep=lambda _: None),
            lambda: [tuple(sent[key] for key in keys) for sent in receiver.sent.values()],
            lambda: receiver.answers.__setitem__(slice(None), [503]),
            lambda: receiver.answers.__setitem__(slice(None), [422]),
            lambda: receiver.answers.__setitem__(slice(None), ["accept and fall silent"]),
        )


@contextmanager
def _outbox(folder: Path) -> Iterator[Way]:
    box = folder / "outbox"
    mail = Outbox(plain_settings(mail_outbox=str(box)))

    def arrived() -> list[tuple[str, str, str, str]]:
        return [
            _seen(message_from_bytes(path.read_bytes(), policy=policy.default)) for path in sorted(box.glob("*.eml"))
        ]

    yield Way(mail, arrived, lambda: box.write_text("no folder"))


WAYS = {"smtp": _smtp, "webhook": _webhook, "outbox": _outbox}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    with WAYS[request.param](tmp_path) as made:
        yield made


def _seen(mail: EmailMessage) -> tuple[str, str, str, str]:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return (
        str(mail["To"]), str(mail["Subject"]),
        text.get_content().replace("\r\n", "\n") if text else "", html.get_content().strip() if html else "",
    )  # fmt: skip


def nothing() -> None:
    """Nobody minds."""


def test_what_is_sent_arrives_as_it_was(way: Way) -> None:
    assert way.mail.send(MESSAGE, nothing)
    assert way.arrived() == [(MESSAGE.to, MESSAGE.subject, MESSAGE.text, MESSAGE.html)]


def test_the_last_look_comes_before_anything_arrives_and_once(way: Way) -> None:
    looks = []
    way.mail.send(MESSAGE, lambda: looks.append(len(way.arrived())))
    assert looks == [0]


def test_what_the_last_look_raises_stops_the_mail(way: Way) -> None:
    class Lost(BaseException):
        pass

    def refuse() -> None:
        raise Lost

    with pytest.raises(Lost):
        way.mail.send(MESSAGE, refuse)
    assert way.arrived() == []


def test_a_passing_failure_is_deferred(way: Way) -> None:
    way.defer()
    with pytest.raises(MailDeferred):
        way.mail.send(MESSAGE, nothing)


def test_a_refusal_is_final(way: Way) -> None:
    if way.refuse is None:
        assert way.mail.name == "outbox"  # a folder refuses nobody
        return
    way.refuse()
    with pytest.raises(MailRefused):
        way.mail.send(MESSAGE, nothing)
    assert way.arrived() == []


def test_silence_after_the_handover_is_an_unknown_outcome(way: Way) -> None:
    if way.fall_silent is None:
        assert way.mail.name == "outbox"  # a file is there or not
        return
    way.fall_silent()
    with pytest.raises(MailUnknown):
        way.mail.send(MESSAGE, nothing)
    assert len(way.arrived()) == 1


def test_has_gone_never_says_yes_before_and_only_the_truth_after(way: Way) -> None:
    assert way.mail.has_gone(MESSAGE) is False
    way.mail.send(MESSAGE, nothing)
    assert way.mail.has_gone(MESSAGE) is (way.mail.name == "outbox")


def test_another_delivery_is_another_mail(way: Way) -> None:
    way.mail.send(MESSAGE, nothing)
    way.mail.send(replace(MESSAGE, delivery_id="another", message_id="<another@example.com>"), nothing)
    assert len(way.arrived()) == 2


def test_a_text_alone_and_html_alone_arrive(way: Way) -> None:
    way.mail.send(replace(MESSAGE, html=None), nothing)
    way.mail.send(replace(MESSAGE, delivery_id="b", text=None), nothing)
    assert {(bool(text), bool(html)) for _, _, text, html in way.arrived()} == {(True, False), (False, True)}


@pytest.mark.parametrize(
    "bad", [{"subject": "a\r\nBcc: eve@example.com"}, {"to": "ada@example.com\r\nBcc: eve@example.com"}]
)
def test_no_header_is_smuggled_in(way: Way, bad: dict[str, str]) -> None:
    try:
        way.mail.send(replace(MESSAGE, **bad), nothing)
    except MailError:
        assert way.arrived() == []
    else:
        assert way.mail.name == "webhook"  # JSON has no headers; the receiver checks
