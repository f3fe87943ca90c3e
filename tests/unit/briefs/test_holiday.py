"""Holidays come from a library: moveable ones fall where they should."""

from __future__ import annotations

from datetime import date

import pytest

from app.features.briefs.holiday import holidays_on


@pytest.mark.parametrize(
    ("day", "country", "names"),
    [
        (date(2026, 4, 3), "DE", ("Good Friday",)),
        (date(2027, 3, 26), "DE", ("Good Friday",)),
        (date(2026, 11, 26), "US", ("Thanksgiving Day",)),
        (date(2026, 11, 26), "us ", ("Thanksgiving Day",)),
        (date(2026, 11, 26), "DE", ()),
        (date(2026, 1, 1), "JP", ("New Year's Day",)),
        (date(2026, 12, 25), "XX", ()),
        (date(2026, 12, 25), "", ()),
        (date(2026, 12, 25), None, ()),
        (date(1, 1, 2), "DE", ()),
    ],
)
def test_holidays(day: date, country: str | None, names: tuple[str, ...]) -> None:
    assert holidays_on(day, country) == names
