"""SMTP: TLS, login, and what each answer means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.mail_smtp import SmtpMail
from app.ports.mail import MailDeferred, MailRefused
from tests.integration.email.test_mail_adapters import MESSAGE, nothing
from tests.support.mail_servers import Certificate, SmtpServer, make_certificate, smtp_server, webhook_receiver
from tests.support.servers import plain_settings

LOGIN = {"email_user": "ada", "email_pass": "s3cret"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def mail_to(server: SmtpServer, certificate: Certificate | None = None, **settings: object) -> SmtpMail:
    found = plain_settings(**{"email_host": "127.0.0.1", "email_port": server.port, "email_timeout": 5, **settings})
    return SmtpMail(found, tls=certificate and certificate.client)


def test_starttls_and_login(certificate: Certificate) -> None:
    with smtp_server(tls_context=certificate.server, auth_required=True) as server:
        mail_to(server, certificate, **LOGIN).send(MESSAGE, nothing)
    assert (server.logins, server.tls_seen, len(server.mails)) == ([("ada", "s3cret")], [True], 1)


def test_tls_from_the_start(certificate: Certificate) -> None:
    with smtp_server(ssl_context=certificate.server, auth_require_tls=False) as server:
        mail_to(server, certificate, email_security="tls", **LOGIN).send(MESSAGE, nothing)
    assert len(server.mails) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_nobody_vouches_for_is_not_trusted(certificate: Certificate, security: str) -> None:
    tls = {"ssl_context": certificate.server} if security == "tls" else {"tls_context": certificate.server}
    with smtp_server(**tls) as server, pytest.raises(MailDeferred, match="certificate is not valid"):
        mail_to(server, email_security=security, **LOGIN).send(MESSAGE, nothing)
    assert server.logins == [] and server.mails == []


def test_a_wrong_password_is_final_and_not_in_the_message(certificate: Certificate) -> None:
    with smtp_server(tls_context=certificate.server) as server, pytest.raises(MailRefused) as refused:
        mail_to(server, certificate, email_user="ada", email_pass="wr0ng").send(MESSAGE, nothing)
    assert "login is refused (535" in str(refused.value) and "wr0ng" not in str(refused.value)


def test_starttls_that_is_asked_for_and_not_offered_is_refused() -> None:
    with smtp_server() as server, pytest.raises(MailRefused, match="STARTTLS"):
        mail_to(server, email_security="starttls").send(MESSAGE, nothing)


def test_no_password_travels_in_the_clear_to_another_machine() -> None:
    class Elsewhere(SmtpMail):
        """Reaches the server of the test under a name that is not this machine's."""

        def _connect(self):
            self._settings = self._settings.model_copy(update={"email_host": "127.0.0.1"})
            server = super()._connect()
            self._settings = self._settings.model_copy(update={"email_host": "mail.example.com"})
            return server

    with smtp_server(auth_require_tls=False) as server, pytest.raises(MailRefused, match="must not travel without it"):
        Elsewhere(plain_settings(email_host="x", email_port=server.port, **LOGIN)).send(MESSAGE, nothing)
    assert server.logins == []


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(("answer", "error"), [("451 later", MailDeferred), ("550 never", MailRefused)])
def test_4xx_is_passing_and_5xx_final_at_every_stage(stage: str, answer: str, error: type[Exception]) -> None:
    with smtp_server() as server, pytest.raises(error, match=answer[:3]):
        server.answers[stage] = answer
        mail_to(server).send(MESSAGE, nothing)
    assert server.mails == []


def test_nobody_there_is_passing() -> None:
    with smtp_server() as server:
        pass
    with pytest.raises(MailDeferred, match="cannot be reached"):
        mail_to(server).send(MESSAGE, nothing)


def test_something_that_is_no_mail_server_is_passing() -> None:
    with webhook_receiver() as web, pytest.raises(MailDeferred):
        found = plain_settings(email_host="127.0.0.1", email_port=int(web.url.rpartition(":")[2]), email_timeout=1)
        SmtpMail(found).send(MESSAGE, nothing)


def test_an_international_address_needs_a_server_that_takes_it() -> None:
    abroad = replace(MESSAGE, to="jürgen@bücher.example")
    with smtp_server(enable_SMTPUTF8=True) as server:
        mail_to(server).send(abroad, nothing)
        assert "jürgen@bücher.example" in str(server.mails[0]["To"])
    with smtp_server(enable_SMTPUTF8=False) as server, pytest.raises(MailRefused, match="ASCII"):
        mail_to(server).send(abroad, nothing)


def test_headers_that_mail_systems_look_for() -> None:
    with smtp_server() as server:
        mail_to(server, email_from='"Ada, Inc." <briefs@example.com>').send(MESSAGE, nothing)
    mail = server.mails[0]
    assert mail["Message-ID"] == MESSAGE.message_id
    assert (
        mail["From"].addresses[0].addr_spec == "briefs@example.com"
        and mail["From"].addresses[0].display_name == "Ada, Inc."
    )
    assert mail["Date"].datetime == MESSAGE.sent_at
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
