"""What the language model of the browser tests answers: words for a brief, three phases for a project."""

from __future__ import annotations

import json
import re

from tests.support.llm_server import Behaviour, Request, answer, by_question

ADVICE = """\
Two things are late and both hold up the launch: **send the quote** and **renew the domain** before anything else; together they take less than an hour.

- Keep the morning after the stand-up for the landing page copy, as the checkout test waits for it.
- The cover photo is a quick decision: take it after lunch.
"""
PHASES = (
    ("Clear the way", "Nothing is late any more, and nobody waits for us.", "It is late, and somebody waits for it."),
    ("Finish the content", "Every page says what it should.", "What follows is built on it."),
    ("Go live", "It is open to everybody.", "It can only be done once the content stands."),
)
PLACES = {"quote": 0, "domain": 0, "seed": 0, "copy": 1, "cover": 1, "redirects": 1}  # by a word of the title; all else comes last


def _reply(request: Request) -> Behaviour:
    system, question = (str(message["content"]) for message in request.body["messages"][:2])
    if "You plan a project" not in system:
        return answer(ADVICE)
    placed: list[list[dict[str, object]]] = [[] for _ in PHASES]
    for task, title in re.findall(r'"id": ?"(T\d+)", ?"title": ?"([^"]+)"', question):
        place = next((number for word, number in PLACES.items() if word in title), 2)
        placed[place].append({"id": task, "minutes": 45 + 30 * place, "reason": PHASES[place][2]})
    phases = [{"name": name, "description": reached, "tasks": tasks} for (name, reached, _), tasks in zip(PHASES, placed, strict=True) if tasks]
    return answer(json.dumps({"summary": "What is late comes first, then the content, then the launch itself.", "phases": phases}))


REPLIES: Behaviour = by_question(_reply)
