"""The Anthropic SDK understands what the simulated provider says in messages."""

from typing import Literal

from pydantic import BaseModel

from roadworthy.records import Usage
from roadworthy.testing.simulated import (
    ContentFiltered,
    Refused,
    Reply,
    SimulatedProvider,
    ToolCall,
    Truncated,
)

WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Decision(BaseModel):
    """What the model has to fill in."""

    outcome: Literal["answer", "refuse"]
    message: str


async def test_messages_echo_when_nothing_is_scripted(provider, ask_messages):
    """A request without a script gets its own text back; the system text is read too."""
    answer = await ask_messages("hello you", system="be brief")
    assert answer.content[0].text == "echo: hello you"
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 4)
    assert provider.requests[0].system == "be brief"


async def test_messages_parse_structured_output(anthropic_client):
    """The SDK's own parser accepts the answer to an output format."""
    answer = await anthropic_client.messages.parse(
        model="claude-test",
        max_tokens=100,
        messages=[{"role": "user", "content": "decide"}],
        output_format=Decision,
    )
    assert answer.parsed_output == Decision(outcome="answer", message="message")


async def test_beta_messages_parse_structured_output(anthropic_client):
    """So does the beta interface, which other libraries use."""
    answer = await anthropic_client.beta.messages.parse(
        model="claude-test",
        max_tokens=100,
        messages=[{"role": "user", "content": "decide"}],
        output_format=Decision,
    )
    assert answer.parsed_output.outcome == "answer"


async def test_messages_call_a_demanded_tool(ask_messages):
    """A demanded tool is called with an input that fits its schema."""
    answer = await ask_messages(tools=[WEATHER], tool_choice={"type": "any"})
    assert (answer.content[0].name, answer.content[0].input) == ("weather", {"city": "city"})
    assert answer.stop_reason == "tool_use"


async def test_messages_stream_text_and_tool_calls(provider, anthropic_client):
    """The SDK assembles the same message from a stream as from a whole answer."""
    calls = (ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Rome"}))
    provider.add(Reply("let me look that up", tool_calls=calls, usage=Usage(100, 9, 60, 30)))
    async with anthropic_client.messages.stream(
        model="claude-test", max_tokens=100, messages=[{"role": "user", "content": "w?"}], tools=[WEATHER]
    ) as stream:
        final = await stream.get_final_message()
    assert final.content[0].text == "let me look that up"
    assert [block.input for block in final.content[1:]] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert final.stop_reason == "tool_use"
    usage = final.usage
    assert (usage.input_tokens, usage.output_tokens) == (10, 9)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (60, 30)


async def test_messages_say_why_they_stopped(provider, ask_messages):
    """Refusals, filtered and truncated answers have their stop reasons."""
    provider.add(Refused("no"), ContentFiltered(), Truncated())
    refused, filtered, truncated = [await ask_messages() for _ in range(3)]
    assert (refused.stop_reason, refused.stop_details.explanation) == ("refusal", "no")
    assert filtered.stop_reason == "refusal"
    assert truncated.stop_reason == "max_tokens"


async def test_cached_prefixes_are_counted(anthropic_client):
    """With prefixes cached, the second request reads what the first one sent."""
    async with SimulatedProvider(cache_prefixes=True) as caching:
        client = anthropic_client.copy(base_url=caching.url)
        history = [{"role": "user", "content": "a long question about refunds"}]
        first = await client.messages.create(model="claude-test", max_tokens=9, messages=history)
        history += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": "and now?"}]
        second = await client.messages.create(model="claude-test", max_tokens=9, messages=history)
    assert (first.usage.cache_read_input_tokens, first.usage.input_tokens) == (0, 8)
    assert (second.usage.cache_read_input_tokens, second.usage.input_tokens) == (8, 3)
