"""Words, preferences, do-not-disturb, and what the outcomes of pushes add up to."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from markdown_it import MarkdownIt

from app.features.notifications import rules
from app.features.notifications.rules import Content, Phone, Preferences
from app.queue.errors import InvalidMetadata
from app.queue.notification_events import EVENTS, read_payload

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID: list[tuple[str, dict[str, Any], tuple[str, str, str | None]]] = [
    (
        "brief.completed",
        {"briefId": "b", "briefDate": "2026-11-22", "timezone": "UTC"},
        ("Your daily brief is ready", "Your brief for Sun, 22 Nov.", "/briefs/2026-11-22"),
    ),
    (
        "brief.failed",
        {"briefDate": "2026-11-22", "error": "secret detail"},
        ("Your daily brief could not be made", "There is no brief for Sun, 22 Nov.", None),
    ),
    ("brief.failed", {}, ("Your daily brief could not be made", "It will be tried again with the next one.", None)),
    (
        "task_completed",
        {"taskId": "t1", "taskTitle": "Launch", "projectId": "p1"},
        ("Done: Launch", "", "/projects/p1/tasks/t1"),
    ),
    ("task_completed", {"taskId": "../x", "taskTitle": "Launch"}, ("Done: Launch", "", "/tasks")),
    (
        "task.due_soon",
        {"taskId": "t1", "taskTitle": "Pay\nrent", "dueDate": "2026-11-22T23:30:00Z", "projectName": "Home"},
        ("Due soon: Pay rent", "Due Mon, 23 Nov at 00:30. In Home.", "/tasks/t1"),
    ),
    (
        "task.due_soon",
        {"taskId": "t1", "taskTitle": "Pay", "dueDate": "2026-11-22"},
        ("Due soon: Pay", "Due Sun, 22 Nov.", "/tasks/t1"),
    ),
    (
        "phases.ready",
        {"projectId": "p1", "phaseCount": 1, "projectName": "Home"},
        ("Your phases are ready for Home", "1 phase to look at.", "/projects/p1"),
    ),
    (
        "onboarding.completed",
        {"questionsGenerated": 3},
        ("We have looked at what you told us", "3 questions to go on with.", "/onboarding"),
    ),
    (
        "project.invited",
        {"projectId": "p1", "projectName": "Home", "invitedBy": "Bob"},
        ("Invitation to Home", "Bob asks you to join.", "/projects/p1"),
    ),
    (
        "system.announcement",
        {"title": "Tonight", "message": "We are away.", "url": "https://status.example/"},
        ("Tonight", "We are away.", "https://status.example/"),
    ),
]


@pytest.mark.parametrize(("event", "payload", "said"), SAID, ids=[f"{i}-{row[0]}" for i, row in enumerate(SAID)])
def test_each_event_says_what_it_is(event: str, payload: dict, said: tuple) -> None:
    assert rules.content(read_payload(event, payload), BERLIN) == Content(*said)


def test_every_event_has_words() -> None:
    assert {row[0] for row in SAID} == set(EVENTS)


@pytest.mark.parametrize(
    ("event", "payload", "message"),
    [
        ("task_completed", {"taskId": "t"}, "payload.taskTitle: is required"),
        ("task_completed", {"taskId": "t", "taskTitle": ""}, "payload.taskTitle: must not be empty"),
        ("task_completed", {"taskId": 1, "taskTitle": "x"}, "payload.taskId: expects a string"),
        ("task_completed", {"taskId": "t", "taskTitle": "\x00"}, "payload.taskTitle: must not contain the character NUL"),
        ("brief.completed", {"briefId": "b", "briefDate": "22.11."}, "payload.briefDate: expects a date as YYYY-MM-DD"),
        (
            "task.due_soon",
            {"taskId": "t", "taskTitle": "x", "dueDate": "2026-11-22T10:00"},
            "payload.dueDate: expects YYYY-MM-DD, or a time with its offset as 2026-11-21T09:00:00Z",
        ),
        ("phases.ready", {"projectId": "p", "phaseCount": -1}, "payload.phaseCount: expects at least"),
        ("system.announcement", {"title": "x", "url": "javascript:alert(1)"}, "payload.url: expects an http(s) address"),
        ("system.announcement", {"title": "x", "url": "//evil.example"}, "payload.url: expects an http(s) address"),
        ("system.announcement", {"title": "x", "urgent": "yes"}, "payload.urgent: expects a boolean"),
    ],
)  # fmt: skip
def test_a_wrong_payload_is_named(event: str, payload: dict, message: str) -> None:
    with pytest.raises(InvalidMetadata) as raised:
        read_payload(event, payload)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("start", "end", "quiet"),
    [
        ("13:00", "14:00", True), ("12:00", "13:00", False), ("22:00", "07:00", False), ("12:30", "07:00", True),
        ("22:00", "13:01", True), ("22:00", "13:00", False), ("13:00", "13:00", False), (None, "14:00", False), ("13:00", None, False),
    ],
)  # fmt: skip
def test_quiet_hours_are_local_and_may_wrap(start: str | None, end: str | None, quiet: bool) -> None:
    times = [value and time.fromisoformat(value) for value in (start, end)]
    assert rules.in_quiet_hours(NOW, BERLIN, *times) is quiet  # 13:00 in Berlin


ALL_OFF = {"push_enabled": False, "email_enabled": False, "in_app_enabled": False, "sms_enabled": False}
QUIET = {"quiet_hours_start": time(22), "quiet_hours_end": time(14)}
READY = Phone("+14155552671", verified=True)


@pytest.mark.parametrize(
    ("channel", "preferences", "more", "reason"),
    [
        *((channel, {}, {}, None) for channel in ("push", "email", "in-app", "sms")),
        *((channel, ALL_OFF, {"urgent": True}, f"{channel} notifications are switched off") for channel in ("push", "email", "in-app", "sms")),
        ("push", {"do_not_disturb": True}, {}, "do not disturb is on"),
        ("push", {"do_not_disturb": True}, {"urgent": True}, None),
        ("in-app", QUIET, {}, "quiet hours"),
        ("in-app", QUIET, {"urgent": True}, None),
        ("push", {"event_channels": {"task_completed": ["email"]}}, {}, "task_completed is not wanted by push"),
        ("email", {"event_channels": {"task_completed": ["email"]}}, {}, None),
        ("push", {"event_channels": {"task_completed": []}}, {"urgent": True}, "task_completed is not wanted by push"),
        ("push", {"event_channels": {"brief.failed": []}}, {}, None),
        ("email", {}, {"event_type": "brief.completed", "brief_by_email": True}, "the brief itself is sent by email"),
        ("push", {}, {"event_type": "brief.completed", "brief_by_email": True}, None),
        ("sms", {}, {"phone": Phone()}, "there is no valid phone number"),
        ("sms", {}, {"phone": Phone("0123", True)}, "there is no valid phone number"),
        ("sms", {}, {"phone": Phone("+14155552671"), "urgent": True}, "the phone number is not verified"),
        ("sms", {}, {"phone": Phone("+14155552671", True, True), "urgent": True}, "the user has opted out of SMS"),
    ],
    ids=str,
)  # fmt: skip
def test_who_is_told(channel: Any, preferences: dict, more: dict, reason: str | None) -> None:
    known = {"event_type": "task_completed", "urgent": False, "phone": READY, "brief_by_email": False} | more
    event_type = known.pop("event_type")
    said = rules.refusal(channel, event_type, Preferences(**preferences), now=NOW, zone=BERLIN, **known)
    assert said == reason


@pytest.mark.parametrize(
    ("outcomes", "last", "action", "reason"),
    [
        (["sent", "sent"], False, "sent", None),
        (["sent", "gone"], False, "sent", "1 of 2 subscriptions"),
        (["sent", "deferred"], False, "retry", "1 of 2 push services asked to wait"),
        (["sent", "deferred"], True, "sent", "1 of 2 subscriptions"),
        (["deferred"], True, "fall_back", "every push failed (1 deferred)"),
        (["gone", "refused", "unknown", "gone"], False, "fall_back", "every push failed (2 gone, 1 refused, 1 unknown)"),
        ([], False, "fall_back", "no push subscription"),
    ],
    ids=str,
)  # fmt: skip
def test_what_the_pushes_add_up_to(outcomes: list[str], last: bool, action: str, reason: str | None) -> None:
    assert rules.verdict(outcomes, last=last) == rules.Verdict(action, reason)


def test_addresses() -> None:
    assert rules.absolute("/briefs/1", "https://app.example") == "https://app.example/briefs/1"
    assert rules.absolute("/briefs/1", None) is None and rules.absolute(None, "https://app.example") is None
    assert rules.absolute("https://elsewhere.example/", "https://app.example") == "https://elsewhere.example/"


def test_an_sms_is_one_sms_and_its_address_whole() -> None:
    url = "https://app.example/p"
    text = rules.sms_text(Content("T" * 100, "B" * 200), url)
    assert len(text) == 160 and text.endswith(f"… {url}")
    assert rules.sms_text(Content("Hi", ""), None) == "Hi"
    assert len(rules.sms_text(Content("T" * 300, ""), "https://a.example/" + "x" * 200)) == 160


def test_plain_words_stay_plain_in_markdown() -> None:
    odd = "*a* _b_ <b> [x](javascript:y) # 1. `c` ~d~ &amp; https://e.example a|b ![i](u) f@g.example 2) \\"
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(rules.as_markdown(odd))
    assert html.count("<") == 2  # <p> and </p> alone
    shown = html.removeprefix("<p>").removesuffix("</p>\n")
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == odd
