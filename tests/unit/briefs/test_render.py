"""The finished page, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from markdown_it import MarkdownIt

from app.features.briefs.models import Analysis, Brief, EventData, Note, Person, Section, Task
from app.features.briefs.render import MOST_TASKS, render_brief, render_section
from app.features.briefs.rules import events_of, in_order, local_day, sort_into_buckets, top_actions

BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = local_day(date(2026, 12, 25), BERLIN)
ADA = Person("u", "ada@example.com", "Ada", "Europe/Berlin", "DE", True)


def at(day: int, hour: int = 0, minute: int = 0, *, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def task(title: str, **values) -> Task:
    return Task(**{"id": title, "title": title, **values})


def section(project_id: str | None, name: str, *tasks: Task, day=FRIDAY, **values) -> Section:
    placed = sort_into_buckets(tasks, day=day, home=BERLIN, now=day.start + timedelta(hours=6))
    made = Section(project_id, name, placed, open_tasks=sum(each.open for each in tasks), **values)
    return replace(made, markdown=render_section(made, day))


def brief(*sections: Section, events: tuple[EventData, ...] = (), day=FRIDAY, **values) -> Brief:
    ordered = in_order(each for each in sections if each.project_id) + tuple(
        each for each in sections if not each.project_id
    )
    return Brief(day, ADA, ordered, top_actions(ordered), events_of(day, events), **values)


FULL = brief(
    section(
        "a", "Website relaunch",
        task("Send the invoice to Müller & Söhne", priority="high", due_date=at(22), all_day=True),
        task("Publish <b>landing</b> page", due_date=at(25, 14), status="in_progress"),
        task("Ask for the logo", due_date=at(25), all_day=True, status="blocked", priority="high"),
        task("Write copy", due_date=at(26, 9)),
        task("Plan photos", start_date=at(28), all_day=True, priority="low"),
        task("Fix footer", status="done", completed_at=at(24, 18)),
        task("Someday"),
        context="Relaunch by the end of January.\n- no downtime",
        notes=(Note("Call with Anna", "# Decisions\n- blue, not green\n- [x] domain moved"),),
    ),
    section("b", "Tax return", task("Collect receipts", due_date=at(27, month=11), all_day=True, priority="low")),
    section("c", "Garden", task("Plant a tree")),
    section("d", "Broken", failed="one of its dates cannot be read"),
    section(None, "Inbox", task("Renew passport", start_date=at(25), all_day=True)),
    events=(
        EventData("Christmas", at(25), at(27), True, "Europe/Berlin"),
        EventData("Stand-up", at(25, 9, 30), at(25, 9, 45)),
        EventData("Review", at(25, 9, 40), at(25, 10, 30), location="Room 5", tentative=True),
        EventData("Night train", at(24, 22), at(25, 6)),
        EventData("Deploy", at(25, 23), at(26, 1)),
    ),
    holidays=("Christmas Day",),
)  # fmt: skip

PAGE = """\
# Friday, 25 December 2026

Hello Ada, here is your day.

🎉 Public holiday: **Christmas Day**

## In short

**2 tasks are overdue** and **3 are due today**, in Website relaunch, Tax return and Inbox. 2 more follow in the next 7 days, \
the first tomorrow. You finished 1 task in the last 24 hours. The calendar has 5 events, the first with a time today is Stand-up at 09:30.

⚠️ Could not be prepared: Broken. See below.

**Start with** Send the invoice to Müller & Söhne: 3 days overdue and high priority.

## Priorities

1. **Send the invoice to Müller & Söhne** · Website relaunch · 3 days overdue · high priority
2. **Ask for the logo** · Website relaunch · today · high priority · blocked
3. **Publish &lt;b>landing&lt;/b> page** · Website relaunch · today at 14:00 · in progress
4. **Renew passport** · Inbox · today
5. **Collect receipts** · Tax return · 28 days overdue

## Calendar

- **All day (until Sat 26 Dec)** Christmas
- **Thu 24 Dec 22:00 – 06:00** Night train
- **09:30–09:45** Stand-up
- **09:40–10:30** Review *(tentative)* · Room 5
- **23:00 – Sat 26 Dec 01:00** Deploy

⚠️ At the same time: Stand-up and Review.

## AI analysis

Start **small**.

*Written by openai/gpt-4o from the rest of this brief. It can be wrong.*

## Projects

### Website relaunch

*Relaunch by the end of January. no downtime*

**Overdue (1)**

- **Send the invoice to Müller & Söhne** · since Tue 22 Dec (3 days) · high priority

**Today (2)**

- **Ask for the logo** · high priority · blocked
- Publish &lt;b>landing&lt;/b> page · at 14:00 · in progress

**Next 7 days (2)**

- Write copy · tomorrow at 09:00
- Plan photos · planned for Mon 28 Dec

**Done in the last 24 hours (1)**

- Fix footer · yesterday at 18:00

*1 more open task later or without a date.*

**Latest notes**

- **Call with Anna**: Decisions: blue, not green; domain moved

### Tax return

**Overdue (1)**

- Collect receipts · since Fri 27 Nov (28 days)

### Broken

⚠️ This project could not be prepared: one of its dates cannot be read. Everything else in this brief is complete.

### Inbox

**Today (1)**

- Renew passport · planned

### Quiet

- **Garden**: nothing due in the next 7 days. 1 open task later or without a date.

---

*Times are in Europe/Berlin (UTC+1).*
"""


def test_a_full_page() -> None:
    assert render_brief(FULL, Analysis("Start **small**.", "openai/gpt-4o")) == PAGE


def test_the_model_reads_the_page_without_the_part_it_writes() -> None:
    before, rest = PAGE.split("## AI analysis\n\n")
    assert render_brief(FULL) == before + rest.split("can be wrong.*\n\n")[1]


def test_without_an_analysis_the_page_says_so_and_why() -> None:
    page = render_brief(FULL, Analysis(reason="no language model is configured"))
    assert "*This brief has no AI analysis: no language model is configured. All else is complete without it.*" in page


def test_an_empty_page_helps() -> None:
    page = render_brief(brief(), Analysis(reason="none"))
    assert "There is nothing planned yet: no active project, no task with a date, no event." in page
    assert "buildos import" in page
    assert "## Priorities" not in page and "## Projects" not in page and "## Calendar" not in page


def test_a_free_day_with_something_ahead() -> None:
    page = render_brief(
        brief(section("a", "Book", task("Read", due_date=at(30, 12)), task("Write", due_date=at(31, 12))))
    )
    assert (
        "Nothing is overdue and nothing is due today. 2 more follow in the next 7 days, the first on Wed 30 Dec."
        in page
    )
    assert "**A good day for** Read, due Wed 30 Dec." in page
    assert "The calendar is empty." in page
    assert "## Priorities" not in page


def test_one_of_each_is_singular() -> None:
    page = render_brief(brief(section("a", "Book", task("Late", due_date=at(24, 9)), task("Soon", due_date=at(26, 9))),
                              events=(EventData("", at(25, 9), at(25, 10)),)))  # fmt: skip
    assert (
        "**1 task is overdue**, in Book; nothing new is due today. 1 more follows in the next 7 days, tomorrow." in page
    )
    assert "The calendar has 1 event: (no title) at 09:00." in page
    assert "**Start with** Late: 1 day overdue." in page


def test_welcome_back() -> None:
    opening = "Welcome back, Ada. It has been 10 days. Nothing has to be caught up on at once: one small step is a fine start."
    assert opening in render_brief(brief(reengagement=True, days_away=10))
    assert "Welcome back, Ada. It has been a while. " in render_brief(brief(reengagement=True))


def test_a_name_is_not_needed_and_cannot_break_out() -> None:
    assert "Hello, here is your day." in render_brief(replace(brief(), person=replace(ADA, name=" ")))
    assert "Hello \\# &lt;b>x, here is" in render_brief(replace(brief(), person=replace(ADA, name="# <b>x")))


def test_the_day_the_clocks_change() -> None:
    day = local_day(date(2026, 3, 29), BERLIN)
    page = render_brief(brief(day=day))
    assert "*Times are in Europe/Berlin. The clocks change today, from UTC+1 to UTC+2: the day has 23 hours.*" in page


def test_the_latest_activity() -> None:
    someone = replace(ADA, latest_activity="calendar.imported", latest_activity_at=at(24, 18, 2))
    assert "(UTC+1). Latest activity: calendar imported, Thu 24 Dec at 18:02.*" in render_brief(
        replace(brief(), person=someone)
    )
    back = replace(someone, last_visit=at(25, 0, 5))
    assert "Latest activity: visit, Fri 25 Dec at 00:05.*" in render_brief(replace(brief(), person=back))


def test_long_lists_are_cut_and_counted() -> None:
    many = section("a", "Big", *(task(f"Task {n:03}", due_date=at(25, 12)) for n in range(60)))
    assert many.markdown.count("- Task") == MOST_TASKS
    assert "- … and 40 more" in many.markdown
    page = render_brief(brief(many))
    assert "10. **Task 009**" in page and "11. " not in page
    assert "*50 more tasks overdue or due today: see the projects below.*" in page


def test_hostile_words_everywhere_leave_no_markup() -> None:
    evil = "</p><script>alert(1)</script>\n# H\n![i](http://e.example/x) [l](javascript:x) `"
    page = render_brief(
        brief(
            section(
                "a",
                evil,
                task(evil, due_date=at(24)),
                task(evil + "2", due_date=at(26)),
                context=evil,
                notes=(Note(evil, evil),),
            ),
            section("b", evil),
            section("c", evil, failed="why"),
            events=(EventData(evil, at(25, 9), at(25, 10), location=evil), EventData(evil, at(25, 9), at(25, 10))),
            holidays=(evil,),
        ),
        Analysis(reason=evil),
    )
    html = MarkdownIt("commonmark").render(page)
    assert "<script" not in html and "<img" not in html and "<a " not in html and "<code" not in html
    headings = [token for token in MarkdownIt("commonmark").parse(page) if token.type == "heading_open"]
    # The page's own: day, summary, priorities, calendar, projects, two projects, quiet.
    assert len(headings) == 8


def test_the_same_brief_is_the_same_page() -> None:
    assert render_brief(FULL) == render_brief(FULL)
