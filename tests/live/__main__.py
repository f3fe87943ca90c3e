"""The real models, with real keys: `make test-llm`. It costs money, so nothing else runs it.

Each model of LLM_MODELS is asked alone for an onboarding analysis as JSON of its shape, and for a sentence piece by piece.
Exit code 1 where one of them, or every key, fails.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from app.adapters.llm_openai import ChainLLM
from app.features.onboarding import prompts
from app.features.onboarding.answer import AnalysisAnswer, problems_of
from app.features.onboarding.models import Context
from app.ports.llm import LLM, Begun, Completion, LLMUnavailable, Piece
from app.ports.structured import UnusableAnswer, ask_for
from app.settings import Settings, load_settings

ADA = Context("Ada", "I run a small shop and forget what I started.", ("open a second shop",), ("getting started",))


def analysis(llm: LLM) -> str:
    """An answer of a known shape."""
    said = ask_for(
        llm, AnalysisAnswer, system=prompts.SYSTEM, user=prompts.user_message(ADA), max_tokens=prompts.MAX_TOKENS, check=problems_of
    )
    return f"{len(said.value.questions)} questions{', repaired once' if said.repaired else ''}"


def stream(llm: LLM) -> str:
    """A sentence as it is written."""
    said = list(llm.stream(system="Answer in one sentence.", user="What is a calendar good for?", max_tokens=100))
    pieces = "".join(each.text for each in said if isinstance(each, Piece))
    whole = said[-1]
    if not (isinstance(said[0], Begun) and isinstance(whole, Completion) and pieces.strip() == whole.text):
        raise UnusableAnswer("the pieces are not the answer")
    return f"{len(said) - 2} pieces"


CHECKS: tuple[Callable[[LLM], str], ...] = (analysis, stream)


def run(settings: Settings, say: Callable[[str], None] = print) -> bool:
    """Ask every model of the chain alone; whether all did what they must."""
    good = True
    for model in settings.llm_models:
        llm = ChainLLM(settings.model_copy(update={"llm_models": (model,)}))
        for check in CHECKS:
            began = time.monotonic()
            try:
                found = f"ok, {check(llm)}"
            except (LLMUnavailable, UnusableAnswer) as error:
                found, good = f"FAILED: {error}", False
            say(f"{model} {check.__name__}: {found} ({time.monotonic() - began:.1f} s)")
    return good


if __name__ == "__main__":
    sys.exit(not run(load_settings()))
