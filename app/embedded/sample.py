"""A small sample user, so that there is something to brief about: work around the day on which it is put in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

EMAIL = "sample@buildos.example"
TIMEZONE = "America/New_York"


@dataclass(frozen=True)
class _Task:
    """`day` counts from today in the user's timezone; no `at` means a date without a time."""

    project: str
    title: str
    priority: str = "medium"
    status: str = "backlog"
    day: int | None = None
    at: str | None = None
    done_hours_ago: int | None = None


PROJECTS = {
    "launch": (
        "Website launch",
        "New site for the spring season.",
        "Goes live in three weeks. Copy is the bottleneck.",
    ),
    "book": ("Photo book", "Twelve years of family photos in one book.", "Print shop needs the files as PDF/X-4."),
    "garden": ("Garden", "Vegetable beds behind the house.", None),
}
TASKS = (
    _Task("launch", "Send the revised quote to the print shop", "high", day=-3),
    _Task("launch", "Renew the domain", "high", "in_progress", day=-1, at="17:00"),
    _Task("launch", "Review the landing page copy", "high", "in_progress", day=0, at="15:00"),
    _Task("book", "Choose the cover photo", day=0),
    _Task("launch", "Set up redirects from the old pages", day=1),
    _Task("launch", "Test the checkout on a phone", "high", "blocked", day=3, at="11:00"),
    _Task("garden", "Order seed potatoes", "low", day=6),
    _Task("book", "Upload the files to the printer", day=14),
    _Task("garden", "Sharpen the tools", "low"),
    _Task("launch", "Draw the icons", status="done", day=-1, done_hours_ago=3),
    _Task("book", "Scan the 2014 album", "low", "done", done_hours_ago=8),
    _Task("garden", "Clear the compost", "low", "done", done_hours_ago=24 * 9),
)
# The second waits for the first.
DEPENDENCIES = (
    ("Review the landing page copy", "Test the checkout on a phone"),
    ("Choose the cover photo", "Upload the files to the printer"),
)
NOTES = (
    ("launch", "Call with the designer", "Prefers the *green* header. Fonts are licensed until the end of the year."),
    ("book", None, "Aunt Mary has the photos of 2011."),
)
# Day, start, minutes (none: the whole day), title, place.
EVENTS = (
    (0, "09:30", 15, "Stand-up", "Video call"),
    (0, "13:00", 60, "Lunch with Ines", "Café Central"),
    (1, "16:00", 45, "Dentist", "12 Main Street"),
    (2, None, None, "Garden market", None),
)


def ensure(engine: Engine, now: datetime | None = None) -> UUID:
    """Put the sample user in unless it is there, and return its id. What is there stays as it is.

    `now` (aware) is the moment the data is relative to. Raises sqlalchemy.exc.SQLAlchemyError.
    """
    with engine.begin() as conn:
        user_id = conn.execute(
            text(
                "insert into users (email, name, timezone, country, last_visit, onboarding_completed_at) "
                "values (:email, 'Sam Sample', :timezone, 'US', :now, :now) on conflict do nothing returning id"
            ),
            {"email": EMAIL, "timezone": TIMEZONE, "now": now or datetime.now(UTC)},
        ).scalar()
        if user_id is not None:
            _fill(conn, user_id, now or datetime.now(UTC))
            return user_id
        return conn.execute(text("select id from users where lower(email) = :email"), {"email": EMAIL}).scalar_one()


def _fill(conn: Connection, user_id: UUID, now: datetime) -> None:
    today = now.astimezone(ZoneInfo(TIMEZONE)).date()

    def moment(day: int, at: str | None) -> datetime:
        clock = time.fromisoformat(at) if at else time()
        return datetime.combine(today + timedelta(days=day), clock, ZoneInfo(TIMEZONE))

    conn.execute(text("insert into user_brief_preferences (user_id) values (:user)"), {"user": user_id})
    projects = {
        key: conn.execute(
            text(
                "insert into projects (user_id, name, description, context) values (:user, :name, :about, :context) returning id"
            ),
            {"user": user_id, "name": name, "about": about, "context": context},
        ).scalar_one()
        for key, (name, about, context) in PROJECTS.items()
    }
    tasks = {
        task.title: conn.execute(
            text(
                "insert into tasks (user_id, project_id, title, priority, status, due_date, all_day, completed_at) "
                "values (:user, :project, :title, :priority, :status, :due, :all_day, :done) returning id"
            ),
            {
                "user": user_id,
                "project": projects[task.project],
                "title": task.title,
                "priority": task.priority,
                "status": task.status,
                "due": None if task.day is None else moment(task.day, task.at),
                "all_day": task.day is not None and task.at is None,
                "done": None if task.done_hours_ago is None else now - timedelta(hours=task.done_hours_ago),
            },
        ).scalar_one()
        for task in TASKS
    }
    conn.execute(
        text("insert into task_dependencies (user_id, task_id, depends_on_task_id) values (:user, :task, :first)"),
        [{"user": user_id, "task": tasks[later], "first": tasks[first]} for first, later in DEPENDENCIES],
    )
    conn.execute(
        text("insert into notes (user_id, project_id, title, content) values (:user, :project, :title, :content)"),
        [{"user": user_id, "project": projects[key], "title": title, "content": body} for key, title, body in NOTES],
    )
    conn.execute(
        text(
            "insert into calendar_events (user_id, title, location, start_time, end_time, all_day, timezone) "
            "values (:user, :title, :place, :start, :end, :all_day, :timezone)"
        ),
        [
            {
                "user": user_id,
                "title": title,
                "place": place,
                "start": moment(day, at),
                "end": moment(day, at) + timedelta(minutes=minutes) if minutes else moment(day + 1, None),
                "all_day": minutes is None,
                "timezone": TIMEZONE,
            }
            for day, at, minutes, title, place in EVENTS
        ],
    )
