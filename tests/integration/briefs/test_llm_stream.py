"""The chain of models as a stream: pieces as they come, a model that breaks off, a caller that goes away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from app.adapters.llm_openai import ChainLLM
from app.ports.llm import Begun, Completion, LLMUnavailable, Piece, Stop, Stopped
from tests.support.llm_server import LLMServer, answer, hang, raw, status, stream
from tests.support.servers import plain_settings

FIRST, SECOND = "one/first", "two/second"


@pytest.fixture
def provider() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


def chain(provider: LLMServer, **values: object) -> ChainLLM:
    given = {"private_openrouter_api_key": "sk", "openrouter_base_url": provider.base_url, "llm_models": (FIRST, SECOND)}
    return ChainLLM(plain_settings(**{**given, "llm_timeout": 20, **values}))


def asked(llm: ChainLLM, stop: Stop | None = None) -> Iterator[Begun | Piece | Completion]:
    return llm.stream(system="Be brief.", user="What first?", max_tokens=50, stop=stop)


def data(content: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": content}}]}).encode() + b"\n\n"


def test_a_piece_is_there_before_the_next_one_is_written(provider: LLMServer) -> None:
    go_on = threading.Event()
    provider.behave(FIRST, stream("Begin ", go_on, "here."))
    said = asked(chain(provider))
    assert (next(said), next(said)) == (Begun(FIRST), Piece("Begin "))
    assert not go_on.is_set()
    go_on.set()
    assert list(said) == [Piece("here."), Completion("Begin here.", FIRST)]
    assert provider.requests[0].body["stream"] is True


BREAKS = {
    "closed": (),
    "an error in the stream": (b'data: {"error": {"message": "overloaded"}}\n\n',),
    "nonsense in the stream": (b"data: {nonsense\n\n",),
    "cut in the middle of an event": (b'data: {"choices": [{"delta": {"con',),
}


@pytest.mark.parametrize("rest", BREAKS.values(), ids=BREAKS.keys())
def test_a_model_that_breaks_off_is_followed_by_the_next_and_its_pieces_are_void(provider: LLMServer, rest) -> None:
    heard = threading.Event()
    provider.behave(FIRST, stream("Half a", heard, *rest, ends=False))
    provider.behave(SECOND, answer("Whole."))
    said = asked(chain(provider))
    assert (next(said), next(said)) == (Begun(FIRST), Piece("Half a"))
    heard.set()
    again = next(said)
    assert isinstance(again, Begun) and again.model == SECOND and again.broken.startswith(f"{FIRST} ")
    assert list(said) == [Piece("Whole."), Completion("Whole.", SECOND)]


def test_a_model_that_falls_silent_is_left_in_time(provider: LLMServer) -> None:
    provider.behave(FIRST, stream("Half a", threading.Event()))
    said = list(asked(chain(provider, llm_timeout=0.5)))
    assert said[2] == Begun(SECOND, f"{FIRST} did not answer in time")


def test_a_model_that_said_nothing_is_not_heard_of(provider: LLMServer) -> None:
    provider.behave(FIRST, status(500))
    provider.behave(SECOND, answer("Yes."))
    assert list(asked(chain(provider))) == [Begun(SECOND), Piece("Yes."), Completion("Yes.", SECOND)]


def test_all_break_off(provider: LLMServer) -> None:
    provider.behave(FIRST, stream("Half", ends=False))
    provider.behave(SECOND, status(429))
    with pytest.raises(LLMUnavailable, match="^one/first broke off in the middle of its answer; two/second has no capacity"):
        list(asked(chain(provider)))


def test_thoughts_are_not_shown_however_they_are_cut(provider: LLMServer) -> None:
    provider.behave(FIRST, stream("<th", "ink>the inv", "oice?</thi", "nk>a <", "b> is ", "it"))
    said = list(asked(chain(provider)))
    assert "".join(piece.text for piece in said[1:-1]) == "a <b> is it" == said[-1].text


def test_letters_cut_in_the_middle_of_their_bytes(provider: LLMServer) -> None:
    whole = data("Grüße 🎉")
    raw_bytes = whole.replace(b"\\u00fc", "ü".encode())
    cut = raw_bytes.index("ü".encode()) + 1
    provider.behave(FIRST, stream(raw_bytes[:cut], threading_pause(), raw_bytes[cut:]))
    assert list(asked(chain(provider)))[-1].text == "Grüße 🎉"


def threading_pause() -> threading.Event:
    """Set already: it only ends the write before it."""
    event = threading.Event()
    event.set()
    return event


def test_a_provider_that_knows_no_streams(provider: LLMServer) -> None:
    provider.behave(FIRST, raw(json.dumps({"choices": [{"message": {"content": "All at once."}}]})))
    assert list(asked(chain(provider))) == [Begun(FIRST), Piece("All at once."), Completion("All at once.", FIRST)]


@pytest.mark.parametrize("behaviour", [hang(), stream("Half", threading.Event())], ids=["silent", "in the middle"])
def test_a_stop_ends_a_call_that_waits(provider: LLMServer, behaviour) -> None:
    provider.behave(FIRST, behaviour)
    stop, ended = Stop(), []

    def listen() -> None:
        try:
            list(asked(chain(provider), stop))
        except Stopped as stopped:
            ended.append(stopped)

    thread = threading.Thread(target=listen)
    thread.start()
    while not provider.requests:
        thread.join(0.01)
    stop.set()
    thread.join(10)
    assert len(ended) == 1 and provider.models_asked == [FIRST], "the next model is not asked"


def test_a_stopped_call_asks_nobody(provider: LLMServer) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        list(asked(chain(provider), stop))
    assert provider.requests == []


def test_closing_the_iterator_ends_the_call(provider: LLMServer) -> None:
    go_on = threading.Event()
    provider.behave(FIRST, stream("Begin", go_on, *["x" * 1000] * 2000))
    said = asked(chain(provider))
    next(said), next(said)
    said.close()
    go_on.set()
    assert provider.hung_up.wait(10), "the provider notices"
