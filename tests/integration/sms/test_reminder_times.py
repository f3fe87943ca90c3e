"""The rule in SQL against the rule in Python: when a reminder is sent, in many zones, around every clock change of a year."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text

from app.features.sms.rules import is_quiet, reminder_at
from tests.integration.schedules.zones import changes, same_in_both, utc, wanted_zones
from tests.support.servers import Database

YEAR = (utc(2025, 1, 1), utc(2026, 1, 1))  # gone by: its rules change no more
HOURS = [
    (time(22), time(7)),
    (time(22), time(2, 30)),
    (time(1, 30), time(2, 30)),
    (time(0), time(0)),
    (time(9), time(17, 30)),
]
LEADS = (0, 15, 90, 1440)  # minutes
STEP = timedelta(minutes=35)
SQL = text("""
    select n, sms_reminder_at(start, lead, quiet_from, quiet_until, zone, not_before)
    from unnest(cast(:starts as timestamptz[]), cast(:leads as int[]), cast(:froms as time[]), cast(:untils as time[]),
                cast(:zones as text[]), cast(:not_before as timestamptz[])) with ordinality
        as t (start, lead, quiet_from, quiet_until, zone, not_before, n)
    order by n
""")


def cases(zone: str) -> list[tuple[datetime, int, time, time, str, datetime | None]]:
    """Events around each clock change of a zone and on an ordinary day, each with every kind of quiet hours."""
    moments = [change.at for change in changes(zone, *YEAR)] + [utc(2025, 5, 14, 3)]
    tried = []
    for moment in moments:
        for step in range(-42, 43, 2):
            start = moment + step * STEP
            hours = HOURS[step % len(HOURS)]
            lead = LEADS[step // 2 % len(LEADS)]
            not_before = start + timedelta(minutes=step % 7 * 10 - 40) if step % 3 == 0 else None
            tried += [(start, lead, *hours, zone, not_before), (start, 15, time(22), time(2, 30), zone, None)]
    return tried


def test_the_rule_in_sql_is_the_rule_in_python(database: Database) -> None:
    with database.engine.connect() as conn:
        agree, _ = same_in_both(conn, wanted_zones(), *YEAR)
        tried = [case for zone in agree for case in cases(zone)]
        names = ("starts", "leads", "froms", "untils", "zones", "not_before")
        found = [
            at
            for _, at in conn.execute(
                SQL, {name: list(values) for name, values in zip(names, zip(*tried), strict=True)}
            )
        ]
    wrong, moved, skipped = [], 0, 0
    for (start, lead, begins, ends, name, not_before), in_sql in zip(tried, found, strict=True):
        zone = ZoneInfo(name)
        here = reminder_at(start, timedelta(minutes=lead), begins, ends, zone, not_before)
        if here != in_sql:
            wrong.append((name, start, lead, begins, ends, not_before, here, in_sql))
        # What holds whatever the rule looks like.
        if here is not None:
            earliest = max(start - timedelta(minutes=lead), not_before or start - timedelta(days=1))
            assert earliest <= here <= start
            assert not is_quiet(here.astimezone(zone).time(), begins, ends), (name, start, here)
            moved += here > earliest
        else:
            skipped += 1
    print(f"{len(tried)} reminders in {len(agree)} zones: {len(wrong)} differ, {moved} moved, {skipped} skipped")
    assert wrong == [] and moved > 100 and skipped > 100
