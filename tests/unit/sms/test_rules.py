"""What the SMS feature decides by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.features.sms import rules
from app.features.sms.callbacks import is_signed, sign

NEW_YORK = ZoneInfo("America/New_York")
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("at", "begins", "ends", "quiet"),
    [
        ("22:00", "22:00", "07:00", True), ("06:59", "22:00", "07:00", True), ("07:00", "22:00", "07:00", False),
        ("21:59", "22:00", "07:00", False), ("13:00", "13:00", "14:00", True), ("14:00", "13:00", "14:00", False),
        ("00:00", "22:00", "00:00", False), ("23:59", "22:00", "00:00", True), ("09:00", "09:00", "09:00", False),
        ("09:00", "09:00", None, False), ("09:00", None, "10:00", False),
    ],
)  # fmt: skip
def test_quiet_hours(at: str, begins: str | None, ends: str | None, quiet: bool) -> None:
    given = [time.fromisoformat(value) if value else None for value in (at, begins, ends)]
    assert rules.is_quiet(*given) is quiet


def reminder(start: datetime, lead: int, begins: str, ends: str, not_before: datetime | None = None) -> datetime | None:
    return rules.reminder_at(
        start, lead * MINUTE, time.fromisoformat(begins), time.fromisoformat(ends), NEW_YORK, not_before
    )


def local(*parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=NEW_YORK, fold=fold).astimezone(UTC)


class TestAReminder:
    def test_is_sent_the_lead_time_before(self) -> None:
        assert reminder(local(2026, 5, 5, 10), 15, "22:00", "07:00") == local(2026, 5, 5, 9, 45)

    def test_moves_to_the_end_of_quiet_hours_before_the_event(self) -> None:
        assert reminder(local(2026, 5, 5, 7, 1), 15, "22:00", "07:00") == local(2026, 5, 5, 7)
        assert reminder(local(2026, 5, 5, 7), 15, "22:00", "07:00") is None
        assert reminder(local(2026, 5, 5, 6), 15, "22:00", "07:00") is None

    def test_is_sent_at_once_where_its_time_is_over(self) -> None:
        start = local(2026, 5, 5, 10)
        assert reminder(start, 15, "22:00", "07:00", start - 5 * MINUTE) == start - 5 * MINUTE
        assert reminder(start, 15, "22:00", "07:00", start + MINUTE) is None

    def test_at_the_clock_changes(self) -> None:
        # 02:00 becomes 03:00: quiet hours until 02:30 end at 03:30 then.
        assert reminder(local(2026, 3, 8, 4), 150, "22:00", "02:30") == local(2026, 3, 8, 3, 30)
        # 02:00 becomes 01:00: the second 01:15 is quiet again, until the second 01:30.
        again = reminder(local(2026, 11, 1, 1, 45, fold=1), 30, "22:00", "01:30")
        assert again == local(2026, 11, 1, 1, 30, fold=1)


def test_a_day_has_as_many_hours_as_its_clocks_show() -> None:
    lengths = [
        (e - b).total_seconds() / 3600
        for b, e in (rules.day_span(date(2026, *day), NEW_YORK) for day in ((3, 8), (5, 5), (11, 1)))
    ]
    assert lengths == [23, 24, 25]


@pytest.mark.parametrize(
    ("limit", "sent", "allowed"), [(0, 0, False), (1, 0, True), (10, 9, True), (10, 10, False), (10, 11, False)]
)
def test_the_daily_limit(limit: int, sent: int, allowed: bool) -> None:
    assert (rules.over_limit(limit, sent) is None) is allowed


@pytest.mark.parametrize(
    ("known", "status", "news"),
    [
        (None, "queued", True), (None, "failed", True), ("sent", "delivered", True), ("delivered", "sent", False), ("sent", "sent", False),
        ("delivered", "undelivered", False), ("failed", "delivered", False), ("delivered", "read", True), ("undelivered", "read", False),
        ("sent", "nonsense", False), ("odd", "sent", True), ("queued", "accepted", False),
    ],
)  # fmt: skip
def test_a_status_never_goes_backwards(known: str | None, status: str, news: bool) -> None:
    assert rules.is_news(known, status) is news


def test_each_further_copy_waits_twice_as_long() -> None:
    assert [rules.retry_delay(60, retry) for retry in (1, 2, 3)] == [2 * MINUTE, 4 * MINUTE, 8 * MINUTE]


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ("STOP", None, True), ("stop all", None, True), ("Stop!", None, True), ("end", None, True), ("Revoke", None, True), ("START", None, False),
        ("yes", None, False), ("UNSTOP", None, False), ("help", None, None), ("no", None, None), ("", None, None), ("ciao", "STOP", True),
        ("stop", "HELP", None), ("🛑", None, None),
    ],
)  # fmt: skip
def test_words_that_stop_and_start(body: str, kind: str | None, expected: bool | None) -> None:
    assert rules.opts_out(body, kind) is expected


@pytest.mark.parametrize(
    ("number", "valid"),
    [("+14155552671", True), ("+491701234567", True), ("+15005550006", True), ("14155552671", False), ("+1415", False),
     ("+999123456789", False), ("+1 415 555 2671", False), ("", False), (None, False), ("+１４１５５５５２６７１", False)],
)  # fmt: skip
def test_phone_numbers(number: str | None, valid: bool) -> None:
    assert rules.is_phone_number(number) is valid


def test_the_signature_is_twilios() -> None:
    # The example of Twilio's own documentation.
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    form = {
        "CallSid": ["CA1234567890ABCDE"],
        "Caller": ["+14158675309"],
        "Digits": ["1234"],
        "From": ["+14158675309"],
        "To": ["+18005551212"],
    }
    assert sign("12345", url, form) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    assert is_signed("12345", url, form, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not is_signed("12345", url, {**form, "Digits": ["1235"]}, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not is_signed("12345", url, form, "\ud800")
