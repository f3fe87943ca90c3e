"""Reports of errors: nothing without a DSN, and with one nothing that is anybody's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app import reporting
from app.logs import USER, about
from app.queue.claims import Claim
from app.settings import SettingsError, load_settings
from tests.support.collectors import Sentry
from tests.support.servers import plain_settings

HELD = Claim("0195-id", "brief-1", "user-of-ann", "send_sms", "{}", 2, 3, 7, "task", f"00-{'a' * 32}-{'b' * 16}-01")


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    """A Sentry that this process reports to."""
    with Sentry() as server:
        reporting.configure(plain_settings(sentry_dsn=server.dsn), "worker")
        yield server
        reporting.configure(plain_settings(), "worker")


def test_what_an_operator_must_hear_of(sentry: Sentry) -> None:
    reporting.tell("alert failing:send_sms: 5 of 6 runs failed, the last with: no route to +15551234567")
    reporting.flush()
    (event,) = sentry.events
    assert event["message"] == "alert failing:send_sms: 5 of 6 runs failed, the last with: no route to <phone>"
    assert event["level"] == "error" and event["environment"] == "development"


def test_an_error_has_its_job_and_nobodys_data(sentry: Sentry) -> None:
    address = "ada@example.com"
    token = USER.set(HELD.user)
    try:
        with about(HELD):
            try:
                raise ValueError(f"no mailbox {address}")
            except ValueError as error:
                reporting.report(error)
        reporting.flush()
    finally:
        USER.reset(token)
    (event,) = sentry.events
    tags = {"job": "0195-id", "job_type": "send_sms", "attempt": "2", "correlation_id": "a" * 32, "role": "worker"}
    assert {name: str(value) for name, value in event["tags"].items()} == tags
    assert not {"user", "request", "extra", "breadcrumbs"} & set(event)
    (page,) = sentry.raw
    assert not any(secret in page for secret in (address, "user-of-ann", '"vars"')) and "<email>" in page


def test_without_a_dsn_nobody_hears() -> None:
    reporting.configure(plain_settings(), "api")
    reporting.report(ValueError("x"))
    reporting.tell("x")
    reporting.flush()


@pytest.mark.parametrize("dsn", ["sentry.of.ours", "https://sentry.of.ours/1", "https://key@sentry.of.ours"], ids=["bare", "no key", "no project"])
def test_a_wrong_dsn_stops_the_program_and_is_not_shown(dsn: str) -> None:
    with pytest.raises(SettingsError, match="SENTRY_DSN: expects a DSN") as refused:
        load_settings(sentry_dsn=dsn)
    assert dsn not in str(refused.value)
