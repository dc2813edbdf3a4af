"""Chat completions through the gateway, by the official client and by LangChain's."""

import asyncio
import json

import openai
import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from roadworthy.testing.simulated import (
    ContentFiltered,
    Nonsense,
    NotJson,
    Reply,
    ToolCall,
    Truncated,
    Unavailable,
    When,
    model_is,
)

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVO"
    "RK5CYII="
)


class Verdict(BaseModel):
    """What structured answers are made of."""

    outcome: str
    score: int


async def test_a_question_is_answered_and_on_record(start, fresh_database_url):
    """A prototype that changes its base URL gets an answer, and its call is on record with its cost."""
    gateway = await start()
    gateway.server.add("It is on its way.")
    raw = await gateway.openai.chat.completions.with_raw_response.create(
        model="default",
        messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where is it?"}],
        temperature=0.2,
        metadata={"team": "desk"},
        user="ann",
        extra_headers={"Roadworthy-Task": "tickets", "Roadworthy-Prompt": "helper"},
    )
    said = raw.parse()
    assert said.choices[0].message.content == "It is on its way."
    assert (said.choices[0].finish_reason, said.model) == ("stop", "first-model")
    call = await gateway.only()
    assert said.id == f"chatcmpl-{call['id'].removeprefix('call_')}"
    assert raw.headers["Roadworthy-Call-Id"] == call["id"]
    assert raw.headers["Roadworthy-Rung"] == "main"
    assert float(raw.headers["Roadworthy-Cost-Usd"]) == call["cost_micro_usd"] / 1_000_000 > 0
    assert (call["status"], call["route"], call["prompt_id"]) == ("succeeded", "default", "helper")
    assert (call["task"], call["user_id"], call["tenant"]) == ("tickets", "ann", "")
    sent = gateway.server.requests[0].body
    assert (sent["temperature"], sent["user"]) == (0.2, "ann")
    assert sent["messages"][0] == {"role": "system", "content": "Be kind."}


async def test_the_same_instructions_are_one_version(start):
    """Costs by prompt version say something: the version is the hash of instructions and tools."""
    gateway = await start()
    for system, text in (("Be kind.", "One?"), ("Be kind.", "Two?"), ("Be brief.", "One?")):
        said = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        await gateway.openai.chat.completions.create(model="default", messages=said)
    one, two, three = [call["prompt_version"] for call in await gateway.recorded()]
    assert one == two != three
    assert one.startswith("gateway@")


async def test_tools_are_called_and_their_results_read(start):
    """A tool call comes back as OpenAI says it, and the result goes to the model with it."""
    gateway = await start()
    gateway.server.add(Reply(tool_calls=(ToolCall("weather", {"city": "Ulm"}),)))
    asked = [{"role": "user", "content": "Is it raining in Ulm?"}]
    first = await gateway.openai.chat.completions.create(
        model="default", messages=asked, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False
    )
    (call,) = first.choices[0].message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Ulm"})
    gateway.server.add("It rains.")
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = await gateway.openai.chat.completions.create(
        model="default", messages=[*asked, first.choices[0].message, result], tools=[WEATHER]
    )
    assert second.choices[0].message.content == "It rains."
    one, two = gateway.server.requests
    assert one.body["tool_choice"] == "required"
    assert one.body["tools"][0]["function"]["parameters"]["required"] == ["city"]
    assert one.body["parallel_tool_calls"] is False
    assert [message["role"] for message in two.body["messages"]] == ["user", "assistant", "tool"]
    assert (
        two.body["messages"][1]["tool_calls"][0]["id"] == call.id == two.body["messages"][2]["tool_call_id"]
    )


@pytest.mark.parametrize(
    ("provider", "api"), [("openai", "chat"), ("openai", "responses"), ("anthropic", "messages")]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_round_trip_through_every_dialect(start, provider, api, stream):
    """Whichever model stands behind the route, calls and results keep their ids and arguments."""
    other = {"provider": provider, "model": "gpt-4o-mini", "options": {"api": api}}
    if provider == "anthropic":
        other = {"provider": provider, "model": "claude-sonnet-4-5", "root_url": True}
    gateway = await start({"other": other}, {"tools": {"models": ["other"]}})
    calls = (ToolCall("weather", {"city": "Ulm"}), ToolCall("weather", {"city": "Köln"}))
    gateway.server.add(Reply("Let me look.", tool_calls=calls))
    asked = [{"role": "user", "content": "Is it raining?"}]
    made = await gateway.openai.chat.completions.create(
        model="tools", messages=asked, tools=[WEATHER], stream=stream
    )
    if stream:
        found: dict[int, list[str]] = {}
        async for chunk in made:
            for call in chunk.choices[0].delta.tool_calls or ():
                entry = found.setdefault(call.index, ["", "", ""])
                entry[0] += call.id or ""
                entry[1] += call.function.name or ""
                entry[2] += call.function.arguments or ""
            finish = chunk.choices[0].finish_reason
    else:
        finish = made.choices[0].finish_reason
        found = {
            at: [call.id, call.function.name, call.function.arguments]
            for at, call in enumerate(made.choices[0].message.tool_calls)
        }
    assert finish == "tool_calls"
    assert [json.loads(arguments)["city"] for _, _, arguments in found.values()] == ["Ulm", "Köln"]
    assert all(name == "weather" for _, name, _ in found.values())
    replies = [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": one, "type": "function", "function": {"name": name, "arguments": arguments}}
                for one, name, arguments in found.values()
            ],
        },
        *({"role": "tool", "tool_call_id": one, "content": "rain"} for one, _, _ in found.values()),
    ]
    gateway.server.add("It rains in both.")
    again = await gateway.openai.chat.completions.create(
        model="tools", messages=[*asked, *replies], tools=[WEATHER]
    )
    assert again.choices[0].message.content == "It rains in both."
    sent = json.dumps(gateway.server.requests[1].body)
    assert all(one in sent for one, _, _ in found.values())


async def test_structured_answers_are_parsed(start):
    """The client's schema goes to the model the native way, and what comes back fits it."""
    gateway = await start()
    gateway.server.add({"outcome": "answer", "score": 3})
    said = await gateway.openai.chat.completions.parse(
        model="default", messages=[{"role": "user", "content": "Judge."}], response_format=Verdict
    )
    assert said.choices[0].message.parsed == Verdict(outcome="answer", score=3)
    form = gateway.server.requests[0].body["response_format"]
    assert (form["type"], form["json_schema"]["name"]) == ("json_schema", "Verdict")


async def test_an_answer_that_is_no_json_is_asked_for_again(start):
    """A client that wants JSON is given JSON, or an error that says so."""
    gateway = await start()
    gateway.server.add(NotJson(), {"outcome": "answer"})
    said = await gateway.chat(response_format={"type": "json_object"})
    assert json.loads(said.choices[0].message.content) == {"outcome": "answer"}
    gateway.server.add(NotJson(), NotJson())
    with pytest.raises(openai.InternalServerError) as error:
        await gateway.chat(response_format={"type": "json_object"})
    assert (error.value.status_code, error.value.code) == (502, "invalid_answer")


async def test_a_length_that_the_client_set_may_cut_the_answer(start):
    """That is what was asked for, and the reason says so."""
    gateway = await start()
    gateway.server.add(Truncated())
    said = await gateway.chat(max_completion_tokens=5)
    assert said.choices[0].finish_reason == "length"
    assert gateway.server.requests[0].body["max_completion_tokens"] == 5


async def test_images_reach_the_model(start):
    """As addresses and as data, in their order among the text."""
    gateway = await start()
    address = "https://example.com/cat.png"
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": address, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    await gateway.openai.chat.completions.create(
        model="default", messages=[{"role": "user", "content": content}]
    )
    sent = gateway.server.requests[0].body["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url", "image_url"]
    assert sent[1]["image_url"]["url"] == address
    assert sent[2]["image_url"]["url"] == PIXEL


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"store": True}, "store"),
        ({"extra_body": {"temprature": 1}}, "temprature"),
        ({"temperature": 3}, "temperature"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "name": "ann"}]}, "messages.0.name"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "nobody"}]}, "messages.0"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages.0.content",
        ),
        ({"max_tokens": 1, "max_completion_tokens": 2}, "max_tokens"),
        ({"metadata": {"k": "line\nbreak"}}, "metadata"),
    ],
)
async def test_what_cannot_be_honoured_is_refused(start, asked, param):
    """Clearly, by the name of the parameter, and nothing is sent."""
    gateway = await start()
    with pytest.raises(openai.BadRequestError) as error:
        await gateway.chat(**asked)
    assert (error.value.param or "").startswith(param)
    assert gateway.server.count == 0


async def test_what_one_model_does_not_take_another_may(start):
    """A setting is never left out silently: the next model that takes it answers, or it is refused."""
    gateway = await start(
        {"claude": {"provider": "anthropic", "model": "claude-sonnet-4-5", "root_url": True}},
        {"mixed": {"models": ["claude", "main"]}, "claude": {"models": ["claude"]}},
    )
    said = await gateway.chat(model="mixed", seed=7)
    assert said.model == "first-model"
    with pytest.raises(openai.BadRequestError, match="seed"):
        await gateway.chat(model="claude", seed=7)
    assert [request.model for request in gateway.server.requests] == ["first-model"]


async def test_the_next_model_answers_where_the_first_cannot(start):
    """A route's fallback holds for clients of the gateway."""
    gateway = await start(routes={"default": {"models": ["main", "second"]}})
    gateway.server.add(When(model_is("first-model"), Unavailable()))
    said = await gateway.openai.chat.completions.with_raw_response.create(
        model="default", messages=[{"role": "user", "content": "Hello"}]
    )
    assert said.headers["Roadworthy-Rung"] == "second"
    assert said.headers["Roadworthy-Degraded"] == "true"


async def test_an_answer_is_given_again(start, fresh_database_url):
    """The route's cache answers the same request, for nothing; other tools or images are another one."""
    gateway = await start(routes={"default": {"cache": {"ttl_seconds": 60}}})
    first = await gateway.chat()
    again = await gateway.chat()
    assert again.choices[0].message.content == first.choices[0].message.content
    assert gateway.server.count == 1
    await gateway.chat(tools=[WEATHER])
    await gateway.chat(top_p=0.5)
    assert gateway.server.count == 3
    rungs = [call["rung"] for call in await gateway.recorded()]
    assert rungs == ["main", "cache", "main", "main"]


@pytest.mark.parametrize(
    ("asked", "kind", "status", "code"),
    [
        ({"model": "defualt"}, openai.NotFoundError, 404, "model_not_found"),
        ({}, openai.InternalServerError, 503, "no_model_answered"),
    ],
)
async def test_errors_have_openais_shape_and_our_words(start, asked, kind, status, code):
    """An unknown route says what was meant, an outage when to come again; no provider's text is in it."""
    gateway = await start()
    gateway.server.add(Unavailable(retry_after_seconds=7))
    with pytest.raises(kind) as error:
        await gateway.chat(**asked)
    assert (error.value.status_code, error.value.code) == (status, code)
    if status == 404:
        assert "Did you mean 'default'?" in error.value.message
    else:
        assert int(error.value.response.headers["Retry-After"]) >= 1
        assert "overloaded" not in error.value.response.text.lower().replace("is overloaded or down", "")


async def test_a_refusal_of_the_providers_filter_is_a_bad_request(start):
    """It is the request that has to change."""
    gateway = await start()
    gateway.server.add(ContentFiltered())
    with pytest.raises(openai.BadRequestError) as error:
        await gateway.chat()
    assert error.value.code == "content_filter"


async def test_a_budget_without_room_is_told_and_nothing_is_sent(start, fresh_database_url):
    """Budget 0: no request, no cost, and when to come again."""
    gateway = await start(budgets={"daily": {"scope": "environment", "per_day_usd": 0}})
    with pytest.raises(openai.RateLimitError) as error:
        await gateway.chat()
    assert error.value.code == "budget_spent"
    assert int(error.value.response.headers["Retry-After"]) > 0
    assert gateway.server.count == 0
    assert await gateway.under_way() == 0


async def test_a_budget_is_never_overspent_by_calls_that_come_together(start, fresh_database_url):
    """Twenty at once, with room for a few: what is spent stays within, and nothing is left set aside."""
    gateway = await start(budgets={"daily": {"scope": "environment", "per_day_usd": "0.01"}})
    results = await asyncio.gather(
        *(gateway.chat(f"Question {n}", max_tokens=500) for n in range(20)), return_exceptions=True
    )
    refused = [one for one in results if isinstance(one, openai.RateLimitError)]
    assert refused
    assert len(refused) < 20
    assert len([one for one in results if isinstance(one, BaseException)]) == len(refused)
    ((spent, reserved),) = (await gateway.accounts()).values()
    assert 0 < spent <= 10_000
    assert reserved == 0
    assert await gateway.under_way() == 0


async def test_throttles_hold_for_users_of_the_gateway(start):
    """Who asks too often is told for how long to wait."""
    gateway = await start(throttles={"user": {"scope": "user", "requests_per_minute": 1, "burst": 1}})
    await gateway.chat(user="ann")
    with pytest.raises(openai.RateLimitError) as error:
        await gateway.chat(user="ann")
    assert error.value.code == "rate_limit_exceeded"
    await gateway.chat(user="bob")


async def test_data_goes_only_where_it_may(start):
    """Kinds of data that a header names are kept to their regions."""
    gateway = await start({"main": {"model": "m", "region": "us"}}, residency={"health": {"regions": ["eu"]}})
    with pytest.raises(openai.PermissionDeniedError):
        await gateway.chat(extra_headers={"Roadworthy-Data": "health"})
    assert gateway.server.count == 0


async def test_langchain_talks_to_it(start):
    """LangChain's client asks, streams, calls tools and gets structured answers."""

    @tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"

    gateway = await start()
    llm = ChatOpenAI(model="default", base_url=gateway.base_url, api_key="rw_acme", max_retries=0)
    gateway.server.add("Hello.")
    said = await llm.ainvoke("Hi")
    assert said.content == "Hello."
    assert said.usage_metadata["output_tokens"] > 0
    gateway.server.add("Hello there, friend.")
    assert "".join([chunk.content async for chunk in llm.astream("Hi")]) == "Hello there, friend."
    gateway.server.add(Reply(tool_calls=(ToolCall("weather", {"city": "Ulm"}),)))
    called = await llm.bind_tools([weather]).ainvoke("Rain?")
    assert [(one["name"], one["args"]) for one in called.tool_calls] == [("weather", {"city": "Ulm"})]
    gateway.server.add({"outcome": "answer", "score": 3})
    judged = await llm.with_structured_output(Verdict).ainvoke("Judge.")
    assert judged == Verdict(outcome="answer", score=3)
    assert {call["tenant"] for call in await gateway.recorded()} == {"acme"}


async def test_valid_nonsense_is_an_answer_all_the_same(start):
    """The gateway judges the form of what it passes on, never its sense."""
    gateway = await start()
    gateway.server.add(Nonsense())
    assert (await gateway.chat()).choices[0].message.content
