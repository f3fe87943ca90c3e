"""What can be said of a new user without a model: by the words they use. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.features.onboarding.models import Advice, Analysis, Context, Question, Recommendation
from app.formats.plain import plain_line
from app.queue.models import UserContext

NAME_LENGTH, DESCRIPTION_LENGTH, ITEM_LENGTH, MOST_ITEMS = 100, 3000, 300, 20
MOST_QUESTIONS = 7


def read_context(given: UserContext) -> Context:
    """What the user told, cleaned: plain text, bounded, each goal and challenge once."""
    return Context(
        plain_line(given.name, NAME_LENGTH),
        plain_line(given.description, DESCRIPTION_LENGTH),
        _items(given.goals),
        _items(given.challenges),
    )


def _items(given: Sequence[str]) -> tuple[str, ...]:
    lines = (plain_line(item, ITEM_LENGTH) for item in given)
    return tuple(dict.fromkeys(line for line in lines if line))[:MOST_ITEMS]


@dataclass(frozen=True, slots=True)
class _Theme:
    """Words that show what somebody struggles with, and what to say to it."""

    words: re.Pattern[str]
    insight: str
    suggestion: Advice
    features: tuple[Recommendation, ...]
    practice: Advice
    question: Question


_THEMES = (
    _Theme(
        re.compile(r"\b(time|late|deadlines?|punctual\w*|schedul\w*|forget\w*|appointments?)\b", re.IGNORECASE),
        "Time slips away: what is due needs to show itself before it is late.",
        Advice("Plan around fixed times", "Put your appointments in first and give tasks the gaps between them."),
        (
            Recommendation("calendar_sync", "Your events and tasks in one place."),
            Recommendation("sms_reminders", "A word before an event begins."),
        ),
        Advice("Make time visible", "Set a timer for 25 minutes and keep it in sight; stop when it rings."),
        Question("At what time of the day do you get most done?", "Demanding tasks can be put there."),
    ),
    _Theme(
        re.compile(r"\b(focus\w*|distract\w*|context|switch\w*|concentrat\w*|attention|interrupt\w*)\b", re.IGNORECASE),
        "Switching between things costs you more than the things themselves.",
        Advice("One project at a time", "Choose one project for the morning and one for the afternoon."),
        (Recommendation("daily_brief", "One page says where to begin."), Recommendation("notifications", "Quiet hours keep the rest away.")),
        Advice("Park what comes up", "Write a stray thought down in one line and go back: it will not be lost."),
        Question("What interrupts you most often?", "What can be silenced is silenced first."),
    ),
    _Theme(
        re.compile(r"\b(overwhelm\w*|too (?:much|many)|start(?:ed|ing|s)?|procrastinat\w*|stuck|motivation|begin\w*|anxi\w*|stress\w*)\b", re.IGNORECASE),
        "Beginning is the hard part: large tasks need a first step that is small.",
        Advice("Cut tasks down", "Write the first step of a task so small that it takes less than 15 minutes."),
        (Recommendation("brain_dump", "Empty your head first, sort later."), Recommendation("project_phases", "A large project becomes a few steps.")),
        Advice("Two minutes are enough", "Promise yourself two minutes of a task; going on is allowed, stopping too."),
        Question("Which task have you put off longest?", "It is the best one to cut into steps together."),
    ),
    _Theme(
        re.compile(r"\b(team|manag\w*|people|employees|clients?|customers?|meetings?|delegat\w*)\b", re.IGNORECASE),
        "Others depend on you, so what they wait for should be easy to see.",
        Advice("A list for waiting", "Mark what waits for somebody as blocked, and look at it once a day."),
        (Recommendation("daily_brief", "Blocked tasks show up each morning."), Recommendation("calendar_sync", "Meetings count as busy time.")),
        Advice("Write it down in the meeting", "Promises made aloud become tasks before you leave the room."),
        Question("How many people wait for something from you in a usual week?", "It tells how much of your day is free to plan."),
    ),
    _Theme(
        re.compile(r"\b(build\w*|launch\w*|product|saas|startup|business|ship\w*|write|book|thesis|study|exam|learn\w*|course)\b", re.IGNORECASE),
        "You are after something large that takes months: its next stretch matters more than its end.",
        Advice("Plan one stretch", "Plan the current phase in detail and leave the later ones rough."),
        (Recommendation("project_phases", "What must come first, comes first."), Recommendation("import", "Bring the task list you have.")),
        Advice("Celebrate stretches", "Mark the end of each phase with something pleasant: far-off rewards do not pull."),
        Question("What should be different in three months?", "It becomes the first project."),
    ),
    _Theme(
        re.compile(r"\b(habits?|routines?|exercis\w*|health\w*|sleep\w*|consisten\w*|every day|daily)\b", re.IGNORECASE),
        "You want some things to happen by themselves, without deciding each time.",
        Advice("Tie the new to the old", "Put a new habit right behind something you do every day."),
        (Recommendation("recurring_tasks", "They come back by themselves."), Recommendation("daily_brief", "They are in your morning.")),
        Advice("Never miss twice", "One missed day is nothing; only the next one counts."),
        Question("Which part of your day is the same every day?", "New habits hold best there."),
    ),
)  # fmt: skip
_ALWAYS = (
    Question("What would make next week a good one?", "It is the first thing to plan."),
    Question("Where do your tasks live today: paper, an app, your head?", "They can be brought along."),
    Question("How do you want to hear from us: email, text message, in the app?", "Reminders help where you look."),
)
_PRACTICES = (
    Advice("One list to look at", "Everything goes into one place, so that nothing has to be held in the head."),
    Advice("Small first step", "Begin the day with something that takes less than 15 minutes."),
)
_FIRST_PROJECT = Advice("Begin with one project", "Give it three tasks, one of them for today.")
_BRIEF = Recommendation("daily_brief", "One page each morning says what counts today.")


def by_rules(context: Context, why: str) -> Analysis:
    """An analysis by the words the user chose. Never empty. `why` says for people why no model made it."""
    told = " ".join((context.description, *context.goals, *context.challenges))
    themes = [theme for theme in _THEMES if theme.words.search(told)]
    insights = [f"The goal you named first: {context.goals[0]}"] if context.goals else []
    insights += [theme.insight for theme in themes]
    features: dict[str, Recommendation] = {}
    for each in (*(one for theme in themes for one in theme.features), _BRIEF):
        features.setdefault(each.feature, each)
    questions = [theme.question for theme in themes][: MOST_QUESTIONS - len(_ALWAYS)] + list(_ALWAYS)
    return Analysis(
        "rules",
        summary=why,
        insights=tuple(insights or ["There is little to go by yet: the questions below help."]),
        workflow_suggestions=tuple(theme.suggestion for theme in themes) or (_FIRST_PROJECT,),
        recommended_features=tuple(features.values()),
        adhd_practices=tuple(theme.practice for theme in themes) + _PRACTICES,
        questions=tuple(questions),
    )  # fmt: skip
