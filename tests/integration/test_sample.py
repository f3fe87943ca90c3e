"""The sample user: its work lies around today as its own timezone has it, and a second time changes nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from app.embedded import sample
from tests.support.servers import Database

# 22:30 on 7 March in New York, already the 8th in UTC, hours before the clocks change there.
LATE_EVENING = datetime(2026, 3, 8, 3, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "today"), [(LATE_EVENING, date(2026, 3, 7)), (LATE_EVENING + timedelta(hours=9), date(2026, 3, 8))]
)
def test_there_is_something_for_every_part_of_a_brief(database: Database, now: datetime, today: date) -> None:
    user_id = sample.ensure(database.engine, now)
    with database.engine.connect() as conn:
        assert conn.execute(text("select id, email from users")).all() == [(user_id, sample.EMAIL)]
        days = conn.execute(
            text(
                "select (due_date at time zone u.timezone)::date - cast(:today as date) from tasks t join users u on u.id = t.user_id "
                "where t.status <> 'done' and due_date is not null order by 1"
            ),
            {"today": today},
        ).scalars()
        distances = list(days)
        assert [sum(d < 0 for d in distances), sum(d == 0 for d in distances), sum(1 <= d <= 7 for d in distances)] == [
            2,
            2,
            3,
        ]
        recent = "select count(*) from tasks where completed_at between :since and :now"
        assert conn.execute(text(recent), {"since": now - timedelta(days=1), "now": now}).scalar_one() == 2
        midnights = "select count(*) from tasks t join users u on u.id = t.user_id where all_day and (due_date at time zone u.timezone)::time <> '00:00'"
        assert conn.execute(text(midnights)).scalar_one() == 0
        events = "select count(*) from calendar_events where (start_time at time zone timezone)::date = :today"
        assert conn.execute(text(events), {"today": today}).scalar_one() == 2


def test_a_second_time_changes_nothing(database: Database) -> None:
    first = sample.ensure(database.engine, LATE_EVENING)
    with database.engine.begin() as conn:
        conn.execute(text("update tasks set title = 'mine now' where title = 'Sharpen the tools'"))
        before = conn.execute(text("select id, title, due_date from tasks order by id")).all()
    assert sample.ensure(database.engine, LATE_EVENING + timedelta(days=3)) == first
    with database.engine.connect() as conn:
        assert conn.execute(text("select id, title, due_date from tasks order by id")).all() == before
        assert conn.execute(text("select count(*) from users")).scalar_one() == 1
