"""The finished tasks that may come again, and the instances that follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from app.features.upkeep.rules import Finished, NextInstance

# Dates that a SQL client may write and no calendar holds are left alone.
_FINISHED = text(
    """
    select t.id, t.start_date, t.due_date, t.all_day, coalesce(t.completed_at, t.updated_at), t.recurrence, t.recurrence_start, u.timezone
    from tasks t join users u on u.id = t.user_id
    where t.id > :after and t.recurrence is not null and t.status = 'done' and t.deleted_at is null and t.recurrence_settled_at is null
      and coalesce(t.start_date, t.updated_at) between '1900-01-01Z' and '9000-01-01Z'
      and coalesce(t.due_date, t.updated_at) between '1900-01-01Z' and '9000-01-01Z'
      and coalesce(t.completed_at, t.updated_at) between '1900-01-01Z' and '9000-01-01Z'
      and coalesce(t.recurrence_start, '2000-01-01') between '1900-01-01' and '9000-01-01'
    order by t.id limit :limit
    for update of t skip locked
    """
)
_ADD = text(
    """
    insert into tasks (user_id, project_id, title, description, priority, start_date, due_date, all_day, recurrence,
                       recurrence_parent_id, recurrence_start)
    select t.user_id, t.project_id, t.title, t.description, t.priority, n.start_date, n.due_date, n.all_day, t.recurrence,
           coalesce(t.recurrence_parent_id, t.id), n.recurrence_start
    from unnest(cast(:ids as uuid[]), cast(:starts as timestamptz[]), cast(:dues as timestamptz[]), cast(:all_day as boolean[]),
                cast(:series as timestamp[])) with ordinality as n (id, start_date, due_date, all_day, recurrence_start, place)
    join tasks t on t.id = n.id order by n.place
    """
)


def finished(conn: Connection, after: UUID, limit: int) -> list[Finished]:
    """Finished recurring tasks that nobody has looked at, in the order of their ids; they are locked, so that no other run takes them."""
    return [Finished(*row) for row in conn.execute(_FINISHED, {"after": after, "limit": limit})]


def add_instances(conn: Connection, found: Sequence[tuple[UUID, NextInstance]]) -> None:
    """Add the task that follows each of these."""
    if found:
        conn.execute(
            _ADD,
            {
                "ids": [task_id for task_id, _ in found],
                "starts": [next_.start_date for _, next_ in found],
                "dues": [next_.due_date for _, next_ in found],
                "all_day": [next_.all_day for _, next_ in found],
                "series": [next_.recurrence_start for _, next_ in found],
            },
        )


def settle(conn: Connection, ids: Sequence[UUID], now: datetime) -> None:
    """These have had their next instance, or there is none: they are not looked at again."""
    conn.execute(
        text("update tasks set recurrence_settled_at = :now where id = any(:ids)"), {"ids": list(ids), "now": now}
    )
