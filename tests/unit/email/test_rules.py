"""Link wrapping, tracking, subjects, retry classes, signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.features.email import signing
from app.features.email.rules import Tracking, click_url, is_wrappable, job_error, message_id, one_line, subject_line
from app.ports.mail import MailDeferred, MailRefused, MailUnknown
from app.queue.errors import is_retryable
from app.queue.models import BriefEmailMetadata, EmailMetadata, NotificationEmailMetadata

HERE = "https://jobs.example.com"
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


class TestLinks:
    @pytest.mark.parametrize(
        "url", ["http://a.example", "https://a.example/b?c=d&e=f#g", "HTTPS://A.example", "https://[::1]:8/x"]
    )
    def test_http_and_https_are_wrapped(self, url: str) -> None:
        assert is_wrappable(url)

    @pytest.mark.parametrize(
        "url",
        ["mailto:ada@example.com", "tel:+491234", "/projects/1", "#top", "?a=b", "//a.example/x", "", "javascript:alert(1)",
         "data:text/html,x", "ftp://a.example", "https:///x", "https://", "https://[bad", "https://a.example/\nx"],
    )  # fmt: skip
    def test_everything_else_is_left_alone(self, url: str) -> None:
        assert not is_wrappable(url)
        tracking = Tracking(HERE, "t")
        assert tracking.link(url) == url and tracking.urls == []

    @given(st.text(st.characters(categories=("L", "N", "P", "S")), max_size=60))
    def test_any_address_comes_back_as_it_was(self, tail: str) -> None:
        url = f"https://a.example/?q={tail}"
        wrapped = click_url(HERE, "t1", url)
        assert parse_qs(urlsplit(wrapped).query) == {"url": [url]}
        assert wrapped.isascii() and urlsplit(wrapped).path == "/email/track/click/t1"

    def test_a_link_is_remembered_once_and_never_wrapped_twice(self) -> None:
        tracking = Tracking(HERE, "t")
        wrapped = tracking.link("https://a.example")
        assert tracking.link("https://a.example") == wrapped
        assert tracking.link(wrapped) == wrapped
        assert tracking.urls == ["https://a.example"]

    def test_without_a_public_address_nothing_is_tracked(self) -> None:
        tracking = Tracking(None, "t")
        assert tracking.link("https://a.example") == "https://a.example"
        assert tracking.pixel is None and tracking.urls == []


def test_a_subject_is_one_line_that_is_never_empty() -> None:
    assert subject_line("Hi\r\nBcc: eve@example.com\x00\u2028x") == "Hi Bcc: eve@example.com x"
    assert subject_line(" \n ") == "(no subject)"
    assert len(subject_line("x" * 900)) == 200 and one_line("abc def", 5) == "abc…"


def test_the_message_id_is_the_emails_own() -> None:
    assert message_id(UUID(int=1), "example.com") == "<00000000-0000-0000-0000-000000000001@example.com>"


@pytest.mark.parametrize(
    ("error", "again"), [(MailRefused("x"), False), (MailDeferred("x"), True), (MailUnknown("x"), True)]
)
def test_only_a_refusal_is_final(error: Exception, again: bool) -> None:
    assert is_retryable(job_error(error)) is again


class TestAddresses:
    @pytest.mark.parametrize(
        "address", ["ada@example.com", "a.b+c@sub.example.com", "o'neil@example.com", "jürgen@bücher.example"]
    )
    def test_good(self, address: str) -> None:
        assert EmailMetadata(to=address, subject="s", text="t").to == address

    @pytest.mark.parametrize(
        "address",
        ["", "ada", "@", "a@", "@b", "a@b@c", "a b@c.example", "a@b.example\r\nBcc: e@f.example", "Ada <a@b.example>", "a@b.example,c@d.example",
         "-oX@b.example", "a..b@c.example", "a" * 250 + "@b.example", "a@b.example\x00"],
    )  # fmt: skip
    def test_bad(self, address: str) -> None:
        with pytest.raises(ValidationError):
            EmailMetadata(to=address, subject="s", text="t")
        with pytest.raises(ValidationError):
            BriefEmailMetadata(emailId=UUID(int=1), briefId=UUID(int=1), recipientEmail=address)

    def test_a_mail_says_something(self) -> None:
        with pytest.raises(ValidationError, match="html or text"):
            EmailMetadata(to="a@b.example", subject="s")
        with pytest.raises(ValidationError, match="title"):
            NotificationEmailMetadata(template="task.due_soon", recipientEmail="a@b.example")


class TestSignatures:
    STAMP = "2026-11-22T07:00:00.000Z"

    def test_right_and_fresh(self) -> None:
        signature = signing.sign("hush", self.STAMP, b"{}")
        assert signing.is_signed(signature, self.STAMP, b"{}", "hush", NOW + timedelta(minutes=5))
        assert signing.is_signed(signature.upper(), self.STAMP, b"{}", "hush", NOW - timedelta(minutes=5))

    @pytest.mark.parametrize("away", [timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1)])
    def test_stale(self, away: timedelta) -> None:
        assert not signing.is_signed(signing.sign("hush", self.STAMP, b"{}"), self.STAMP, b"{}", "hush", NOW + away)

    @pytest.mark.parametrize(
        "stamp", ["", "now", "2026-11-22T07:00:00", "1763794800", "9999-99-99", "0001-01-01T00:00:00+23:59"]
    )
    def test_timestamps_that_are_none(self, stamp: str) -> None:
        assert not signing.is_signed(signing.sign("hush", stamp, b"{}"), stamp, b"{}", "hush", NOW)

    def test_the_timestamp_and_the_body_are_signed(self) -> None:
        signature = signing.sign("hush", self.STAMP, b"{}")
        assert not signing.is_signed(signature, self.STAMP, b"{ }", "hush", NOW)
        assert not signing.is_signed(signature, "2026-11-22T07:00:01.000Z", b"{}", "hush", NOW)
        assert not signing.is_signed("é\udcff", self.STAMP, b"{}", "hush", NOW)

    @pytest.mark.parametrize(
        "header", [None, "", "hush", "Bearer", "Bearer hus", "Bearer hush2", "Basic hush", "Bearer é"]
    )
    def test_a_bearer_that_is_not_ours(self, header: str | None) -> None:
        assert not signing.is_bearer(header, "hush")
        assert signing.is_bearer("bearer hush", "hush")

    def test_secrets_are_compared_in_constant_time(self) -> None:
        # Timing cannot decide a test: that the comparison is the library's can be seen.
        assert "compare_digest" in signing.same.__code__.co_names
        for checking in (signing.is_bearer, signing.is_signed):
            assert "same" in checking.__code__.co_names
