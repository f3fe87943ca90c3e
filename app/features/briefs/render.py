"""A brief as Markdown. Same brief, same text: no clock, no locale. What people wrote goes through `escape`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from app.features.briefs import summary
from app.features.briefs.models import INBOX, Action, Analysis, Brief, Day, Event, Placed, Section
from app.features.briefs.rules import overlaps
from app.features.briefs.text import clock, count, escape, excerpt, listing, long_date, named, offset, short_date

MOST_TASKS = 20  # of one bucket of one project
MOST_EVENTS = 40
MOST_OVERLAPS = 3


def render_brief(brief: Brief, analysis: Analysis | None = None) -> str:
    """The whole page. Without `analysis` the part about it is left out: that is what the language model gets to read."""
    blocks = [
        f"# {long_date(brief.day.date)}",
        summary.greeting(brief),
        _holidays(brief),
        "## In short",
        summary.in_short(brief),
        *_priorities(brief),
        *_calendar(brief),
        *_analysis(analysis),
        *_projects(brief),
        _footer(brief, analysis),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_section(section: Section, day: Day) -> str:
    """A project's part: context, its buckets, its notes."""
    return "\n\n".join(_section_blocks(section, day)) + "\n"


def _section_blocks(section: Section, day: Day) -> list[str]:
    blocks = [f"### {named(section.name)}" if section.project_id else f"### {INBOX}"]
    if section.failed:
        return [
            *blocks,
            f"⚠️ This project could not be prepared: {section.failed}. Everything else in this brief is complete.",
        ]
    if context := excerpt(section.context):
        blocks.append(f"*{context}*")
    for title, placed in (
        ("Overdue", section.buckets.overdue),
        ("Today", section.buckets.today),
        ("Next 7 days", section.buckets.upcoming),
        ("Done in the last 24 hours", section.buckets.completed),
    ):
        if placed:
            blocks.append(f"**{title} ({len(placed)})**")
            blocks.append(_some([_task(each, day) for each in placed], MOST_TASKS))
    if section.buckets.empty:
        blocks.append("Nothing overdue, due or planned for the next 7 days." + _undated(section))
    elif others := section.open_tasks - sum(section.counts[name] for name in ("overdue", "today", "upcoming")):
        blocks.append(f"*{count(others, 'more open task')} later or without a date.*" if others > 0 else "")
    if section.notes:
        blocks.append("**Latest notes**")
        blocks.append("\n".join(f"- {_note(note.title, note.content)}" for note in section.notes))
    return [block for block in blocks if block]


def _undated(section: Section) -> str:
    return f" {count(section.open_tasks, 'open task')} later or without a date." if section.open_tasks else ""


def _note(title: str | None, content: str) -> str:
    heading, text = escape(title), excerpt(content)
    return f"**{heading}**: {text}" if heading and text else f"**{heading}**" if heading else text or "(empty note)"


def _some(lines: Sequence[str], most: int) -> str:
    shown = [f"- {line}" for line in lines[:most]]
    if len(lines) > most:
        shown.append(f"- … and {len(lines) - most} more")
    return "\n".join(shown)


def _task(placed: Placed, day: Day) -> str:
    title = named(placed.task.title)
    if placed.bucket == "completed":
        return f"{title} · {_when(placed, day)}"
    facts = [f"**{title}**" if placed.task.priority == "high" else title, _when(placed, day), *_marks(placed)]
    return " · ".join(fact for fact in facts if fact)


def _marks(placed: Placed) -> list[str]:
    marks = ["high priority"] if placed.task.priority == "high" else []
    if placed.task.status in ("blocked", "in_progress"):
        marks.append(placed.task.status.replace("_", " "))
    return marks


def _when(placed: Placed, day: Day) -> str:
    """When, beside a heading that already says overdue or today."""
    time = f"at {clock(placed.at)}" if placed.at else ""
    if placed.bucket == "overdue":
        since = "planned for" if placed.planned else "since"
        return f"{since} {short_date(placed.date)} ({count(-placed.days, 'day')})"
    if placed.bucket == "today":
        return " ".join(part for part in ("planned" if placed.planned else "", time) if part)
    if placed.bucket == "completed":
        on = {0: "today", -1: "yesterday"}.get(placed.days) or short_date(placed.date)
        return f"{on} {time}"
    on = "tomorrow" if placed.days == 1 else short_date(placed.date)
    return " ".join(part for part in ("planned for" if placed.planned else "", on, time) if part)


def _priorities(brief: Brief) -> Iterable[str]:
    if not brief.actions:
        return
    yield "## Priorities"
    yield "\n".join(f"{number}. {_action(action, brief.day)}" for number, action in enumerate(brief.actions, 1))
    pressing = sum(len(section.buckets.pressing) for section in brief.sections)
    if (more := pressing - len(brief.actions)) > 0:
        yield f"*{count(more, 'more task')} overdue or due today: see the projects below.*"


def _action(action: Action, day: Day) -> str:
    placed = action.placed
    if placed.bucket == "overdue":
        when = f"{count(-placed.days, 'day')} overdue"
    else:
        when = f"today at {clock(placed.at)}" if placed.at else "today"
    place = named(action.project_name) if action.project_id else INBOX
    return " · ".join([f"**{named(placed.task.title)}**", place, when, *_marks(placed)])


def _calendar(brief: Brief) -> Iterable[str]:
    if not (brief.events or brief.calendar_stale):
        return
    yield "## Calendar"
    if brief.events:
        yield _some([_event(event) for event in brief.events], MOST_EVENTS)
    clashes = overlaps(brief.events)
    if clashes:
        pairs = [f"{named(a.title)} and {named(b.title)}" for a, b in clashes[:MOST_OVERLAPS]]
        rest = len(clashes) - len(pairs)
        yield f"⚠️ At the same time: {'; '.join(pairs)}{f'; and {rest} more' if rest else ''}."
    if brief.calendar_stale:
        yield "*Repeating events could not be worked out for this day: some may be missing here.*"


def _event(event: Event) -> str:
    if event.all_day:
        when = "All day" + (f" (until {short_date(event.end)})" if event.into_after else "")
    elif event.from_before and event.into_after:
        when = f"{short_date(event.start)} – {short_date(event.end)}"
    elif event.from_before:
        when = f"{short_date(event.start)} {clock(event.start)} – {clock(event.end)}"
    elif event.into_after:
        when = f"{clock(event.start)} – {short_date(event.end)} {clock(event.end)}"
    elif event.start == event.end:
        when = clock(event.start)
    else:
        when = f"{clock(event.start)}–{clock(event.end)}"
    tentative = " *(tentative)*" if event.tentative else ""
    place = f" · {location}" if (location := escape(event.location, 80)) else ""
    return f"**{when}** {named(event.title)}{tentative}{place}"


def _holidays(brief: Brief) -> str:
    return f"🎉 Public holiday: **{escape(listing(brief.holidays))}**" if brief.holidays else ""


def _analysis(analysis: Analysis | None) -> Iterable[str]:
    if analysis is None or not analysis.text:
        return
    yield "## AI analysis"
    yield analysis.text
    yield f"*Written by {escape(analysis.model)} from the rest of this brief. It can be wrong.*"


def _projects(brief: Brief) -> Iterable[str]:
    loud = [section for section in brief.sections if not section.quiet]
    quiet = [section for section in brief.sections if section.quiet]
    if brief.sections:
        yield "## Projects"
    for section in loud:
        yield section.markdown.rstrip("\n")
    if quiet:
        # One line each: thirty sleeping projects are not thirty headings.
        yield "### Quiet" if loud else ""
        yield "\n".join(
            f"- **{named(section.name)}**: nothing due in the next 7 days."
            + (f" {count(section.open_tasks, 'open task')} later or without a date." if section.open_tasks else "")
            for section in quiet
        )
    if brief.missing_projects:
        yield f"*{count(brief.missing_projects, 'project')} asked for by id not found among your active projects.*"


def _footer(brief: Brief, analysis: Analysis | None) -> str:
    lines = [" ".join(part for part in (_clocks(brief.day), _activity(brief)) if part)]
    if analysis is not None and not analysis.text:
        lines.append(f"This brief has no AI analysis: {escape(analysis.reason, 600)}. All else is complete without it.")
    return "---\n\n" + "\n\n".join(f"*{line}*" for line in lines)


def _clocks(day: Day) -> str:
    first, last = day.start.astimezone(day.zone), (day.end - timedelta(seconds=1)).astimezone(day.zone)
    zone = escape(day.zone.key)
    if day.hours == 24 or first.utcoffset() == last.utcoffset():
        return f"Times are in {zone} ({offset(first)})."
    change = f"from {offset(first)} to {offset(last)}"
    return f"Times are in {zone}. The clocks change today, {change}: the day has {day.hours:g} hours."


def _activity(brief: Brief) -> str:
    person = brief.person
    name, moment = person.latest_activity, person.latest_activity_at
    if moment is None or (person.last_visit and person.last_visit > moment):
        name, moment = "visit", person.last_visit
    if moment is None:
        return ""
    local = moment.astimezone(brief.day.zone)
    return (
        f"Latest activity: {escape(re.sub(r'[_.]+', ' ', name or ''))}, {short_date(local.date())} at {clock(local)}."
    )
