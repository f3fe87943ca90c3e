"""The table of CONTRACT 7 as Beat gets it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery.schedules import crontab, maybe_schedule

from beat_schedule import BEAT_SCHEDULE


def test_the_table() -> None:
    table = {name: (entry["task"], entry["schedule"]) for name, entry in BEAT_SCHEDULE.items()}
    assert table == {
        "check_and_schedule_briefs": ("check_and_schedule_briefs", crontab(minute="0")),
        "check_and_schedule_daily_sms": ("check_and_schedule_daily_sms", crontab(minute="0", hour="0")),
        "schedule_recurring_tasks": ("schedule_recurring_tasks", crontab(minute="10", hour="0")),
        "schedule_cleanup": ("schedule_cleanup", crontab(minute="20", hour="3")),
        "catch_up_schedules": ("catch_up_schedules", crontab(minute="2-59/5")),
        "queue_calendar_syncs": ("queue_calendar_syncs", crontab(minute="4-59/5")),
        "log_queue_stats": ("log_queue_stats", crontab(minute="*/5")),
        "refresh_sms_metrics": ("refresh_sms_metrics", crontab(minute="*/5")),
        "sweep": ("sweep", 60.0),
    }


@pytest.mark.parametrize("name", BEAT_SCHEDULE)
def test_a_tick_expires_before_the_next(name: str) -> None:
    entry = BEAT_SCHEDULE[name]
    schedule = maybe_schedule(entry["schedule"])
    between = schedule.run_every if hasattr(schedule, "run_every") else period(schedule)
    assert timedelta(0) < timedelta(seconds=entry["options"]["expires"]) < between


def period(cron: crontab) -> timedelta:
    """The shortest time between two ticks of an entry whose hours are all or one."""
    if len(cron.hour) == 1:
        return timedelta(days=1)
    minutes = sorted(cron.minute)
    return timedelta(minutes=min(b - a for a, b in zip(minutes, [*minutes[1:], minutes[0] + 60], strict=True)))
