"""The words of a reminder are one text message."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.features.sms.text import cost, fits, reminder

START = datetime(2026, 5, 5, 17, 30, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def words(title: str, location: str | None = None, at: datetime = START) -> str:
    return reminder(title, location, START, at, BERLIN)


def test_the_time_is_the_users_and_the_day_is_named_where_it_is_another() -> None:
    assert words("Team standup") == "Reminder: Team standup at 7:30 PM"
    assert words("Trip", at=datetime(2026, 5, 4, 17, 30, tzinfo=UTC)) == "Reminder: Trip on Tue 5 May at 7:30 PM"
    midnight = datetime(2026, 5, 5, 22, tzinfo=UTC)
    assert reminder("Late", None, midnight, midnight, BERLIN) == "Reminder: Late at 12:00 AM"


def test_a_place_is_named_where_it_fits_and_is_no_link() -> None:
    assert words("Standup", "Room 5") == "Reminder: Standup at 7:30 PM (Room 5)"
    assert words("Standup", "https://meet.example/x") == "Reminder: Standup at 7:30 PM"
    assert words("Standup", "x" * 140) == "Reminder: Standup at 7:30 PM"


@pytest.mark.parametrize(
    ("text", "taken", "room"),
    [
        ("a" * 160, 160, 160),
        ("€" * 80, 160, 160),
        ("ä" * 10, 10, 160),
        ("ç", 1, 70),
        ("漢" * 70, 70, 70),
        ("🎉" * 35, 70, 70),
    ],
    ids=["ascii", "euro counts twice", "umlauts", "a c with a tail", "chinese", "emoji count twice"],
)
def test_what_160_characters_are(text: str, taken: int, room: int) -> None:
    assert cost(text) == (taken, room) and fits(text)


def test_long_titles_are_cut() -> None:
    assert words("a" * 300) == f"Reminder: {'a' * 136}... at 7:30 PM"
    assert len(words("a" * 300)) == 160
    assert words("漢" * 100) == f"Reminder: {'漢' * 46}... at 7:30 PM" and cost(words("漢" * 100)) == (70, 70)
    assert words("x" * 100 + "🎉") == f"Reminder: {'x' * 100}... at 7:30 PM"  # rather without it than cut at 70
    family = "👨‍👩‍👧"
    assert words("a" * 44 + family) == f"Reminder: {'a' * 44}... at 7:30 PM"


def test_marks_that_have_a_plain_twin_cost_nothing() -> None:
    assert words("“Bob’s” plan – part two…") == 'Reminder: "Bob\'s" plan - part two... at 7:30 PM'
    assert words("a\r\nSTOP\u202e\x00 b") == "Reminder: a STOP b at 7:30 PM"
    assert words(" \n ") == "Reminder: an event at 7:30 PM"


@given(st.text(max_size=400), st.text(max_size=200) | st.none())
def test_whatever_the_title_it_is_one_text_message(title: str, location: str | None) -> None:
    said = words(title, location)
    assert len(said) <= 160 and fits(said) and "\n" not in said
    said.encode()
