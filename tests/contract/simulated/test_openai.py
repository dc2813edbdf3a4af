"""The OpenAI SDK understands the simulated provider in chat completions, responses and embeddings."""

import math
from typing import Literal

from pydantic import BaseModel, Field

from roadworthy.records import Usage
from roadworthy.testing.simulated import ContentFiltered, Refused, Reply, ToolCall, Truncated

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
RESPONSES_TOOL = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}


class Decision(BaseModel):
    """What the model has to fill in."""

    outcome: Literal["answer", "refuse"]
    message: str = Field(min_length=3, max_length=20)
    score: float = Field(ge=0.5, lt=0.75)
    tags: list[str]


async def test_chat_echoes_when_nothing_is_scripted(provider, ask_chat):
    """A request without a script gets its own text back, with tokens counted."""
    answer = await ask_chat("what is up?")
    assert answer.choices[0].message.content == "echo: what is up?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-test"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 5)
    assert provider.requests[0].text == "what is up?"


async def test_chat_parses_structured_output(openai_client):
    """A JSON schema is answered with JSON that the SDK's own parser accepts."""
    answer = await openai_client.chat.completions.parse(
        model="gpt-test", messages=[{"role": "user", "content": "decide"}], response_format=Decision
    )
    decision = answer.choices[0].message.parsed
    assert decision.outcome == "answer"
    assert 0.5 <= decision.score < 0.75


async def test_chat_calls_a_demanded_tool(provider, ask_chat):
    """A scripted JSON object becomes the arguments of the tool that has to be called."""
    provider.add({"city": "Oslo"})
    answer = await ask_chat(tools=[CHAT_TOOL], tool_choice="required")
    call = answer.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Oslo"}')
    assert answer.choices[0].finish_reason == "tool_calls"


async def test_chat_streams_text_and_usage(provider, ask_chat):
    """A stream carries the whole text, its finish reason and the usage that was asked for."""
    provider.add(Reply("one two three four five six seven", usage=Usage(70, 7, cache_read_tokens=50)))
    stream = await ask_chat(stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "one two three four five six seven"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 50


async def test_chat_streams_tool_calls(provider, openai_client):
    """The SDK assembles a tool call from the pieces of a stream."""
    provider.add(Reply(tool_calls=(ToolCall("weather", {"city": "New York City"}),)))
    async with openai_client.chat.completions.stream(
        model="gpt-test", messages=[{"role": "user", "content": "weather?"}], tools=[CHAT_TOOL]
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city": "New York City"}'


async def test_chat_says_why_it_stopped(provider, ask_chat):
    """Refusals, filtered and truncated answers are told apart."""
    provider.add(Refused("no"), ContentFiltered(), Truncated())
    refused, filtered, truncated = [(await ask_chat()).choices[0] for _ in range(3)]
    assert (refused.message.refusal, refused.message.content) == ("no", None)
    assert filtered.finish_reason == "content_filter"
    assert (truncated.finish_reason, truncated.message.content) == ("length", "echo:")


async def test_responses_answer_text(ask_responses):
    """The Responses API gets text and usage."""
    answer = await ask_responses("hi there", instructions="be brief")
    assert answer.output_text == "echo: hi there"
    assert answer.status == "completed"
    assert answer.usage.input_tokens == 4


async def test_responses_parse_structured_output(openai_client):
    """A text format with a schema is answered with JSON that the SDK parses."""
    answer = await openai_client.responses.parse(model="gpt-test", input="decide", text_format=Decision)
    assert answer.output_parsed.outcome == "answer"


async def test_responses_call_a_demanded_tool(ask_responses):
    """A demanded function is called with arguments that fit its schema."""
    choice = {"type": "function", "name": "weather"}
    answer = await ask_responses(tools=[RESPONSES_TOOL], tool_choice=choice)
    assert (answer.output[0].type, answer.output[0].arguments) == ("function_call", '{"city": "city"}')


async def test_responses_stream_text_and_tool_calls(provider, openai_client):
    """The SDK assembles the same response from a stream as from a whole answer."""
    provider.add(Reply("let me look that up", tool_calls=(ToolCall("weather", {"city": "Oslo"}),)))
    async with openai_client.responses.stream(model="gpt-test", input="w?", tools=[RESPONSES_TOOL]) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "let me look that up"
    assert final.output[1].arguments == '{"city": "Oslo"}'
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


async def test_responses_say_why_they_stopped(provider, ask_responses):
    """A refusal is a refusal item; a truncated answer is incomplete."""
    provider.add(Refused("no"), Truncated())
    refused, truncated = [await ask_responses() for _ in range(2)]
    assert refused.output[0].content[0].refusal == "no"
    assert (truncated.status, truncated.incomplete_details.reason) == ("incomplete", "max_output_tokens")


async def test_responses_stream_refusals(provider, ask_responses):
    """A refusal arrives in a stream as a refusal."""
    provider.add(Refused("that I will not do"))
    events = [event async for event in await ask_responses(stream=True)]
    assert "".join(event.delta for event in events if event.type == "response.refusal.delta") == (
        "that I will not do"
    )


async def test_embeddings_are_the_same_for_the_same_text(openai_client):
    """Vectors have length 1, depend on the text alone, and are near for texts that share words."""
    texts = ["refund my order", "refund my broken order", "quantum chromodynamics lecture"]
    first = await openai_client.embeddings.create(model="embed", input=texts, dimensions=64)
    again = await openai_client.embeddings.create(
        model="embed", input=texts[0], dimensions=64, encoding_format="float"
    )
    one, near, far = [item.embedding for item in first.data]
    assert len(one) == 64
    assert math.isclose(_dot(one, one), 1, abs_tol=1e-5)
    assert _dot(one, again.data[0].embedding) > 0.9999
    assert _dot(one, near) > _dot(one, far) + 0.3
    assert first.usage.prompt_tokens == 18


def _dot(left, right):
    return math.fsum(a * b for a, b in zip(left, right, strict=True))
