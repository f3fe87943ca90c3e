"""The chain of language models, over any address that speaks OpenAI's chat completions.

Each model is asked once; the next one takes over on any failure (CONTRACT 8.1). Retries are the queue's business.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socket import SHUT_RDWR
from typing import Any

from app.adapters.llm_answers import Refused, StreamedAnswer, text_of
from app.ports.llm import Begun, Completion, LLMUnavailable, Piece, Stop, Stopped
from app.settings import Settings

log = logging.getLogger(__name__)

LARGEST_ANSWER = 2_000_000  # bytes; an endpoint that sends more is broken
NO_KEY = "no language model is configured (OPENAI_API_KEY or PRIVATE_OPENROUTER_API_KEY would set one up)"


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
        failures = []
        for model, route in self._routes():
            try:
                return Completion(self._ask(route, _messages(system, user), max_tokens), model)
            except Exception as error:  # noqa: BLE001 - whatever one provider does wrong, the next may do right
                failures.append(f"{model} {_noted(model, error)}")
        raise LLMUnavailable("; ".join(failures))

    def stream(
        self, *, system: str, user: str, max_tokens: int = 1200, stop: Stop | None = None
    ) -> Iterator[Begun | Piece | Completion]:
        """The first usable answer, as it comes. A model that says nothing before it fails leaves no trace but in the log."""
        stop = stop or Stop()
        failures: list[str] = []
        broken = None  # how the last model that had begun to speak broke off
        for model, route in self._routes():
            begun = False
            try:
                for said in self._listen(route, _messages(system, user), max_tokens, stop):
                    if not begun:
                        begun = True
                        yield Begun(model, broken)
                    yield said if isinstance(said, Piece) else Completion(said, model)
                return
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                if stop.is_set:
                    raise Stopped from None
                failures.append(f"{model} {_noted(model, error)}")
                broken = failures[-1] if begun else broken
        raise LLMUnavailable("; ".join(failures))

    def _routes(self) -> list[tuple[str, _Route]]:
        """The models that can be asked, in their order. Raises LLMUnavailable when there is none."""
        routes = [(model, route) for model in self._settings.llm_models if (route := self._route(model))]
        if not routes:
            raise LLMUnavailable(NO_KEY, configured=False)
        return routes

    def _route(self, model: str) -> _Route | None:
        settings = self._settings
        provider, _, bare = model.rpartition("/")
        if settings.openai_api_key and provider in ("", "openai"):
            return _Route(bare, settings.openai_base_url, settings.openai_api_key.get_secret_value())
        if settings.private_openrouter_api_key:
            return _Route(model, settings.openrouter_base_url, settings.private_openrouter_api_key.get_secret_value())
        return None

    def _ask(self, route: _Route, messages: list[dict[str, str]], max_tokens: int) -> str:
        with self._response(route, messages, max_tokens, Stop()) as response:
            deadline = time.monotonic() + self._settings.llm_timeout
            body = bytearray()
            # The client's timeout is for one read: an answer that drips must end in time as well.
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(body) > LARGEST_ANSWER:
                    raise Refused("sent an answer without end")
        return text_of(bytes(body))

    def _listen(
        self, route: _Route, messages: list[dict[str, str]], max_tokens: int, stop: Stop
    ) -> Iterator[Piece | str]:
        """One model's pieces and, when it has come to its end, the whole text. Raises what went wrong, or Stopped."""
        answer = StreamedAnswer()
        with self._response(route, messages, max_tokens, stop, stream=True) as response:
            deadline = time.monotonic() + self._settings.llm_timeout
            for chunk in response.iter_bytes():
                if stop.is_set:
                    raise Stopped
                if time.monotonic() > deadline:
                    raise TimeoutError
                if piece := answer.feed(chunk):
                    yield Piece(piece)
        if stop.is_set:
            raise Stopped
        held, text = answer.end()
        if held:
            yield Piece(held)
        yield text

    @contextmanager
    def _response(
        self, route: _Route, messages: list[dict[str, str]], max_tokens: int, stop: Stop, **more: Any
    ) -> Iterator[Any]:
        """The answer of one call, its body still to be read. A client for one call: nothing open is carried over a fork, and a
        call takes seconds anyway."""
        # The library takes half a second to load: only processes that ask a model pay for it, and not at their start.
        from openai import DefaultHttpxClient, OpenAI

        timeout = self._settings.llm_timeout
        line = _Line()
        with (
            stop.ending(line.cut),
            DefaultHttpxClient(timeout=timeout, event_hooks={"request": [line.watch]}) as http,
            OpenAI(api_key=route.key, base_url=route.base_url, timeout=timeout, max_retries=0, http_client=http) as client,
            client.chat.completions.with_streaming_response.create(
                model=route.name, messages=messages, max_tokens=max_tokens, temperature=0.3, **more
            ) as response,
        ):
            yield response


class _Line:
    """The sockets of one call, so that it can be ended while another thread waits for it to say something."""

    def __init__(self) -> None:
        self._sockets: list[Any] = []
        self._cut = False

    def watch(self, request: Any) -> None:
        """Take note of the connections that this request opens."""
        request.extensions["trace"] = self._trace

    def cut(self) -> None:
        """Whoever reads finds the end. Closing alone would not wake a thread that waits."""
        self._cut = True
        for sock in self._sockets:
            try:
                sock.shutdown(SHUT_RDWR)
            except OSError:
                pass  # it is closed, or was wrapped by another one

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets.append(info["return_value"].get_extra_info("socket"))
            if self._cut:
                self.cut()


def _messages(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _noted(model: str, error: Exception) -> str:
    """Why a model failed, in words; logged as well."""
    reason = _in_words(error)
    log.warning("llm.model_failed model=%s reason=%s", model, reason)
    return reason


def _in_words(error: Exception) -> str:
    """Why a call failed. Never the provider's own message: it may repeat a part of the key or of the request."""
    import openai

    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, openai.RateLimitError):
        return "has no capacity for us now (429)"
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return f"refused our key ({error.status_code})"
    if isinstance(error, openai.NotFoundError):
        return "is not known at its address (404)"
    if isinstance(error, openai.APIStatusError):
        return f"answered with status {error.status_code}"
    # While a body is read, the errors are those of the library below, which is no dependency of ours.
    kind = type(error).__name__
    if isinstance(error, (openai.APITimeoutError, TimeoutError)) or kind == "ReadTimeout":
        return "did not answer in time"
    if kind in ("ReadError", "RemoteProtocolError"):
        return "broke off in the middle of its answer"
    if isinstance(error, openai.APIConnectionError):
        return "cannot be reached"
    return "failed"
