"""What users want of text messages, as /sms/scheduled shows and changes it (CONTRACT 5)."""

from __future__ import annotations

from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

MOST = 1000  # users in one answer

_SHOWN = """
    user_id, phone_number, event_reminders_enabled as enabled, event_reminder_lead_time_minutes as lead_time_minutes,
    regexp_replace(cast(quiet_hours_start as text), '[:]00$', '') as quiet_hours_start,
    regexp_replace(cast(quiet_hours_end as text), '[:]00$', '') as quiet_hours_end,
    phone_verified, opted_out, daily_sms_limit, urgent_alerts
"""


def list_wishes(
    conn: Connection, user_id: UUID | None, *, limit: int = MOST, after: UUID | None = None
) -> list[dict[str, Any]]:
    """The preferences of a user, or of all users after `after` by id, at most `limit`."""
    rows = conn.execute(
        text(f"""
            select {_SHOWN} from user_sms_preferences
            where user_id = coalesce(cast(:user_id as uuid), user_id) and (cast(:after as uuid) is null or user_id > :after)
            order by user_id limit :limit
        """),
        {"user_id": user_id, "after": after, "limit": limit},
    ).mappings()
    return [{"userId": str(row["user_id"]), **{name: row[name] for name in row if name != "user_id"}} for row in rows]


def change_wishes(
    conn: Connection,
    user_id: UUID,
    *,
    enabled: bool | None = None,
    lead_time_minutes: int | None = None,
    quiet_hours_start: time | None = None,
    quiet_hours_end: time | None = None,
    daily_sms_limit: int | None = None,
    urgent_alerts: bool | None = None,
    phone_number: str | None = None,
) -> bool:
    """Change what is given; None leaves a value as it is. Returns whether anything is different now.

    A number that changes has to be verified anew: nobody may have us write to somebody else's.
    """
    values = {
        "user_id": user_id,
        "enabled": enabled,
        "lead": lead_time_minutes,
        "quiet_start": quiet_hours_start,
        "quiet_end": quiet_hours_end,
        "daily_limit": daily_sms_limit,
        "urgent": urgent_alerts,
        "phone": phone_number,
    }
    conn.execute(text("insert into user_sms_preferences (user_id) values (:user_id) on conflict do nothing"), values)
    return conn.execute(_CHANGE, values).first() is not None


_CHANGE = text("""
    with wanted as (
        select p.id, coalesce(cast(:enabled as boolean), p.event_reminders_enabled) as enabled,
               coalesce(cast(:lead as int), p.event_reminder_lead_time_minutes) as lead,
               coalesce(cast(:quiet_start as time), p.quiet_hours_start) as quiet_start,
               coalesce(cast(:quiet_end as time), p.quiet_hours_end) as quiet_end,
               coalesce(cast(:daily_limit as int), p.daily_sms_limit) as daily_limit,
               coalesce(cast(:urgent as boolean), p.urgent_alerts) as urgent,
               coalesce(cast(:phone as text), p.phone_number) as phone
        from user_sms_preferences p where p.user_id = :user_id for update
    )
    update user_sms_preferences p
    set event_reminders_enabled = w.enabled, event_reminder_lead_time_minutes = w.lead, quiet_hours_start = w.quiet_start,
        quiet_hours_end = w.quiet_end, daily_sms_limit = w.daily_limit, urgent_alerts = w.urgent, phone_number = w.phone,
        phone_verified = p.phone_verified and w.phone is not distinct from p.phone_number
    from wanted w
    where p.id = w.id
      and (p.event_reminders_enabled, p.event_reminder_lead_time_minutes, p.quiet_hours_start, p.quiet_hours_end,
           p.daily_sms_limit, p.urgent_alerts, p.phone_number)
          is distinct from (w.enabled, w.lead, w.quiet_start, w.quiet_end, w.daily_limit, w.urgent, w.phone)
    returning p.id
""")
