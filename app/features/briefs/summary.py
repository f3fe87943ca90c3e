"""The opening words of a brief, by rule: who, what counts today, where to begin."""

from __future__ import annotations

from app.features.briefs.models import INBOX, Brief, Placed
from app.features.briefs.text import clock, count, escape, listing, named, short_date


def greeting(brief: Brief) -> str:
    """Hello, or welcome back after some days away."""
    name = escape(brief.person.name, 60)
    if not brief.reengagement:
        return f"Hello {name}, here is your day." if name else "Hello, here is your day."
    away = f"It has been {count(brief.days_away, 'day')}. " if brief.days_away else "It has been a while. "
    return f"Welcome back{f', {name}' if name else ''}. {away}Nothing has to be caught up on at once: one small step is a fine start."


def in_short(brief: Brief) -> str:
    """The executive summary: counts, the calendar, and what matters first."""
    if _nothing_at_all(brief):
        return _first_steps()
    parts = [_pressing(brief), _ahead(brief), _finished(brief), _calendar(brief)]
    blocks = [" ".join(part for part in parts if part), _failures(brief), _start_with(brief)]
    return "\n\n".join(block for block in blocks if block)


def _nothing_at_all(brief: Brief) -> bool:
    return not brief.sections and not brief.events and not brief.missing_projects


def _first_steps() -> str:
    return (
        "There is nothing planned yet: no active project, no task with a date, no event.\n\n"
        "To fill this page:\n\n"
        "- give a project one task with a due date, or\n"
        "- import your calendar or task list with `buildos import --user EMAIL FILE…` (`.ics` or `.csv`).\n\n"
        "The next brief picks up whatever is there."
    )


def _pressing(brief: Brief) -> str:
    overdue = sum(len(section.buckets.overdue) for section in brief.sections)
    today = sum(len(section.buckets.today) for section in brief.sections)
    late = f"**{count(overdue, 'task')} {'is' if overdue == 1 else 'are'} overdue**"
    due = f"**{today if overdue else count(today, 'task')} {'is' if today == 1 else 'are'} due today**"
    if not overdue and not today:
        return "Nothing is overdue and nothing is due today."
    where = _where(brief)
    if overdue and today:
        return f"{late} and {due}{where}."
    return f"{late}{where}; nothing new is due today." if overdue else f"{due}{where}; nothing is overdue."


def _where(brief: Brief) -> str:
    places = [section for section in brief.sections if section.buckets.pressing]
    if len(places) == 1:
        return (
            f", {'all ' if len(places[0].buckets.pressing) > 1 else ''}in {_name(places[0].project_id, places[0].name)}"
        )
    if len(places) <= 3:
        return f", in {listing([_name(place.project_id, place.name) for place in places])}"
    return f", across {sum(place.project_id is not None for place in places)} projects"


def _ahead(brief: Brief) -> str:
    ahead = [placed for section in brief.sections for placed in section.buckets.upcoming]
    if not ahead:
        return ""
    first = min(placed.days for placed in ahead)
    when = (
        "tomorrow" if first == 1 else "on " + short_date(next(placed.date for placed in ahead if placed.days == first))
    )
    if len(ahead) == 1:
        return f"1 more follows in the next 7 days, {when}."
    return f"{len(ahead)} more follow in the next 7 days, the first {when}."


def _finished(brief: Brief) -> str:
    done = sum(len(section.buckets.completed) for section in brief.sections)
    return f"You finished {count(done, 'task')} in the last 24 hours." if done else ""


def _calendar(brief: Brief) -> str:
    if not brief.events:
        return "The calendar is empty."
    timed = [event for event in brief.events if not event.all_day and not event.from_before]
    said = f"The calendar has {count(len(brief.events), 'event')}"
    if not timed:
        return f"{said}."
    first = timed[0]
    all_timed = len(timed) == len(brief.events)
    lead = ":" if len(brief.events) == 1 else ", the first is" if all_timed else ", the first with a time today is"
    return f"{said}{lead} {named(first.title, 80)} at {clock(first.start)}."


def _failures(brief: Brief) -> str:
    failed = [_name(section.project_id, section.name) for section in brief.sections if section.failed]
    return f"⚠️ Could not be prepared: {listing(failed)}. See below." if failed else ""


def _start_with(brief: Brief) -> str:
    if brief.actions:
        first = brief.actions[0]
        return f"**Start with** {named(first.placed.task.title)}: {_why(first.placed)}."
    ahead = sorted(
        (placed for section in brief.sections for placed in section.buckets.upcoming),
        key=lambda placed: (placed.days, placed.task.title, placed.task.id),
    )
    return f"**A good day for** {named(ahead[0].task.title)}, due {short_date(ahead[0].date)}." if ahead else ""


def _why(placed: Placed) -> str:
    reasons = [f"{count(-placed.days, 'day')} overdue" if placed.days < 0 else "due today"]
    if placed.at and placed.days == 0:
        reasons[0] += f" at {clock(placed.at)}"
    if placed.task.priority == "high":
        reasons.append("high priority")
    if placed.task.status == "blocked":
        reasons.append("blocked, so see what would free it")
    return listing(reasons) if len(reasons) < 3 else ", ".join(reasons)


def _name(project_id: str | None, name: str) -> str:
    return named(name) if project_id else INBOX
