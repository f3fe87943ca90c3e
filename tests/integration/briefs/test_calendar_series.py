"""Repeating events on a day that nobody has looked at before, as the program is wired."""

from __future__ import annotations

from sqlalchemy import text

from app.features.calendar.service import import_events
from app.formats.ics import read_entries
from app.formats.problems import Notes
from app.wiring import build
from tests.integration.briefs.conftest import NOW, World, unavailable
from tests.support.servers import plain_settings

CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:standup@example.com
SUMMARY:Stand-up
DTSTART;TZID=Europe/Berlin:20260105T093000
DTEND;TZID=Europe/Berlin:20260105T094500
RRULE:FREQ=DAILY
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_a_series_reaches_the_day_of_the_brief_and_no_day_beyond_reason(world: World) -> None:
    with world.engine.begin() as conn:
        notes = Notes()
        import_events(conn, world.user, read_entries(CALENDAR, notes), NOW, notes)
        conn.execute(text("update users set country = null"))
    last = world.rows("select max(start_time) as at from calendar_events")[0]["at"]
    assert last.year < 2028
    briefs = build(plain_settings(), engine=world.engine, clock=world.clock, llm=unavailable()).briefs

    world.run(briefs, briefDate="2028-07-03")
    assert "- **09:30–09:45** Stand-up" in world.page("2028-07-03")

    before = world.rows("select count(*) from calendar_events")
    world.run(briefs, briefDate="2999-12-31")
    assert "*Repeating events could not be worked out for this day" in world.page("2999-12-31")
    assert world.rows("select count(*) from calendar_events") == before
