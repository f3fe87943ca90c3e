"""A language model provider on this machine: speaks OpenAI's chat completions, and misbehaves on demand.

with LLMServer() as server:
    server.behave("openai/gpt-4o", status(429, retry_after=1))
    ChainLLM(settings with openrouter_base_url=server.base_url).complete(…)
    server.requests[0].model
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MAX_DRIPS = 600


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    path: str
    authorization: str
    body: dict[str, Any]

    @property
    def model(self) -> str:
        return self.body["model"]


Behaviour = Callable[["_Handler", Request], None]


def answer(text: str | None) -> Behaviour:
    """A good answer with this text (null is what a refusing model sends), in pieces where a stream was asked for."""

    def behave(handler: _Handler, request: Request) -> None:
        if request.body.get("stream"):
            stream(*(() if text is None else re.findall(r".{1,7}", text, re.DOTALL)))(handler, request)
            return
        message = {"role": "assistant", "content": text}
        handler.send(200, {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request.model + "-2026-01-01",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        })  # fmt: skip

    return behave


def stream(*pieces: str | threading.Event | bytes, ends: bool = True) -> Behaviour:
    """A stream of pieces, each an event of its own; bytes go out as they are; at an Event it waits until that is set.

    Without `ends` the line goes dead after the last piece.
    """

    def behave(handler: _Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        try:
            handler.wfile.write(b": PROCESSING\n\n")
            handler.event({"role": "assistant", "content": ""})
            for piece in pieces:
                if isinstance(piece, threading.Event):
                    handler.server.owner.wait(piece)
                elif isinstance(piece, bytes):
                    handler.wfile.write(piece)
                else:
                    handler.event({"content": piece})
            if ends:
                handler.event({}, finish_reason="stop")
                handler.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            handler.server.owner.hung_up.set()  # the client has gone away in the middle

    return behave


def by_question(answers: Callable[[Request], Behaviour]) -> Behaviour:
    """What is asked decides how it is answered."""
    return lambda handler, request: answers(request)(handler, request)


def status(code: int, *, retry_after: int | None = None) -> Behaviour:
    """A refusal. Its message repeats the key, as some providers' do: it must not get any further."""

    def behave(handler: _Handler, request: Request) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        handler.send(
            code, {"error": {"message": f"no: {request.authorization}", "type": "error", "code": code}}, headers
        )

    return behave


def raw(body: str) -> Behaviour:
    """Status 200 with exactly this body."""
    return lambda handler, request: handler.send_raw(200, body.encode())


def hang() -> Behaviour:
    """No answer until the client has given up or the server stops."""
    return lambda handler, request: handler.server.owner.stopping.wait(60)


def wait_for(event: threading.Event, text: str) -> Behaviour:
    """A good answer, not before `event` is set."""

    def behave(handler: _Handler, request: Request) -> None:
        event.wait(60)
        answer(text)(handler, request)

    return behave


def drip() -> Behaviour:
    """An answer that never ends, one byte every 50 ms: each read is in time, the whole is not."""

    def behave(handler: _Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        for _ in range(MAX_DRIPS):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return
            if handler.server.owner.stopping.wait(0.05):
                return

    return behave


@dataclass
class LLMServer:
    """The provider. Every model answers with `default` until told otherwise."""

    default: Behaviour = field(default_factory=lambda: answer("Begin with the invoice."))
    requests: list[Request] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)  # a client left in the middle of a stream

    def __enter__(self) -> Self:
        self._behaviours: dict[str, Behaviour] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def wait(self, event: threading.Event) -> None:
        """Until the event is set or the server stops."""
        while not event.wait(0.02) and not self.stopping.is_set():
            pass

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def models_asked(self) -> list[str]:
        return [request.model for request in self.requests]

    def behave(self, model: str, behaviour: Behaviour) -> None:
        """From now on, requests for `model` are met like this."""
        self._behaviours[model] = behaviour

    def behaviour_for(self, model: str) -> Behaviour:
        return self._behaviours.get(model, self.default)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection for each request: nothing to keep alive when the server stops

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, self.headers.get("Authorization", ""), body)
        self.server.owner.requests.append(request)
        if self.path != "/v1/chat/completions":
            self.send(404, {"error": {"message": "no such path"}})
        else:
            self.server.owner.behaviour_for(request.model)(self, request)

    def event(self, delta: dict[str, Any], finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def send(self, code: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.send_raw(code, json.dumps(body).encode(), headers)

    def send_raw(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the client has given up

    def log_message(self, format: str, *args: object) -> None:
        pass
