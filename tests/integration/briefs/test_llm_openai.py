"""The chain of models, through the real OpenAI client, against a provider that misbehaves in every way we know."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app.adapters.llm_openai import ChainLLM
from app.ports.llm import Begun, Completion, LLMUnavailable, Piece
from tests.support.llm_server import LLMServer, answer, drip, hang, raw, status
from tests.support.servers import plain_settings

MODELS = ("deepseek/deepseek-chat", "openai/gpt-4o", "anthropic/claude-3.5-sonnet")
KEY = "sk-secret-of-the-chain"
Ask = Callable[[ChainLLM], Completion]


@pytest.fixture
def provider() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


def chain(provider: LLMServer, **values: object) -> ChainLLM:
    given = {
        "private_openrouter_api_key": KEY,
        "openrouter_base_url": provider.base_url,
        "llm_models": MODELS,
        "llm_timeout": 20,
    }
    return ChainLLM(plain_settings(**{**given, **values}))


def in_one_piece(llm: ChainLLM) -> Completion:
    return llm.complete(system="Be brief.", user="What first?", max_tokens=50)


def in_pieces(llm: ChainLLM) -> Completion:
    """The same by a stream. What was shown since the last beginning is what the answer says."""
    shown, completion, began = "", None, ""
    for said in llm.stream(system="Be brief.", user="What first?", max_tokens=50):
        assert completion is None, "the completion comes last"
        if isinstance(said, Begun):
            shown, began = "", said.model
        elif isinstance(said, Piece):
            assert said.text and began
            shown += said.text
        else:
            completion = said
    assert completion is not None and shown.strip() == completion.text and began == completion.model
    return completion


@pytest.fixture(params=[in_one_piece, in_pieces], ids=["whole", "streamed"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """The one suite for both ways to ask."""
    return request.param


def test_the_first_model_answers(provider: LLMServer, ask: Ask) -> None:
    completion = ask(chain(provider))
    assert (completion.text, completion.model) == ("Begin with the invoice.", "deepseek/deepseek-chat")
    [request] = provider.requests
    assert request.authorization == f"Bearer {KEY}"
    assert request.body["max_tokens"] == 50
    assert request.body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What first?"},
    ]


BROKEN = {
    "busy": status(429, retry_after=60),
    "down": status(500),
    "unavailable": status(503, retry_after=60),
    "unauthorised": status(401),
    "forbidden": status(403),
    "unknown": status(404),
    "no JSON": raw("<html>Bad gateway</html>"),
    "half of it": raw('{"choices": [{"message": {"content": "Beg'),
    "no choices": raw('{"choices": []}'),
    "a list": raw("[1, 2]"),
    "an error under 200": raw('{"error": {"message": "overloaded", "code": 502}}'),
    "empty": answer(""),
    "blank": answer(" \n\t"),
    "null": answer(None),
    "only thoughts": answer("<think>Hm, the invoice?</think>\n"),
    "no text at all": raw(""),
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN.keys())
def test_the_next_model_takes_over_at_once(provider: LLMServer, behaviour, ask: Ask) -> None:
    provider.behave(MODELS[0], behaviour)
    provider.behave(MODELS[1], answer("From the second."))
    completion = ask(chain(provider))
    assert (completion.text, completion.model) == ("From the second.", MODELS[1])
    assert provider.models_asked == list(MODELS[:2]), "each model is asked once"


@pytest.mark.parametrize("behaviour", [hang(), drip()], ids=["silent", "dripping"])
def test_a_model_that_does_not_come_to_an_end_is_left(provider: LLMServer, behaviour, ask: Ask) -> None:
    provider.behave(MODELS[0], behaviour)
    assert ask(chain(provider, llm_timeout=0.5)).model == MODELS[1]


def test_an_answer_without_end_is_left(provider: LLMServer, ask: Ask) -> None:
    provider.behave(MODELS[0], raw(" " * 3_000_000))
    assert ask(chain(provider)).model == MODELS[1]


def test_what_a_model_thought_is_not_its_answer(provider: LLMServer, ask: Ask) -> None:
    provider.behave(MODELS[0], answer("<think>\nlong\nthoughts\n</think>\n\nCall Anna."))
    assert ask(chain(provider)).text == "Call Anna."


def test_all_down_says_how_each_failed_and_no_secret(provider: LLMServer, ask: Ask) -> None:
    provider.behave(MODELS[0], status(429))
    provider.behave(MODELS[1], status(401))
    provider.behave(MODELS[2], hang())
    with pytest.raises(LLMUnavailable) as caught:
        ask(chain(provider, llm_timeout=0.5))
    assert caught.value.reason == (
        "deepseek/deepseek-chat has no capacity for us now (429); openai/gpt-4o refused our key (401); "
        "anthropic/claude-3.5-sonnet did not answer in time"
    )
    assert KEY not in caught.value.reason


def test_an_address_where_nobody_listens(ask: Ask) -> None:
    with LLMServer() as gone:
        pass
    with pytest.raises(LLMUnavailable, match=r"^deepseek/deepseek-chat cannot be reached; "):
        ask(chain(gone))


def test_no_key_asks_nobody(provider: LLMServer, ask: Ask) -> None:
    with pytest.raises(LLMUnavailable, match="no language model is configured"):
        ask(chain(provider, private_openrouter_api_key=None))
    assert provider.requests == []


def test_an_openai_key_alone_serves_the_openai_models_alone(provider: LLMServer, ask: Ask) -> None:
    llm = chain(
        provider, private_openrouter_api_key=None, openai_api_key="sk-openai", openai_base_url=provider.base_url
    )
    assert ask(llm).model == "openai/gpt-4o"
    [request] = provider.requests
    assert (request.model, request.authorization) == ("gpt-4o", "Bearer sk-openai")


def test_with_both_keys_openai_models_go_direct_and_the_order_holds(provider: LLMServer, ask: Ask) -> None:
    with LLMServer(default=answer("Directly.")) as direct:
        provider.behave(MODELS[0], status(500))
        llm = chain(provider, openai_api_key="sk-openai", openai_base_url=direct.base_url)
        completion = ask(llm)
        assert (completion.text, completion.model) == ("Directly.", "openai/gpt-4o")
        assert (provider.models_asked, direct.models_asked) == ([MODELS[0]], ["gpt-4o"])


def test_a_bare_model_name_goes_to_the_openai_address(provider: LLMServer, ask: Ask) -> None:
    llm = chain(
        provider,
        private_openrouter_api_key=None,
        openai_api_key="x",
        openai_base_url=provider.base_url,
        llm_models=("llama3",),
    )
    assert ask(llm).model == "llama3"
    assert provider.models_asked == ["llama3"]
