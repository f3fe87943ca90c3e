"""What a user wants: briefs, SMS and notifications in one object, changed in part (CONTRACT 5).

Queued jobs follow at once: triggers of the schedules move or cancel what waits, and a notification looks when it runs.
"""

from __future__ import annotations

import json
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

# What a user without a row of their own has: no briefs and no reminders, until they are asked for.
_READ = text("""
    select u.timezone,
           coalesce(b.is_active, false) as brief_is_active, coalesce(b.frequency, 'daily') as brief_frequency,
           coalesce(b.time_of_day, '09:00') as brief_time_of_day, coalesce(b.day_of_week, 1) as brief_day_of_week,
           coalesce(b.email_enabled, false) as brief_email_enabled,
           s.phone_number as sms_phone_number, coalesce(s.phone_verified, false) as sms_phone_verified,
           coalesce(s.opted_out, false) as sms_opted_out,
           coalesce(s.event_reminders_enabled, false) as sms_event_reminders_enabled,
           coalesce(s.event_reminder_lead_time_minutes, 15) as sms_event_reminder_lead_time_minutes,
           coalesce(s.daily_sms_limit, 10) as sms_daily_sms_limit, s.quiet_hours_start as sms_quiet_hours_start,
           s.quiet_hours_end as sms_quiet_hours_end, coalesce(s.urgent_alerts, true) as sms_urgent_alerts,
           coalesce(n.push_enabled, true) as notifications_push_enabled, coalesce(n.email_enabled, true) as notifications_email_enabled,
           coalesce(n.in_app_enabled, true) as notifications_in_app_enabled, coalesce(n.sms_enabled, true) as notifications_sms_enabled,
           coalesce(n.do_not_disturb, false) as notifications_do_not_disturb,
           n.quiet_hours_start as notifications_quiet_hours_start, n.quiet_hours_end as notifications_quiet_hours_end,
           coalesce(n.event_channels, '{}') as notifications_event_channels
    from users u
    left join user_brief_preferences b on b.user_id = u.id
    left join user_sms_preferences s on s.user_id = u.id
    left join user_notification_preferences n on n.user_id = u.id
    where u.id = :user_id
""")

_NEW_BRIEF = text(
    "insert into user_brief_preferences (user_id, is_active) values (:user_id, false) on conflict do nothing"
)
_BRIEF = text("""
    update user_brief_preferences p
    set is_active = coalesce(g.is_active, p.is_active), frequency = coalesce(g.frequency, p.frequency),
        time_of_day = coalesce(g.time_of_day, p.time_of_day), day_of_week = coalesce(g.day_of_week, p.day_of_week),
        email_enabled = coalesce(g.email_enabled, p.email_enabled)
    from jsonb_to_record(cast(:given as jsonb))
         as g (is_active boolean, frequency text, time_of_day time, day_of_week int, email_enabled boolean)
    where p.user_id = :user_id
""")

_NEW_SMS = text("insert into user_sms_preferences (user_id) values (:user_id) on conflict do nothing")
# Another number is not a verified one; that somebody has opted out is known with its time.
_SMS = text("""
    update user_sms_preferences p
    set phone_number = case when g.given ? 'phone_number' then g.phone_number else p.phone_number end,
        phone_verified = coalesce(
            g.phone_verified,
            p.phone_verified and (not g.given ? 'phone_number' or g.phone_number is not distinct from p.phone_number)),
        opted_out = coalesce(g.opted_out, p.opted_out),
        opted_out_at = case when coalesce(g.opted_out, p.opted_out) then coalesce(p.opted_out_at, :now) end,
        event_reminders_enabled = coalesce(g.event_reminders_enabled, p.event_reminders_enabled),
        event_reminder_lead_time_minutes = coalesce(g.event_reminder_lead_time_minutes, p.event_reminder_lead_time_minutes),
        daily_sms_limit = coalesce(g.daily_sms_limit, p.daily_sms_limit),
        quiet_hours_start = case when g.given ? 'quiet_hours_start' then g.quiet_hours_start else p.quiet_hours_start end,
        quiet_hours_end = case when g.given ? 'quiet_hours_end' then g.quiet_hours_end else p.quiet_hours_end end,
        urgent_alerts = coalesce(g.urgent_alerts, p.urgent_alerts)
    from (
        select cast(:given as jsonb) as given, r.* from jsonb_to_record(cast(:given as jsonb))
        as r (phone_number text, phone_verified boolean, opted_out boolean, event_reminders_enabled boolean,
              event_reminder_lead_time_minutes int, daily_sms_limit int, quiet_hours_start time, quiet_hours_end time,
              urgent_alerts boolean)
    ) g
    where p.user_id = :user_id
""")

_NEW_NOTIFICATIONS = text(
    "insert into user_notification_preferences (user_id) values (:user_id) on conflict do nothing"
)
_NOTIFICATIONS = text("""
    update user_notification_preferences p
    set push_enabled = coalesce(g.push_enabled, p.push_enabled), email_enabled = coalesce(g.email_enabled, p.email_enabled),
        in_app_enabled = coalesce(g.in_app_enabled, p.in_app_enabled), sms_enabled = coalesce(g.sms_enabled, p.sms_enabled),
        do_not_disturb = coalesce(g.do_not_disturb, p.do_not_disturb),
        quiet_hours_start = case when g.given ? 'quiet_hours_start' then g.quiet_hours_start else p.quiet_hours_start end,
        quiet_hours_end = case when g.given ? 'quiet_hours_end' then g.quiet_hours_end else p.quiet_hours_end end,
        event_channels = coalesce(g.event_channels, p.event_channels)
    from (
        select cast(:given as jsonb) as given, r.* from jsonb_to_record(cast(:given as jsonb))
        as r (push_enabled boolean, email_enabled boolean, in_app_enabled boolean, sms_enabled boolean, do_not_disturb boolean,
              quiet_hours_start time, quiet_hours_end time, event_channels jsonb)
    ) g
    where p.user_id = :user_id
""")

_PARTS = {
    "brief": (_NEW_BRIEF, _BRIEF),
    "sms": (_NEW_SMS, _SMS),
    "notifications": (_NEW_NOTIFICATIONS, _NOTIFICATIONS),
}


def read_preferences(conn: Connection, user_id: UUID) -> dict[str, Any] | None:
    """`{timezone, brief, sms, notifications}` as JSON, defaults where nothing was chosen; None for an unknown user."""
    row = conn.execute(_READ, {"user_id": user_id}).mappings().one_or_none()
    if row is None:
        return None
    found: dict[str, Any] = {"timezone": row["timezone"]}
    for part in _PARTS:
        found[part] = {
            name.removeprefix(f"{part}_"): value.isoformat() if isinstance(value, time) else value
            for name, value in row.items()
            if name.startswith(f"{part}_")
        }
    return found


def change_preferences(conn: Connection, user_id: UUID, given: dict[str, dict[str, Any]], now: Any) -> None:
    """Change what is given, part by part, and leave the rest. The values are checked; null clears a number or quiet hours.

    A user without a row gets one that asks for nothing but what is given.
    """
    for part, values in given.items():
        add, change = _PARTS[part]
        parameters = {"user_id": user_id, "given": json.dumps(values)}
        conn.execute(add, {"user_id": user_id})
        conn.execute(change, parameters | ({"now": now} if part == "sms" else {}))


def change_timezone(conn: Connection, user_id: UUID, timezone: str) -> None:
    """Move a user to another time zone."""
    conn.execute(text("update users set timezone = :timezone where id = :id"), {"id": user_id, "timezone": timezone})
