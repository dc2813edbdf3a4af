"""Streams through the gateway: pieces as they come, faults before and after the first, clients that leave."""

import asyncio
import resource
import sys

import httpx2
import openai
import pytest

from roadworthy.testing.simulated import (
    CutStream,
    ErrorInSuccess,
    Hang,
    Refused,
    Reply,
    ServerError,
    Slow,
    ToolCall,
    Unavailable,
    When,
    model_is,
)

LONG = "one two three four five six seven eight nine ten. " * 20
SLOWLY = Reply(LONG, chunk_seconds=0.2)
BUDGET = {"daily": {"scope": "environment", "per_day_usd": 1}}


async def text_of(stream):
    """The text of a stream, and why it stopped."""
    text, finish = "", None
    async for chunk in stream:
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return text, finish


def body(text=LONG, **options):
    """A streamed request."""
    return {"model": "default", "stream": True, "messages": [{"role": "user", "content": text}], **options}


async def test_pieces_arrive_while_the_model_still_writes(start, fresh_database_url):
    """The first piece is there long before the last; afterwards the tokens are those of the provider."""
    gateway = await start(budgets=BUDGET)
    gateway.server.add(Reply(LONG, chunk_seconds=0.01))
    stream = await gateway.chat(stream=True, stream_options={"include_usage": True})
    chunks = []
    async for chunk in stream:
        if not chunks:
            assert await gateway.under_way() == 1
        chunks.append(chunk)
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == LONG
    assert len(texts) > 10
    assert chunks[-2].choices[0].finish_reason == "stop"
    call = await gateway.only()
    assert (call["status"], call["output_tokens"]) == ("succeeded", chunks[-1].usage.completion_tokens)
    assert (await gateway.accounts())["daily"] == (call["cost_micro_usd"], 0)


async def test_the_stream_says_who_answers(start):
    """Its headers go out with the first piece: which call it is, and which model was asked."""
    gateway = await start()
    async with gateway.openai.chat.completions.with_streaming_response.create(**body()) as response:
        headers = response.headers
        lines = [line async for line in response.iter_lines() if line]
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["Roadworthy-Rung"] == "main"
    assert headers["Roadworthy-Call-Id"] == (await gateway.only())["id"]
    assert lines[-1] == "data: [DONE]"


@pytest.mark.parametrize(
    "fault", [Unavailable(), ServerError(), CutStream(after_events=1), Hang(seconds=0.1)]
)
async def test_before_the_first_piece_the_next_model_takes_over(start, fault):
    """The client sees one good stream, and the record both attempts."""
    gateway = await start(routes={"default": {"models": ["main", "second"]}})
    gateway.server.add(When(model_is("first-model"), fault), When(model_is("second-model"), "Here I am."))
    assert await text_of(await gateway.chat(stream=True)) == ("Here I am.", "stop")
    call = await gateway.only()
    assert [attempt["status"] for attempt in call["tried"]] == ["failed", "succeeded"]


@pytest.mark.parametrize("fault", [CutStream(after_events=4), CutStream(after_events=4, reset=True)])
async def test_a_cut_stream_is_an_error_and_never_an_answer(start, fresh_database_url, fault):
    """No good end, no other model, no cache; what it may have cost is settled by estimate."""
    gateway = await start(
        routes={"default": {"models": ["main", "second"], "cache": {"ttl_seconds": 60}, "attempts": 3}},
        budgets=BUDGET,
    )
    gateway.server.add(When(model_is("first-model"), fault))
    with pytest.raises(openai.APIError, match="connection broke"):
        await text_of(await gateway.chat(LONG, stream=True))
    (call,) = await gateway.ended()
    assert (call["status"], len(call["tried"])) == ("failed", 1)
    assert call["cost_micro_usd"] > 0
    assert (await gateway.accounts())["daily"] == (call["cost_micro_usd"], 0)
    assert await gateway.under_way() == 0
    await gateway.chat(LONG)
    assert gateway.server.count == 2


async def test_a_cut_stream_has_no_good_end_on_the_wire(start):
    """Neither a finish reason nor `[DONE]`: no client can take it for the whole."""
    gateway = await start()
    gateway.server.add(CutStream(after_events=4))
    raw = (await gateway.http.post("/chat/completions", json=body())).text
    assert '"error":' in raw
    assert "[DONE]" not in raw
    assert '"finish_reason":"' not in raw


async def _chat(gateway, model):
    return (await text_of(await gateway.chat(LONG, model=model, stream=True)))[0]


async def _responses(gateway, model):
    stream = await gateway.openai.responses.create(model=model, input=LONG, stream=True)
    events = [event async for event in stream]
    return events[-1].response.output_text


@pytest.mark.parametrize("ask", [_chat, _responses])
async def test_every_dialect_of_a_provider_streams(start, ask):
    """Anthropic's and the Responses API's streams become chunks or events; when they are cut, an error."""
    models = {
        "claude": {"provider": "anthropic", "model": "claude-sonnet-4-5", "root_url": True},
        "gpt": {"provider": "openai", "model": "gpt-4o-mini", "options": {"api": "responses"}},
    }
    gateway = await start(models, {name: {"models": [name]} for name in models})
    for name in models:
        gateway.server.add("All is well with you.", CutStream(after_events=6))
        assert await ask(gateway, name) == "All is well with you."
        with pytest.raises(openai.APIError):
            await ask(gateway, name)
    assert [call["status"] for call in await gateway.ended(4)] == ["succeeded", "failed"] * 2


async def test_an_error_inside_a_good_stream_is_an_error(start):
    """A provider that breaks off with an error event has not answered."""
    gateway = await start()
    gateway.server.add(ErrorInSuccess())
    with pytest.raises(openai.APIError):
        await text_of(await gateway.chat(stream=True))
    assert [call["status"] for call in await gateway.ended()] == ["failed"]


async def test_a_failure_before_any_piece_is_an_ordinary_error(start):
    """With its status, not a stream that begins well."""
    gateway = await start()
    gateway.server.add(Unavailable())
    with pytest.raises(openai.InternalServerError) as error:
        await gateway.chat(stream=True)
    assert error.value.status_code == 503
    gateway.server.add(Refused())
    with pytest.raises(openai.BadRequestError):
        await gateway.chat(stream=True)


async def test_a_known_answer_is_streamed_too(start, fresh_database_url):
    """A hit of the cache comes as a stream, for nothing; an answer that was streamed is kept whole."""
    gateway = await start(routes={"default": {"cache": {"ttl_seconds": 60}}})
    gateway.server.add("Known by now.")
    assert await text_of(await gateway.chat(stream=True)) == ("Known by now.", "stop")
    assert await text_of(await gateway.chat(stream=True)) == ("Known by now.", "stop")
    assert (await gateway.chat()).choices[0].message.content == "Known by now."
    assert gateway.server.count == 1


@pytest.mark.parametrize(
    "route", [{"hedge_after_seconds": 5}, {"choose": "difficulty", "escalate_below": 0.5}]
)
async def test_an_answer_that_may_not_stand_is_held_back(start, route):
    """Where two models may be asked, nothing goes out before it is settled which one answers."""
    gateway = await start(routes={"default": {"models": ["main", "second"], **route}})
    gateway.server.add(When(model_is("first-model"), CutStream(after_events=4)))
    gateway.server.add(When(model_is("second-model"), "Settled."))
    assert await text_of(await gateway.chat(stream=True)) == ("Settled.", "stop")


async def test_a_client_that_leaves_ends_the_providers_request(start, fresh_database_url):
    """The call is cancelled, what it may have cost is settled, and its places are free again."""
    gateway = await start(
        {"main": {"model": "first-model", "max_concurrency": 1, "max_open_requests": 1}}, budgets=BUDGET
    )
    gateway.server.add(SLOWLY)
    async with gateway.http.stream("POST", "/chat/completions", json=body()) as response:
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith("data:")
        assert await gateway.under_way() == 1
    (call,) = await gateway.ended()
    assert (call["status"], call["tried"][0]["status"]) == ("cancelled", "cancelled")
    assert call["cost_micro_usd"] > 0
    assert (await gateway.accounts())["daily"] == (call["cost_micro_usd"], 0)
    assert await gateway.under_way() == 0
    async with asyncio.timeout(3):
        assert (await gateway.chat()).choices[0].message.content
    assert gateway.app.gates.of(gateway.app.models.target("main")).state.failed == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_answer_ends_the_call_too(start, stream):
    """Whole answers are not made for nobody either."""
    gateway = await start(budgets=BUDGET)
    gateway.server.add(Slow(30))
    with pytest.raises(httpx2.ReadTimeout):
        await gateway.http.post("/chat/completions", json=body(stream=stream), timeout=0.3)
    (call,) = await gateway.ended()
    assert call["status"] == "cancelled"
    assert await gateway.under_way() == 0


async def test_a_probe_that_a_client_left_gives_its_place_back(start):
    """A breaker that is half open lets the next one probe."""
    breaker = {"minimum_requests": 2, "open_seconds": 0.2, "probes": 1}
    gateway = await start({"main": {"model": "first-model", "breaker": breaker}})
    gateway.server.add(ServerError(), ServerError())
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await gateway.chat()
    gateway.server.add(SLOWLY)
    gate = gateway.app.gates.of(gateway.app.models.target("main"))
    async with asyncio.timeout(5):
        while gate.state.open_seconds > 0:
            await asyncio.sleep(0.01)
    async with gateway.http.stream("POST", "/chat/completions", json=body()) as response:
        await anext(response.aiter_lines())
        assert gate.state.state.value == "half_open"
    await gateway.ended(3)
    assert (await gateway.chat()).choices[0].message.content
    assert gate.state.state.value == "closed"


@pytest.mark.slow
async def test_five_hundred_streams_at_once_take_little_memory(start):
    """Each gets its whole answer, and a second wave takes no more memory than the first."""
    gateway = await start(
        {"main": {"model": "first-model", "max_concurrency": 1000, "timeout_seconds": 300}},
        {"default": {"timeout_seconds": 300}},
    )
    gateway.server.answers.rules.append(lambda _: Reply("one two three four. " * 6))

    async def one(client):
        async with client.stream("POST", "/chat/completions", json=body("Tell me.")) as response:
            return (await response.aread()).decode().rstrip()

    limits = httpx2.Limits(
        max_connections=600, max_keepalive_connections=0
    )  # idle ones are closed by the server
    headers = {"authorization": gateway.http.headers["authorization"]}
    async with httpx2.AsyncClient(
        base_url=gateway.base_url, headers=headers, timeout=300, limits=limits
    ) as client:
        await one(client)
        peaks = [_peak_bytes()]
        for wave in (500, 200):
            raws = await asyncio.gather(*(one(client) for _ in range(wave)))
            assert all(raw.endswith("[DONE]") for raw in raws)
            peaks.append(_peak_bytes())
    assert (peaks[1] - peaks[0]) / 500 < 500_000  # client, gateway and provider together
    assert peaks[2] - peaks[1] < 10_000_000
    assert len(await gateway.ended(701)) == 701


def _peak_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def test_tool_calls_are_streamed_as_they_are_written(start):
    """Name and id come first, arguments piece by piece."""
    gateway = await start()
    gateway.server.add(Reply(tool_calls=(ToolCall("f", {"text": "a b c d e f g"}),), chunk_seconds=0.005))
    pieces = []
    function = {"name": "f", "parameters": {"type": "object"}}
    async for chunk in await gateway.chat(stream=True, tools=[{"type": "function", "function": function}]):
        pieces += chunk.choices[0].delta.tool_calls or []
    assert (pieces[0].function.name, pieces[0].type) == ("f", "function")
    assert pieces[0].id
    assert len(pieces) > 2
    assert {piece.index for piece in pieces} == {0}


async def test_nothing_is_left_behind(start):
    """Neither tasks nor calls that go on, however streams ended."""
    gateway = await start()
    gateway.server.add("One.", CutStream(after_events=4), SLOWLY)
    await text_of(await gateway.chat(stream=True))
    with pytest.raises(openai.APIError):
        await text_of(await gateway.chat(LONG, stream=True))
    async with gateway.http.stream("POST", "/chat/completions", json=body()) as response:
        await anext(response.aiter_lines())
    await gateway.ended(3)
    await gateway.calls.settled()
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    assert not [name for name in names if "Pipeline" in name or "disconnected" in name]
