"""The Responses API and embeddings through the gateway, by the official client."""

import base64
import json
import struct

import openai
import pytest
from pydantic import BaseModel

from roadworthy.testing.simulated import CutStream, Reply, ToolCall, Truncated, Unavailable, When, model_is
from roadworthy.testing.simulated.dialects.embeddings import vector

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


class Verdict(BaseModel):
    """What structured answers are made of."""

    outcome: str


async def test_a_question_is_answered(start):
    """Instructions and input go to the model; the answer, its tokens and its call are those of the record."""
    gateway = await start()
    gateway.server.add("It is on its way.")
    said = await gateway.openai.responses.create(
        model="default", instructions="Be kind.", input="Where is it?", max_output_tokens=50
    )
    assert (said.output_text, said.status, said.model) == ("It is on its way.", "completed", "first-model")
    call = await gateway.only()
    assert said.id == f"resp_{call['id'].removeprefix('call_')}"
    assert said.usage.output_tokens == call["output_tokens"] > 0
    sent = gateway.server.requests[0].body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert sent["max_completion_tokens"] == 50


async def test_tools_are_called_and_their_results_read(start):
    """Output items go back as input items, with the tool's result behind them."""
    gateway = await start()
    gateway.server.add(Reply(tool_calls=(ToolCall("weather", {"city": "Ulm"}),)))
    asked = [{"role": "user", "content": [{"type": "input_text", "text": "Rain?"}]}]
    first = await gateway.openai.responses.create(
        model="default", input=asked, tools=[WEATHER], tool_choice={"type": "function", "name": "weather"}
    )
    (call,) = first.output
    assert (call.type, json.loads(call.arguments)) == ("function_call", {"city": "Ulm"})
    gateway.server.add("It rains.")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    second = await gateway.openai.responses.create(
        model="default", input=[*asked, *first.output, result], tools=[WEATHER]
    )
    assert second.output_text == "It rains."
    roles = [message["role"] for message in gateway.server.requests[1].body["messages"]]
    assert roles == ["user", "assistant", "tool"]


async def test_structured_answers_are_parsed(start):
    """By the client's own schema."""
    gateway = await start()
    gateway.server.add({"outcome": "answer"})
    said = await gateway.openai.responses.parse(model="default", input="Judge.", text_format=Verdict)
    assert said.output_parsed == Verdict(outcome="answer")


async def test_events_tell_the_whole_answer(start):
    """From created to completed, numbered, with the text and tool calls that the end repeats."""
    gateway = await start()
    gateway.server.add(Reply("Let me look.", tool_calls=(ToolCall("weather", {"city": "Ulm"}),)))
    async with gateway.openai.responses.stream(model="default", input="Rain?", tools=[WEATHER]) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "Let me look."
    assert [item.type for item in final.output] == ["message", "function_call"]
    assert json.loads(final.output[1].arguments) == {"city": "Ulm"}


async def test_a_cut_answer_says_so(start):
    """A length that was reached is `incomplete`; a stream that broke off is an error."""
    gateway = await start()
    gateway.server.add(Truncated())
    said = await gateway.openai.responses.create(model="default", input="Tell me.", max_output_tokens=5)
    assert (said.status, said.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    gateway.server.add(CutStream(after_events=4))
    stream = await gateway.openai.responses.create(model="default", input="Tell me. " * 50, stream=True)
    with pytest.raises(openai.APIError, match="connection broke"):
        _ = [event async for event in stream]


@pytest.mark.parametrize(
    "asked",
    [
        {"previous_response_id": "resp_1"},
        {"store": True},
        {"background": True},
        {"tools": [{"type": "web_search"}]},
        {"input": []},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"type": "function_call_output", "call_id": "nobody", "output": "x"}]},
        {"truncation": "auto"},
        {"reasoning": {"effort": "low", "summary": "auto"}},
    ],
)
async def test_what_cannot_be_honoured_is_refused(start, asked):
    """Clearly, and nothing is sent."""
    gateway = await start()
    with pytest.raises(openai.BadRequestError):
        await gateway.openai.responses.create(**{"model": "default", "input": "Hi", **asked})
    assert gateway.server.count == 0


@pytest.mark.parametrize("encoding", ["float", "base64"])
async def test_texts_become_vectors(start, fresh_database_url, encoding):
    """One for each text in its order, in either encoding, priced and on record without the vectors."""
    gateway = await start(budgets={"daily": {"scope": "environment", "per_day_usd": 1}})
    texts = ["a parcel", "an umbrella"]
    said = await gateway.openai.embeddings.create(
        model="default", input=texts, encoding_format=encoding, dimensions=64
    )
    for item, text in zip(said.data, texts, strict=True):
        found = item.embedding
        if encoding == "base64":
            found = list(struct.unpack("<64f", base64.b64decode(found)))
        assert found == pytest.approx(vector(text, 64), abs=1e-6)
    call = await gateway.only()
    assert (call["status"], call["output_tokens"]) == ("succeeded", 0)
    assert said.usage.prompt_tokens == call["input_tokens"] > 0
    assert call["tried"][0]["received"]["vectors"] == 2
    assert (await gateway.accounts())["daily"] == (call["cost_micro_usd"], 0)
    assert gateway.server.requests[0].body["dimensions"] == 64


async def test_only_the_same_model_stands_in_for_vectors(start):
    """Vectors of another model cannot be compared with those that were stored; a twin elsewhere can."""
    gateway = await start(
        {"twin": {"model": "first-model"}},
        {"other": {"models": ["main", "second"]}, "same": {"models": ["main", "second", "twin"]}},
    )
    gateway.server.add(When(model_is("first-model"), Unavailable()))
    with pytest.raises(openai.InternalServerError):
        await gateway.openai.embeddings.create(model="other", input="x")
    gateway.server.add(When(model_is("first-model"), Unavailable()))
    said = await gateway.openai.embeddings.with_raw_response.create(model="same", input="x")
    assert said.headers["Roadworthy-Rung"] == "twin"
    assert {request.model for request in gateway.server.requests} == {"first-model"}


@pytest.mark.parametrize("given", [[], [""], [[1, 2]], "", ["x"] * 3000])
async def test_what_is_no_text_is_refused(start, given):
    """Token numbers mean something else to every model."""
    gateway = await start()
    with pytest.raises(openai.BadRequestError):
        await gateway.openai.embeddings.create(model="default", input=given)


async def test_a_model_without_vectors_is_refused(start):
    """Anthropic has none: the client is told, and nothing is sent."""
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-5", "root_url": True}
    gateway = await start({"claude": claude}, {"claude": {"models": ["claude"]}})
    with pytest.raises(openai.BadRequestError, match="vectors"):
        await gateway.openai.embeddings.create(model="claude", input="x")
    assert gateway.server.count == 0
