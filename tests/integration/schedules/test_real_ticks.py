"""The ticks themselves, hour by hour, in many zones at once: some missed, some sent twice. Who got which brief, and when?"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import date, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from app.features.schedules.rules import BriefTime, runs_between
from tests.integration.schedules.people import LEAD, add_user, jobs, tick, wants_briefs
from tests.integration.schedules.zones import SAMPLE, same_in_both, schedules, utc

HOUR = timedelta(hours=1)
# The weeks in which most clocks change; in `make test-scheduler` all of them.
SPANS = [(utc(2025, 3, 28, 12), utc(2025, 4, 2)), (utc(2025, 10, 25), utc(2025, 10, 28))]
YEAR = (utc(2025, 1, 1), utc(2026, 1, 1))


def spans() -> list[tuple[datetime, datetime]]:
    return [YEAR] if os.environ.get("ZONES") == "all" else SPANS


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("start, end", spans())
def test_everybody_gets_every_brief_once_and_in_time(
    conn: Connection, capsys: pytest.CaptureFixture, start: datetime, end: datetime
) -> None:
    zones, _ = same_in_both(conn, list(SAMPLE), start, end)
    wanted: dict[UUID, BriefTime] = {}
    for name in zones:
        for brief_time in schedules(name, start, end):
            user = add_user(conn, name)
            wants_briefs(conn, user, brief_time.time_of_day, brief_time.frequency, brief_time.day_of_week)
            wanted[user] = brief_time
    conn.execute(text("analyze"))

    luck = random.Random(7)
    count: Counter = Counter()
    now, missed = start, 0
    ticked_at: list[datetime] = []
    while now < end:
        if now == start or missed == 3 or luck.random() > 0.2:
            count["queued"] += tick(conn, now)
            ticked_at.append(now)
            missed = 0
            if luck.random() < 0.1:
                count["twice"] += tick(conn, now)
        else:
            count["missed ticks"] += 1
            missed += 1
        now += HOUR

    covered = ticked_at[-1] + HOUR
    got: dict[UUID, dict[date, datetime]] = {user: {} for user in wanted}
    for job in jobs(conn, status=None):
        day = date.fromisoformat(job.metadata["briefDate"])
        count["doubled"] += day in got[job.user_id]
        got[job.user_id][day] = job.scheduled_for
        count["jobs"] += 1
    for user, brief_time in wanted.items():
        for run in runs_between(brief_time, start, covered):
            at = got[user].pop(run.date, None)
            noticed = next(moment for moment in ticked_at if moment + HOUR >= run.at)
            count["missed"] += at is None
            count["wrong time"] += at is not None and at != max(run.at - LEAD, noticed)
        count["not asked for"] += len(got[user])
    with capsys.disabled():
        print(f"\n{len(wanted)} users, {len(ticked_at)} ticks, {count['missed ticks']} missed: {count['jobs']} jobs; "
              f"{count['missed']} missed, {count['doubled']} doubled, {count['wrong time']} at a wrong time")  # fmt: skip
    assert count["jobs"] == count["queued"] > 0
    assert (count["missed"], count["doubled"], count["twice"], count["wrong time"], count["not asked for"]) == (0, 0, 0, 0, 0)


def test_a_time_of_day_with_seconds(conn: Connection) -> None:
    user = add_user(conn, "Asia/Kathmandu")
    wants_briefs(conn, user, time(6, 44, 59))
    assert tick(conn, utc(2026, 1, 1)) == 1
    assert jobs(conn)[0].metadata["notificationScheduledFor"] == "2026-01-01T00:59:59Z"
