"""From us to Google: the events of tasks, made, changed and deleted. Each step may be done twice and is then done once."""

from __future__ import annotations

from typing import Any

from app.features.calendar import links
from app.features.calendar.account import Account, ConnectionBroken
from app.features.calendar.google_events import body_of
from app.features.calendar.links import Link
from app.features.calendar.pulling import instant
from app.features.calendar.run import Run
from app.formats.problems import ImportProblem
from app.ports.calendar import EventChanged, EventExists, EventGone, GoogleCalendar
from app.queue.errors import PermanentError

MOST = 200  # links of one run; the tick queues another for the rest


def push(run: Run, account: Account, google: GoogleCalendar) -> bool:
    """Tell Google what waits. False when an event has another version there by now: read first, then push again.

    Raises as `Account.call`, save that an event which Google refuses is reported and left.
    """
    with run.transaction() as conn:
        waiting = links.waiting(conn, run.connection.id, MOST)
    agreed = True
    for number, link in enumerate(waiting):
        run.job.progress(
            "writing", 90 + 8 * number / len(waiting), f"Writing to your calendar ({number} of {len(waiting)})"
        )
        try:
            agreed = _tell(run, account, google, link) and agreed
        except ConnectionBroken:
            raise
        except PermanentError as refusal:
            run.notes.problems.append(ImportProblem(str(refusal), f"task {link.task_id}"))
            with run.transaction() as conn:
                if link.sync_status == "deleting":
                    links.delete(conn, link.id)  # it stays at Google, and is nobody's task any more
                else:
                    links.failed(conn, link, str(refusal))
    return agreed


def _tell(run: Run, account: Account, google: GoogleCalendar, link: Link) -> bool:
    calendar_id = run.connection.calendar_id
    if link.sync_status == "deleting":
        try:
            account.call(lambda access: google.delete(access, calendar_id, link.remote_id))
        except EventGone:
            pass
        with run.transaction() as conn:
            links.delete(conn, link.id)
        run.result.pushed += 1
        return True
    with run.transaction() as conn:
        event = links.event(conn, link.calendar_event_id)
    if event is None:
        raise PermanentError("the event is no longer one of the task's alone")
    body = body_of(event)
    if body == link.pushed:
        with run.transaction() as conn:
            links.took(conn, link, link.etag, link.remote_updated, body, link.pushed_at)
        return True
    try:
        answer = _written(account, google, calendar_id, link, body)
    except EventChanged:
        return False
    except EventGone:  # deleted there: the task leaves the calendar
        with run.transaction() as conn:
            links.remove(conn, link, run.now)
            links.delete(conn, link.id)
        run.result.removed += 1
        return True
    with run.transaction() as conn:
        links.took(conn, link, _etag(answer), instant(answer.get("updated")), body, run.now)
    run.result.pushed += 1
    return True


def _written(
    account: Account, google: GoogleCalendar, calendar_id: str, link: Link, body: dict[str, Any]
) -> dict[str, Any]:
    if link.pushed is not None:
        return account.call(lambda access: google.patch(access, calendar_id, link.remote_id, body, link.etag))
    try:
        fresh = {"id": link.remote_id, **{name: _given(value) for name, value in body.items()}}
        return account.call(lambda access: google.insert(access, calendar_id, fresh))
    except EventExists:
        # An earlier try got through, though nobody told us.
        found = account.call(lambda access: google.event(access, calendar_id, link.remote_id))
        again = {**body, "status": "confirmed"}
        return account.call(lambda access: google.patch(access, calendar_id, link.remote_id, again, _etag(found)))


def _given(value: Any) -> Any:
    return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


def _etag(answer: dict[str, Any]) -> str | None:
    return answer.get("etag") if isinstance(answer.get("etag"), str) else None
