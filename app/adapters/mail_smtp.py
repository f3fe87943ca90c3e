"""Mail over SMTP: one connection a mail, TLS, login, and each answer of the server read for what it says."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from email import policy

from app.adapters.mail_mime import sender_of, to_mime
from app.ports.mail import MailDeferred, MailMessage, MailRefused, MailUnknown
from app.settings import Settings, is_loopback

TLS_PORT = 465


class SmtpMail:
    """`Mail` through EMAIL_HOST. `tls` replaces the system's certificates and rules."""

    name = "smtp"

    def __init__(self, settings: Settings, *, tls: ssl.SSLContext | None = None) -> None:
        self._settings = settings
        self._tls = tls
        self._sender = sender_of(settings)

    def send(self, message: MailMessage, handing_over: Callable[[], None]) -> str:
        """As `Mail.send`; the id is the Message-ID. 4xx answers and lost connections are deferred, 5xx refused."""
        mime = to_mime(message, self._sender)
        international = not message.to.isascii()
        content = mime.as_bytes(policy=policy.SMTPUTF8 if international else policy.SMTP)
        server = self._connect()
        try:
            self._prepare(server, message, international)
            handing_over()
            self._hand_over(server, content)
        finally:
            _part(server)
        return message.message_id

    def has_gone(self, message: MailMessage) -> bool:
        """False: SMTP has no way to ask. Receiving systems know a second copy by its Message-ID."""
        return False

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        known = {"timeout": settings.email_timeout, "local_hostname": self._sender[1].rpartition("@")[2] or "localhost"}
        try:
            if self._security == "tls":
                return smtplib.SMTP_SSL(settings.email_host, settings.email_port, context=self._context(), **known)
            return smtplib.SMTP(settings.email_host, settings.email_port, **known)
        except ssl.SSLCertVerificationError as error:
            raise MailDeferred(f"the mail server's certificate is not valid: {error.verify_message}") from None
        except smtplib.SMTPConnectError as error:
            raise _answer(error.smtp_code, error.smtp_error, "the mail server refuses us") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailDeferred(f"the mail server cannot be reached ({type(error).__name__})") from None

    def _prepare(self, server: smtplib.SMTP, message: MailMessage, international: bool) -> None:
        """Everything up to the moment where only the mail itself is missing."""
        try:
            server.ehlo_or_helo_if_needed()
            self._secure(server)
            self._login(server)
            if international and not server.has_extn("smtputf8"):
                raise MailRefused("the mail server takes no addresses beyond ASCII")
            _check(server.mail(self._sender[1], ["smtputf8"] if international else []), "the sender is refused")
            _check(server.rcpt(message.to), "the recipient is refused")
        except ssl.SSLCertVerificationError as error:
            raise MailDeferred(f"the mail server's certificate is not valid: {error.verify_message}") from None
        except smtplib.SMTPAuthenticationError as error:
            raise _answer(error.smtp_code, b"", "the login is refused") from None
        except smtplib.SMTPResponseException as error:
            raise _answer(error.smtp_code, error.smtp_error, "the mail server refuses us") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailDeferred(f"the mail server went away ({type(error).__name__})") from None

    def _secure(self, server: smtplib.SMTP) -> None:
        settings = self._settings
        if self._security == "starttls" or (self._security == "auto" and server.has_extn("starttls")):
            if not server.has_extn("starttls"):
                raise MailRefused("the mail server offers no STARTTLS, which EMAIL_SECURITY asks for")
            server.starttls(context=self._context())
            server.ehlo()
        elif self._security == "auto" and settings.email_user and not is_loopback(settings.email_host):
            raise MailRefused(
                "the mail server offers no TLS, and a password must not travel without it (EMAIL_SECURITY)"
            )

    def _login(self, server: smtplib.SMTP) -> None:
        """Log in by one mechanism.

        A wrong password is not wrong twice, and servers hang up on those who go on trying.
        """
        settings = self._settings
        if not settings.email_user:
            return
        server.user = settings.email_user
        server.password = settings.email_pass.get_secret_value() if settings.email_pass else ""
        offered = server.esmtp_features.get("auth", "").upper().split()
        known = {"PLAIN": server.auth_plain, "LOGIN": server.auth_login, "CRAM-MD5": server.auth_cram_md5}
        mechanism = next((name for name in known if name in offered), None)
        if mechanism is None:
            raise MailRefused("the mail server offers no login that we know")
        server.auth(mechanism, known[mechanism])

    @staticmethod
    def _hand_over(server: smtplib.SMTP, content: bytes) -> None:
        try:
            _check(server.data(content), "the mail is refused")
        except smtplib.SMTPDataError as error:
            raise _answer(error.smtp_code, error.smtp_error, "the mail is refused") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnknown(f"no answer came after the mail was handed over ({type(error).__name__})") from None

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    @property
    def _security(self) -> str:
        chosen = self._settings.email_security
        return "tls" if chosen == "auto" and self._settings.email_port == TLS_PORT else chosen


def _check(answer: tuple[int, bytes], what: str) -> None:
    if not 200 <= answer[0] < 300:
        raise _answer(*answer, what)


def _answer(code: int, said: bytes | str, what: str) -> MailRefused | MailDeferred:
    """4xx: try again later; 5xx: never; anything else is no SMTP, and may be a passing fault."""
    words = " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())[:300]
    line = f"{what} ({code}{' ' + words if words else ''})"
    return MailRefused(line) if 500 <= code < 600 else MailDeferred(line)


def _part(server: smtplib.SMTP) -> None:
    """Say goodbye, and leave also when nobody answers: the mail's fate is decided."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()
