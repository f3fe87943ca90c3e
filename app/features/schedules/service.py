"""The ticks: thin calls of the SQL functions, each in the caller's transaction, and what is known about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import partial

from sqlalchemy import Connection, text

from app.features.schedules import rules
from app.queue.adding import add_job
from app.queue.reads import find_job


@dataclass(frozen=True)
class Schedule:
    """A schedule as people see it: its Celery task, its cron entry in UTC, and when it ticks next."""

    name: str
    cron: str
    next_run: Callable[[datetime], datetime]


@dataclass(frozen=True)
class ScheduleStatus:
    """What a schedule did last and does next. `queued` counts the jobs of its last success; instants are in UTC."""

    name: str
    cron: str
    last_run: datetime | None
    covered_until: datetime | None
    queued: int | None
    last_error: str | None
    last_error_at: datetime | None
    next_run: datetime


SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Schedule("check_and_schedule_briefs", "0 * * * *", rules.next_hour),
        Schedule("check_and_schedule_daily_sms", "0 0 * * *", rules.next_midnight),
        Schedule("schedule_recurring_tasks", "10 0 * * *", partial(rules.next_daily, at=time(0, 10))),
        Schedule("schedule_cleanup", "20 3 * * *", partial(rules.next_daily, at=time(3, 20))),
    )
}


class UnknownSchedule(Exception):
    """There is no schedule of that name."""


def check_and_schedule_briefs(conn: Connection, now: datetime | None = None) -> int:
    """Queue the briefs that fall due up to an hour after `now` (default: the database's clock). Returns how many."""
    return conn.execute(text("select check_and_schedule_briefs(cast(:now as timestamptz))"), {"now": now}).scalar_one()


def check_and_schedule_daily_sms(conn: Connection, now: datetime | None = None) -> int:
    """Queue the reminders of every local date that begins before the next midnight UTC. Returns how many users' days."""
    return conn.execute(text("select check_and_schedule_daily_sms(cast(:now as timestamptz))"), {"now": now}).scalar_one()


UPKEEP = {"schedule_recurring_tasks": "update_recurring_tasks", "schedule_cleanup": "cleanup_old_data"}


def schedule_upkeep(conn: Connection, name: str, now: datetime | None = None, *, by_hand: bool = False) -> int:
    """Queue a day's upkeep job, once for each date in UTC; by hand again where it is through. Returns the jobs added."""
    job_type = UPKEEP[name]
    moment = now or conn.execute(text("select clock_timestamp()")).scalar_one()
    conn.execute(text("select 1 from schedule_runs where name = :name for update"), {"name": name})
    day = moment.astimezone(UTC).date().isoformat()
    queue = partial(add_job, conn, job_type, user_id=None, metadata={"date": day})
    added = queue(dedup_key=f"{job_type}-{day}")
    if added.deduplicated and by_hand:
        there = find_job(conn, str(added.id))
        added = queue() if there is None or there.status == "completed" else added
    queued = 0 if added.deduplicated else 1
    conn.execute(
        text("select end_tick(:name, :now, :until, :queued)"),
        {"name": name, "now": moment, "until": SCHEDULES[name].next_run(moment), "queued": queued},
    )
    return queued


def run_schedule(conn: Connection, name: str, now: datetime | None = None, *, by_hand: bool = False) -> int:
    """Tick a schedule by its name, `by_hand` when a person asks for it. Returns the jobs added; raises UnknownSchedule."""
    if name in UPKEEP:
        return schedule_upkeep(conn, name, now, by_hand=by_hand)
    ticks = {tick.__name__: tick for tick in (check_and_schedule_briefs, check_and_schedule_daily_sms)}
    if name not in ticks:
        raise UnknownSchedule(name)
    return ticks[name](conn, now)


def missed(conn: Connection, now: datetime | None = None) -> list[str]:
    """The schedules whose last window is over, or that never ran: their tick is overdue."""
    return list(
        conn.execute(
            text(
                "select name from schedule_runs where covered_until is null"
                " or covered_until <= coalesce(cast(:now as timestamptz), clock_timestamp()) order by name"
            ),
            {"now": now},
        ).scalars()
    )


def apply_changes(conn: Connection) -> int:
    """Work on the changes of preferences that came while a tick was running. Returns how many."""
    return conn.execute(text("select apply_schedule_changes()")).scalar_one()


def record_failure(conn: Connection, name: str, error: str) -> None:
    """Remember why a tick failed, in a transaction after the failed one. The next tick covers its window too."""
    conn.execute(
        text("update schedule_runs set last_error = :error, last_error_at = clock_timestamp() where name = :name"),
        {"name": name, "error": error[:2000]},
    )


def schedule_status(conn: Connection, now: datetime | None = None) -> list[ScheduleStatus]:
    """Every schedule with its last and next run."""
    moment = now or datetime.now(UTC)
    rows = conn.execute(text("select * from schedule_runs order by name")).mappings()
    return [
        ScheduleStatus(
            name=row["name"],
            cron=SCHEDULES[row["name"]].cron,
            last_run=row["last_success"],
            covered_until=row["covered_until"],
            queued=row["last_queued"],
            last_error=row["last_error"],
            last_error_at=row["last_error_at"],
            next_run=SCHEDULES[row["name"]].next_run(moment),
        )
        for row in rows
        if row["name"] in SCHEDULES
    ]
