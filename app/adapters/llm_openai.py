"""The chain of language models, over any address that speaks OpenAI's chat completions.

Each model is asked once; the next one takes over on any failure (CONTRACT 8.1). Retries are the queue's business.
"""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import dataclass

from app.ports.llm import Completion, LLMUnavailable
from app.settings import Settings

log = logging.getLogger(__name__)

LARGEST_ANSWER = 2_000_000  # bytes; an endpoint that sends more is broken
NO_KEY = "no language model is configured (OPENAI_API_KEY or PRIVATE_OPENROUTER_API_KEY would set one up)"

# Some models print what they thought before they answer.
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


class _Refused(Exception):
    """An answer that came and is of no use; the message is for the log and for the user."""


@dataclass(frozen=True, slots=True)
class _Route:
    """How a model of the chain is reached: `name` is its name there."""

    name: str
    base_url: str
    key: str


class ChainLLM:
    """`LLM` over `settings.llm_models`, in their order.

    OPENAI_API_KEY serves the models `openai/…` and those without a provider in their name, directly;
    PRIVATE_OPENROUTER_API_KEY serves every other one, and all of them where it is the only key. A model without a key is skipped.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def complete(self, *, system: str, user: str, max_tokens: int = 1200) -> Completion:
        """The first usable answer. Raises LLMUnavailable with the failures in words."""
        routes = [(model, route) for model in self._settings.llm_models if (route := self._route(model))]
        if not routes:
            raise LLMUnavailable(NO_KEY)
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        failures = []
        for model, route in routes:
            try:
                return Completion(self._ask(route, messages, max_tokens), model)
            except Exception as error:  # noqa: BLE001 - whatever one provider does wrong, the next may do right
                reason = _in_words(error)
                log.warning("llm.model_failed model=%s reason=%s", model, reason)
                failures.append(f"{model} {reason}")
        raise LLMUnavailable("; ".join(failures))

    def _route(self, model: str) -> _Route | None:
        settings = self._settings
        provider, _, bare = model.rpartition("/")
        if settings.openai_api_key and provider in ("", "openai"):
            return _Route(bare, settings.openai_base_url, settings.openai_api_key.get_secret_value())
        if settings.private_openrouter_api_key:
            return _Route(model, settings.openrouter_base_url, settings.private_openrouter_api_key.get_secret_value())
        return None

    def _ask(self, route: _Route, messages: list[dict[str, str]], max_tokens: int) -> str:
        # The library takes half a second to load: only processes that ask a model pay for it, and not at their start.
        from openai import OpenAI

        # A client for one call: nothing open is carried over a fork, and a call takes seconds anyway.
        with OpenAI(
            api_key=route.key, base_url=route.base_url, timeout=self._settings.llm_timeout, max_retries=0
        ) as client:
            deadline = time.monotonic() + self._settings.llm_timeout
            with client.chat.completions.with_streaming_response.create(
                model=route.name, messages=messages, max_tokens=max_tokens, temperature=0.3
            ) as response:
                body = bytearray()
                # The client's timeout is for one read: an answer that drips must end in time as well.
                for chunk in response.iter_bytes():
                    body += chunk
                    if time.monotonic() > deadline:
                        raise TimeoutError
                    if len(body) > LARGEST_ANSWER:
                        raise _Refused("sent an answer without end")
        return _text_of(bytes(body))


def _text_of(body: bytes) -> str:
    """The text of a chat completion. Raises _Refused where there is none."""
    try:
        answer = json.loads(body)
        if isinstance(answer, dict) and answer.get("error"):
            raise _Refused("answered with an error")  # some gateways say so under status 200
        content = answer["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        raise _Refused("sent an answer that cannot be read") from None
    text = _THOUGHTS.sub("", content).strip() if isinstance(content, str) else ""
    if not text:
        raise _Refused("sent an empty answer")
    return text


def _in_words(error: Exception) -> str:
    """Why a call failed. Never the provider's own message: it may repeat a part of the key or of the request."""
    import openai

    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, openai.RateLimitError):
        return "has no capacity for us now (429)"
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return f"refused our key ({error.status_code})"
    if isinstance(error, openai.NotFoundError):
        return "is not known at its address (404)"
    if isinstance(error, openai.APIStatusError):
        return f"answered with status {error.status_code}"
    if isinstance(error, (openai.APITimeoutError, TimeoutError)):
        return "did not answer in time"
    if isinstance(error, openai.APIConnectionError):
        return "cannot be reached"
    return "failed"
