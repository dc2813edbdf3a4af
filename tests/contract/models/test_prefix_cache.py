"""Beginnings of prompts that a provider is told to keep, on the wire, and what that saves."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
import pytest_asyncio

from roadworthy.models import Message, prefix_saving, price
from roadworthy.records import Usage
from roadworthy.settings import ModelSettings
from roadworthy.testing import simulated as sim

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
RULES = "Answer from the handbook only. " * 100
MARK = {"type": "ephemeral", "ttl": "5m"}
SONNET = {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929"}


def asked(*texts: str, rules: str = RULES) -> tuple[Message, ...]:
    """Instructions, then turns of user and assistant."""
    roles = ("user", "assistant")
    turns = [Message(roles[at % 2], text) for at, text in enumerate(texts)]
    return (Message("system", rules), *turns)


@pytest_asyncio.fixture(loop_scope="module")
async def sonnet(server, open_models):
    """A model of Anthropic's, at the simulated provider, that has not been asked yet."""
    return open_models({"m": {**SONNET, "base_url": server.url}}).target("m")


async def test_instructions_are_marked_from_the_second_time_on(*, server, sonnet, ask):
    """The first request is sent as before; the second, with another question, marks what they share."""
    for question in ("one?", "two?"):
        await sonnet.request(ask(messages=asked(question)))

    first, second = (one.body for one in server.requests[-2:])
    assert first["system"].strip() == RULES.strip()
    assert [block["cache_control"] for block in second["system"]] == [MARK]
    assert second["system"][0]["text"].strip() == RULES.strip()
    assert "cache_control" not in json.dumps([first, second["messages"]])


async def test_instructions_that_differ_from_call_to_call_are_never_marked(*, server, sonnet, ask):
    """Writing them into the cache would cost more, and nobody would read them."""
    for customer in ("Ann", "Ben"):
        await sonnet.request(ask(messages=asked("one?", rules=f"Write to {customer}. {RULES}")))

    assert "cache_control" not in json.dumps([one.body for one in server.requests[-2:]])


async def test_short_instructions_are_not_marked(*, server, sonnet, ask):
    """The provider would not keep them."""
    for question in ("one?", "two?"):
        await sonnet.request(ask(messages=asked(question, rules="Be brief.")))

    assert "cache_control" not in json.dumps([one.body for one in server.requests[-2:]])


async def test_examples_that_come_again_are_marked_at_their_end(*, server, sonnet, ask):
    """The last question before the real one bears the mark; the real one bears none."""
    for question in ("three?", "four?"):
        await sonnet.request(ask(messages=asked("one?", "1", "two?", "2", question)))

    marked = [
        [block.get("cache_control") for block in message["content"]]
        for message in server.requests[-1].body["messages"]
        if message["role"] == "user"
    ]
    assert marked == [[None], [MARK], [None]]


async def test_a_repair_marks_instructions_only(*, server, sonnet, ask):
    """The question and its wrong answer are sent once more at most: they are not worth keeping."""
    await sonnet.request(ask(messages=asked("one?")))
    await sonnet.request(ask(messages=asked("one?", "wrong", "try again")))

    body = server.requests[-1].body
    assert body["system"][0]["cache_control"] == MARK
    assert "cache_control" not in json.dumps(body["messages"])


async def test_with_a_schema_as_a_tool_the_mark_stands_behind_both(*, server, open_models, ask, schema):
    """Tools come before the instructions, so one mark behind these keeps both."""
    section = {**SONNET, "base_url": server.url, "output_mode": "tool"}
    target = open_models({"m": section}).target("m")
    for question in ("one?", "two?"):
        await target.request(ask(messages=asked(question), output_schema=schema))

    body = server.requests[-1].body
    assert body["tools"]
    assert body["system"][0]["cache_control"] == MARK


@pytest.mark.parametrize(
    "own", [{"prefix_cache": False}, {"options": {"anthropic_cache_instructions": "1h"}}]
)
async def test_the_settings_have_the_last_word(*, server, open_models, ask, own):
    """Marks can be turned off, and the library's own options are left as they are."""
    target = open_models({"m": {**SONNET, "base_url": server.url, **own}}).target("m")
    for question in ("one?", "two?"):
        await target.request(ask(messages=asked(question)))

    said = json.dumps(server.requests[-1].body)
    assert ('"ttl": "1h"' in said) is ("options" in own)
    assert '"ttl": "5m"' not in said


@pytest.mark.parametrize("provider", ["openai", "simulated"])
async def test_providers_that_keep_beginnings_by_themselves_get_the_same_bytes(
    *, server, open_models, ask, provider
):
    """Nothing is added, and what two requests share stands first in both."""
    target = open_models(
        {"m": {"provider": provider, "model": "gpt-4o-mini", "base_url": server.base_url}}
    ).target("m")
    for question in ("one?", "two?"):
        await target.request(ask(messages=asked("example?", "yes", question)))

    first, second = (one.body["messages"] for one in server.requests[-2:])
    assert first[:-1] == second[:-1]
    assert first[0]["role"] == "system"
    assert "cache" not in json.dumps(server.requests[-1].body)


async def test_what_the_provider_counts_is_priced_and_saves(*, server, sonnet, ask):
    """Tokens written into the cache cost more than others, tokens read from it a tenth."""
    # The price list knows models by the provider's address, which the simulated one has not.
    listed = SimpleNamespace(
        provider="anthropic", model=SONNET["model"], settings=ModelSettings.model_validate(SONNET)
    )
    server.add(
        sim.Reply("ok", usage=Usage(1000, 10, cache_write_tokens=800)),
        sim.Reply("ok", usage=Usage(1000, 10, cache_read_tokens=800)),
    )

    wrote, read = [
        (await sonnet.request(ask(messages=asked(question)))).usage for question in ("one?", "two?")
    ]

    # 200 x 3 + 800 x 3.75 + 10 x 15, for a million
    assert price(listed, wrote, NOW).cost_usd == Decimal("0.00375")
    # 200 x 3 + 800 x 0.30 + 10 x 15, for a million
    assert price(listed, read, NOW).cost_usd == Decimal("0.00099")
    # 800 x 0.75 more, then 800 x 2.70 less, for a million
    assert prefix_saving(listed, wrote, NOW) == Decimal("-0.0006")
    assert prefix_saving(listed, read, NOW) == Decimal("0.00216")


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bodies: list) -> None:
    """Answer one request of Bedrock's Converse API on this connection, and keep its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    bodies.append(json.loads(await reader.readexactly(length)))
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}},
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": 200,
            "outputTokens": 10,
            "totalTokens": 1010,
            "cacheReadInputTokens": 700,
            "cacheWriteInputTokens": 100,
        },
        "metrics": {"latencyMs": 1},
    }
    body = json.dumps(answer).encode()
    lines = ["HTTP/1.1 200 OK", "content-type: application/json", "connection: close"]
    writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def test_bedrock_is_told_by_cache_points(open_models, ask):
    """Its dialect has blocks for it; none of them names a time to live, which not all models take."""
    bodies: list = []
    service = await asyncio.start_server(lambda r, w: converse(r, w, bodies), "127.0.0.1", 0)
    async with service:
        address = f"http://127.0.0.1:{service.sockets[0].getsockname()[1]}"
        section = {
            "provider": "bedrock",
            "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "region": "eu-central-1",
            "base_url": address,
        }
        target = open_models({"m": section}).target("m")
        for question in ("three?", "four?"):
            response = await target.request(ask(messages=asked("one?", "1", question)))

    point = {"cachePoint": {"type": "default"}}
    first, second = bodies
    assert "cachePoint" not in json.dumps(first)
    assert second["system"][-1] == point
    assert "cachePoint" not in json.dumps(second["messages"])
    assert response.usage == Usage(1000, 10, cache_read_tokens=700, cache_write_tokens=100)
