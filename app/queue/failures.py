"""What failed lately, grouped by what was said: numbers and ids in a message make no group of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

MOST_LOOKED_AT = 5_000  # failures of a type, the latest
VARIES = "…"

# By the index of what did not go well, type by type; the latest of each group stands for it.
_GROUPS = text(
    r"""
    with latest as (
        select e.* from unnest(enum_range(null::queue_type)) t cross join lateral (
            select e.job_id, e.job_type, e."to", e.at, coalesce(nullif(e.message, ''), 'no message') as message from job_events e
            where e.job_type = t and e.at > :since
              and e."from" = 'processing' and (e."to" in ('failed', 'retrying') or e."to" = 'pending' and e.message = 'stalled')
            order by e.at desc limit :most
        ) e
    ), said as (
        select l.*, left(regexp_replace(l.message, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[[:xdigit:]]{16,}|\d+', '…', 'g'), 300) as pattern from latest l
    )
    select job_type::text, pattern, count(*) filter (where "to" = 'failed') as failed, count(*) filter (where "to" <> 'failed') as retried,
           max(at) as last_at, (array_agg(job_id order by at desc))[1]::text as last_job, (array_agg(message order by at desc))[1] as last_message
    from said group by 1, 2 order by count(*) desc, last_at desc limit :groups
    """
)


@dataclass(frozen=True)
class FailureGroup:
    """Failed attempts of a type that said the same. `failed` ended the job, `retried` did not; `text` finds them in the list of jobs."""

    job_type: str
    pattern: str
    failed: int
    retried: int
    last_at: datetime
    last_job: str
    last_message: str

    @property
    def text(self) -> str:
        """The longest part of the message that they share, word for word."""
        return max((part.strip() for part in self.pattern.split(VARIES)), key=len)


def failure_groups(conn: Connection, since: datetime, *, limit: int = 20) -> list[FailureGroup]:
    """The groups of failed attempts after `since` (aware), the largest first; of very many failures the latest are looked at."""
    rows = conn.execute(_GROUPS, {"since": since, "most": MOST_LOOKED_AT, "groups": limit})
    return [FailureGroup(**{**row._mapping, "last_message": _first_line(row.last_message)}) for row in rows]


def _first_line(message: str) -> str:
    return re.sub(r"\s+", " ", message)[:500]
