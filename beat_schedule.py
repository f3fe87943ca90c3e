"""What Celery beat sends, and when (UTC; CONTRACT 7). Pure data: the tasks are named, not imported.

Every tick may be sent twice or not at all: the tasks find out themselves what is still to be done. A tick that no worker took
before the next one expires, so that ticks do not pile up.
"""

from __future__ import annotations

from celery.schedules import crontab

MINUTE = 60.0
HOUR = 60 * MINUTE

BEAT_SCHEDULE = {
    "check_and_schedule_briefs": {
        "task": "check_and_schedule_briefs",
        "schedule": crontab(minute="0"),
        "options": {"expires": HOUR - MINUTE},
    },
    "check_and_schedule_daily_sms": {
        "task": "check_and_schedule_daily_sms",
        "schedule": crontab(minute="0", hour="0"),
        "options": {"expires": 24 * HOUR - MINUTE},
    },
    "schedule_recurring_tasks": {
        "task": "schedule_recurring_tasks",
        "schedule": crontab(minute="10", hour="0"),
        "options": {"expires": 24 * HOUR - MINUTE},
    },
    "schedule_cleanup": {
        "task": "schedule_cleanup",
        "schedule": crontab(minute="20", hour="3"),
        "options": {"expires": 24 * HOUR - MINUTE},
    },
    # A tick that was missed (beat down, a deploy) is caught up within minutes, not an hour or a day later.
    "catch_up_schedules": {
        "task": "catch_up_schedules",
        "schedule": crontab(minute="2-59/5"),
        "options": {"expires": 4 * MINUTE},
    },
    # Feeds to be read again, calendars that cannot call us, channels that are about to end.
    "queue_calendar_syncs": {
        "task": "queue_calendar_syncs",
        "schedule": crontab(minute="4-59/5"),
        "options": {"expires": 4 * MINUTE},
    },
    "log_queue_stats": {
        "task": "log_queue_stats",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 4 * MINUTE},
    },
    "refresh_sms_metrics": {
        "task": "refresh_sms_metrics",
        "schedule": crontab(minute="*/5"),
        "options": {"expires": 4 * MINUTE},
    },
    # Every worker sweeps by itself; this one is for the minute in which none does.
    "sweep": {
        "task": "sweep",
        "schedule": MINUTE,
        "options": {"expires": MINUTE - 5},
    },
}
