"""What the SMS feature decides: pure functions, the clock passed in (CONTRACT 8.3, 13).

Instants are aware. `alembic/sql/0008_sms/2_reminders.sql` holds the rule of a reminder's time in SQL;
`tests/integration/sms/test_reminder_times.py` holds one against the other.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from app.features.sms.models import Wishes
from app.ports.sms import SmsError, SmsRefused
from app.queue.errors import PermanentError, TransientError
from app.queue.models import PHONE_NUMBER

DAY = timedelta(days=1)
URGENT, ORDINARY = 5, 10  # priorities

QUIET = "quiet hours"
BEGUN = "the event has begun"


def local_to_utc(local: datetime, zone: tzinfo) -> datetime:
    """The instant at which clocks show a local time: the first where it is shown twice, later by the gap where never."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def day_span(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Where a local date begins and ends."""
    return local_to_utc(datetime.combine(day, time()), zone), local_to_utc(datetime.combine(day + DAY, time()), zone)


def is_quiet(local: time, begins: time | None, ends: time | None) -> bool:
    """Whether clocks that show `local` are in quiet hours.

    The beginning is included, the end is not; they go over midnight where they begin later than they end; equal or missing
    means that there are none.
    """
    if begins is None or ends is None or begins == ends:
        return False
    return begins <= local < ends if begins < ends else local >= begins or local < ends


def quiet_hours_end(at: datetime, ends: time, zone: tzinfo) -> datetime:
    """The first instant after `at` at which clocks show the end of quiet hours."""
    local = at.astimezone(zone)
    shown = datetime.combine(local.date() + (timedelta() if local.time() < ends else DAY), ends)
    first = local_to_utc(shown, zone)
    return first if first > at else shown.replace(tzinfo=zone, fold=1).astimezone(UTC)


def reminder_at(
    start: datetime, lead: timedelta, begins: time | None, ends: time | None, zone: tzinfo, not_before: datetime | None
) -> datetime | None:
    """When the reminder of an event is sent; None: not at all.

    The lead time before the event, but not before `not_before`; inside of quiet hours at their end, where that is before the
    event.
    """
    at = start - lead
    if not_before is not None:
        at = max(at, not_before)
    if at > start:
        return None
    if not is_quiet(at.astimezone(zone).time(), begins, ends):
        return at.astimezone(UTC)
    assert ends is not None
    later = quiet_hours_end(at, ends, zone)
    return later if later < start else None


def is_phone_number(number: str | None) -> bool:
    """Whether a number is E.164, and long enough for its country."""
    if not number or not PHONE_NUMBER.fullmatch(number):
        return False
    import phonenumbers  # slow to import; only processes that send texts know numbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False


def refusal(wishes: Wishes | None, number: str, *, urgent: bool, reminder: bool, now: datetime) -> str | None:
    """Why a message must not go at this moment; None where it may. The daily limit is asked for separately.

    Quiet hours hold for a reminder too, but it is moved rather than refused: ask `reminder_at` first.
    """
    if not is_phone_number(number):
        return f"phone_number: {number} is not a valid phone number"
    if wishes is None or not wishes.phone_verified or not wishes.phone_number:
        return "the phone number is not verified"
    if wishes.phone_number != number:
        return "phone_number: is not the user's verified number"
    if wishes.opted_out:
        return "the user has opted out of text messages"
    if reminder and not wishes.event_reminders_enabled:
        return "reminders are switched off"
    passes = urgent and wishes.urgent_alerts
    if not passes and is_quiet(now.astimezone(wishes.zone).time(), wishes.quiet_hours_start, wishes.quiet_hours_end):
        return QUIET
    return None


def over_limit(limit: int, sent_today: int) -> str | None:
    """Why one more message would be too many for the user's day; None where it is not. 0 means none at all."""
    return None if sent_today < limit else f"the daily limit of {limit} text messages is reached"


# Twilio's words for a message, in the order in which they can follow each other. Nothing follows an end.
_STEPS = {"scheduled": 0, "accepted": 0, "queued": 1, "sending": 2, "sent": 3}
_ENDS = {"delivered": 4, "undelivered": 4, "failed": 4, "canceled": 4, "read": 5}
RANKS = _STEPS | _ENDS


def is_news(known: str | None, status: str) -> bool:
    """Whether a status says more than the one that is known: late and repeated ones do not, unknown words neither."""
    if status not in RANKS:
        return False
    return known not in RANKS or RANKS[status] > RANKS[known] and known not in ("undelivered", "failed", "canceled")


def retry_delay(base: float, retry: int) -> timedelta:
    """How long the `retry`-th further copy waits after a failed delivery; `base` is RETRY_BACKOFF_BASE in seconds."""
    return timedelta(seconds=base * 2**retry)


_STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"}
_START = {"START", "YES", "UNSTOP"}


def opts_out(body: str, opt_out_type: str | None = None) -> bool | None:
    """Whether a message that came in stops (True) or starts (False) ours; None where it says neither.

    The word must be all there is, in any case. `opt_out_type` is what Twilio made of it, where it tells.
    """
    word = (opt_out_type or re.sub(r"[^\w]", "", body)).upper()
    return True if word in _STOP else False if word in _START else None


def job_error(error: SmsError) -> PermanentError | TransientError:
    """What a failed copy means for the job: a refusal ends it, anything else is worth another attempt."""
    return PermanentError(str(error)) if isinstance(error, SmsRefused) else TransientError(str(error))
