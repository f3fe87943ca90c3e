"""English words for dates, counted from Wednesday, 4 February 2026."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.tasklists.phrases import Phrase, read_phrase

NOW = datetime(2026, 2, 4, 15, 30)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("today", "2026-02-04"),
        ("Tomorrow", "2026-02-05"),
        ("yesterday", "2026-02-03"),
        ("monday", "2026-02-09"),
        ("wed", "2026-02-11"),
        ("next monday", "2026-02-09"),
        ("next friday", "2026-02-13"),
        ("next week", "2026-02-09"),
        ("next month", "2026-03-01"),
        ("weekend", "2026-02-07"),
        ("in 3 days", "2026-02-07"),
        ("in a week", "2026-02-11"),
        ("2 months", "2026-04-04"),
        ("Dec 24", "2026-12-24"),
        ("24 Dec", "2026-12-24"),
        ("24 December 2027", "2027-12-24"),
        ("Dec 24, 2027", "2027-12-24"),
        ("Dec 24 2027", "2027-12-24"),
        ("January 3rd", "2027-01-03"),
        ("1st of march", "2026-03-01"),
        ("29 Feb", "2028-02-29"),
        ("24.12.", "2026-12-24"),
        ("24.12.2026", "2026-12-24"),
        ("12/24/2026", "2026-12-24"),
        ("24/12/2026", "2026-12-24"),
    ],
)
def test_single_days(words: str, day: str):
    assert read_phrase(words, NOW) == Phrase(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("today at 11:00", time(11)),
        ("today at 5pm", time(17)),
        ("today 5:30 pm", time(17, 30)),
        ("today @ 9", time(9)),
        ("today 14:05", time(14, 5)),
        ("today 12am", time(0)),
        ("today at noon", time(12)),
        ("at 18:00", time(18)),
    ],
)
def test_times_of_day(words: str, at: time):
    assert read_phrase(words, NOW) == Phrase(date(2026, 2, 4), at)


@pytest.mark.parametrize(
    ("words", "first", "rule"),
    [
        ("every day", "2026-02-04", "FREQ=DAILY"),
        ("daily", "2026-02-04", "FREQ=DAILY"),
        ("every! 3 days", "2026-02-04", "FREQ=DAILY;INTERVAL=3"),
        ("every other day", "2026-02-04", "FREQ=DAILY;INTERVAL=2"),
        ("every monday", "2026-02-09", "FREQ=WEEKLY;BYDAY=MO"),
        ("ev wed", "2026-02-04", "FREQ=WEEKLY;BYDAY=WE"),
        ("every other friday", "2026-02-06", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
        ("every mon, wed and fri", "2026-02-04", "FREQ=WEEKLY;BYDAY=MO,WE,FR"),
        ("every tuesdays", "2026-02-10", "FREQ=WEEKLY;BYDAY=TU"),
        ("every weekday", "2026-02-04", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("every week", "2026-02-04", "FREQ=WEEKLY"),
        ("every 2 weeks on tuesday", "2026-02-10", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"),
        ("every month", "2026-02-04", "FREQ=MONTHLY"),
        ("every quarter", "2026-02-04", "FREQ=MONTHLY;INTERVAL=3"),
        ("every 15th", "2026-02-15", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("every 1st, 15th", "2026-02-15", "FREQ=MONTHLY;BYMONTHDAY=1,15"),
        ("every last day", "2026-02-28", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("every last friday", "2026-02-27", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("every 1st monday", "2026-03-02", "FREQ=MONTHLY;BYDAY=1MO"),
        ("every year", "2026-02-04", "FREQ=YEARLY"),
        ("every Jan 27", "2027-01-27", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=27"),
        ("every day starting Mar 1", "2026-03-01", "FREQ=DAILY"),
        ("every monday until 1 May", "2026-02-09", "FREQ=WEEKLY;BYDAY=MO;UNTIL=20260501"),
    ],
)
def test_repeating(words: str, first: str, rule: str):
    assert read_phrase(words, NOW) == Phrase(date.fromisoformat(first), None, rule)


def test_repeating_at_a_time():
    assert read_phrase("every month @ 13:00", NOW) == Phrase(date(2026, 2, 4), time(13), "FREQ=MONTHLY")
    assert read_phrase("every mon at 9am", NOW) == Phrase(date(2026, 2, 9), time(9), "FREQ=WEEKLY;BYDAY=MO")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "someday",
        "jährlich",
        "10/07/2026",
        "every",
        "every fortnight",
        "31 Feb",
        "every 40th",
        "today at 25:00",
        "ma",
    ],
)
def test_not_understood(words: str):
    assert read_phrase(words, NOW) is None


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from(
                [
                    "every",
                    "other",
                    "3",
                    "99999",
                    "31",
                    "feb",
                    "29",
                    "days",
                    "monday",
                    "at",
                    "5pm",
                    "starting",
                    "until",
                    "in",
                    "year",
                    ",",
                    "1st",
                    "last",
                ]
            ),
            max_size=7,
        ).map(" ".join),
    )
)
def test_any_words_have_a_meaning_or_none(words: str):
    read_phrase(words, NOW)
