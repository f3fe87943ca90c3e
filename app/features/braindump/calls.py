"""Asking the model: aside, side by side, heard as it speaks, and asked once more when its answer does not fit."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.features.braindump.models import HEARTBEAT, Event, PlanRefused, Unreadable
from app.features.braindump.prompts import repair_question
from app.ports.llm import LLM, Begun, Completion, Piece, Stop

A = TypeVar("A", bound=BaseModel)
Say = Callable[[Event], None]

MOST_PROBLEMS = 8  # told to the model


class TookTooLong(Exception):
    """The model speaks, but does not come to an end."""


def side_by_side(
    calls: dict[str, Callable[[Say], Any]], *, beat: float, until: float
) -> Generator[Event, None, dict[str, Any]]:
    """Run the calls in threads of their own and pass on what they say, with a heartbeat after `beat` seconds of silence.

    Returns what each returned. The first error of one is raised at once, and TookTooLong at `until` (monotonic seconds): the
    other calls are then left to themselves, so whoever iterates ends them with their `Stop`. Nothing here waits for a
    thread, and under gevent each of these threads is a greenlet.
    """
    said: queue.Queue[tuple[str, str, Any]] = queue.Queue()

    def run(name: str, call: Callable[[Say], Any]) -> None:
        try:
            said.put((name, "returned", call(lambda event: said.put((name, "said", event)))))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits, whatever it is
            said.put((name, "raised", error))

    for name, call in calls.items():
        threading.Thread(target=copy_context().run, args=(run, name, call), name=f"brain-dump-{name}", daemon=True).start()
    returned: dict[str, Any] = {}
    while len(returned) < len(calls):
        if time.monotonic() > until:
            raise TookTooLong
        try:
            name, what, value = said.get(timeout=beat)
        except queue.Empty:
            yield HEARTBEAT
            continue
        if what == "said":
            yield value
        elif what == "raised":
            raise value
        else:
            returned[name] = value
    return returned


def ask(
    llm: LLM,
    phase: str,
    *,
    system: str,
    question: str,
    shape: type[A],
    check: Callable[[A], None],
    max_tokens: int,
    stop: Stop,
    say: Say,
) -> tuple[A, str]:
    """(answer, model). What the model says is told as `token` events; `restart` makes those of this phase void.

    An answer that has not the shape or fails `check` is sent back once with what is wrong with it. Raises Unreadable when
    the second one is wrong too, and what `LLM.stream` raises.
    """
    told = question
    for last in (False, True):
        completion = _heard(llm, phase, system, told, max_tokens, stop, say)
        try:
            answer = shape.model_validate_json(bare_json(completion.text))
            check(answer)
            return answer, completion.model
        except (ValidationError, PlanRefused) as error:
            problem = _in_words(error)
            if last:
                raise Unreadable(f"the answer of {completion.model} on {phase} was wrong twice: {problem}") from None
            say(Event("restart", {"phase": phase, "model": completion.model, "reason": "its answer did not fit, so it is asked again"}))
            told = repair_question(question, completion.text, problem)
    raise AssertionError


def _heard(llm: LLM, phase: str, system: str, question: str, max_tokens: int, stop: Stop, say: Say) -> Completion:
    for heard in llm.stream(system=system, user=question, max_tokens=max_tokens, stop=stop):
        if isinstance(heard, Completion):
            return heard
        if isinstance(heard, Piece):
            say(Event("token", {"phase": phase, "text": heard.text}))
        elif isinstance(heard, Begun) and heard.broken:
            say(Event("restart", {"phase": phase, "model": heard.model, "reason": heard.broken}))
    raise AssertionError("a stream ends with its completion")


def bare_json(answer: str) -> str:
    """The object in an answer: models like to wrap it into a code fence or a sentence."""
    first, last = answer.find("{"), answer.rfind("}")
    return answer[first : last + 1] if 0 <= first < last else answer


def _in_words(error: ValidationError | PlanRefused) -> str:
    if isinstance(error, PlanRefused):
        return "; ".join(error.problems[:MOST_PROBLEMS])
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'answer'}: {item['msg'].removeprefix('Value error, ')}"
        for item in problems[:MOST_PROBLEMS]
    )
