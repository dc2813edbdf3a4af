"""One suite over every wire dialect: good answers, structured answers, and each fault by its kind."""

import asyncio
import json
import time

import pytest
import pytest_asyncio

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models import Message, RequestFailed, price
from roadworthy.records import Usage
from roadworthy.testing import simulated as sim

pytestmark = pytest.mark.asyncio(loop_scope="module")

DIALECTS = {
    "simulated": {"provider": "simulated", "model": "gpt-4o-mini"},
    "openai-responses": {"provider": "openai", "model": "gpt-4o-mini", "options": {"api": "responses"}},
    "anthropic": {"provider": "anthropic", "model": "claude-sonnet-4-6"},
}
RELATIVES = {
    "openai": {"provider": "openai", "model": "gpt-4o-mini"},
    "openai-compatible": {"provider": "openai-compatible", "model": "any-model"},
    "azure-openai": {"provider": "azure-openai", "model": "deployment"},
    "ollama": {"provider": "ollama", "model": "llama3.2:3b"},
}
OTHER_WAYS = {
    f"{dialect}, {mode}": {**DIALECTS[dialect], "output_mode": mode}
    for dialect in DIALECTS
    for mode in ("native", "tool", "prompted")
}

ERRORS = [
    (sim.RateLimited(1.5), ErrorKind.RATE_LIMIT, False),
    (sim.RateLimited(None), ErrorKind.RATE_LIMIT, False),
    (sim.QuotaExceeded(), ErrorKind.QUOTA, False),
    (sim.ServerError(500), ErrorKind.SERVER, False),
    (sim.ServerError(502), ErrorKind.SERVER, True),
    (sim.Unavailable(2), ErrorKind.UNAVAILABLE, False),
    (sim.Overloaded(), ErrorKind.UNAVAILABLE, False),
    (sim.Unauthorized(), ErrorKind.AUTHENTICATION, False),
    (sim.ModelNotFound(), ErrorKind.MODEL_NOT_FOUND, False),
    (sim.ContextTooLong(), ErrorKind.CONTEXT_WINDOW, False),
    (sim.BadRequest(), ErrorKind.BAD_REQUEST, False),
    (sim.PromptBlocked(), ErrorKind.REFUSED, False),
    (sim.MalformedJson(), ErrorKind.MALFORMED, True),
    (sim.EmptyBody(), ErrorKind.MALFORMED, True),
    (sim.HtmlPage(200), ErrorKind.MALFORMED, True),
    (sim.HtmlPage(503), ErrorKind.UNAVAILABLE, False),
    (sim.HtmlPage(403), ErrorKind.AUTHENTICATION, False),
    (sim.ErrorInSuccess(), ErrorKind.SERVER, True),
    (sim.Refused("I cannot help with that."), ErrorKind.REFUSED, True),
    (sim.ContentFiltered("half an ans"), ErrorKind.REFUSED, True),
    (sim.ResetConnection("before"), ErrorKind.CONNECTION, True),
    (sim.ResetConnection("during"), ErrorKind.CONNECTION, True),
    (sim.CutStream(), ErrorKind.CONNECTION, True),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def targets(server, open_models):
    """A target for each dialect and way of asking, all at the simulated provider."""
    sections = {
        name.replace(", ", "-"): {
            **section,
            "base_url": server.url if section["provider"] == "anthropic" else server.base_url,
        }
        for name, section in {**DIALECTS, **RELATIVES, **OTHER_WAYS}.items()
    }
    models = open_models(sections)
    return {name: models.target(name.replace(", ", "-")) for name in {**DIALECTS, **RELATIVES, **OTHER_WAYS}}


async def failure(target, request) -> ProviderError:
    """The error that the request ends with."""
    with pytest.raises(ProviderError) as caught:
        await target.request(request)
    return caught.value


@pytest.mark.parametrize("dialect", [*DIALECTS, *RELATIVES])
async def test_text_comes_back_with_its_record(*, server, targets, ask, key, dialect):
    """A plain answer carries text, exact tokens, model, ids and both bodies, and the key is in neither."""
    server.add(sim.Reply("It is on its way.", usage=Usage(120, 30, cache_read_tokens=50)))

    response = await targets[dialect].request(ask(temperature=0.5, max_tokens=99))

    assert response.text == "It is on its way."
    assert response.usage == Usage(120, 30, cache_read_tokens=50)
    assert response.model == targets[dialect].model
    assert response.finish_reason == "stop"
    assert response.provider_request_id
    assert response.notes == ()
    assert "Where is my parcel?" in json.dumps(response.sent)
    assert "It is on its way." in json.dumps(response.received)
    assert key not in repr(response)
    assert server.requests[-1].body == response.sent
    assert server.requests[-1].system == "You answer tickets."


@pytest.mark.parametrize("way", [*DIALECTS, *RELATIVES, *OTHER_WAYS])
async def test_a_structured_answer_comes_back_as_json(server, targets, ask, schema, way):
    """With a schema the text is JSON that fits it, whichever way it is asked for."""
    if "prompted" in way:  # the simulated provider does not read a schema in words
        server.add({"outcome": "answer", "message": "hi"})

    response = await targets[way].request(ask(output_schema=schema, output_name="reply"))

    assert set(json.loads(response.text)) == {"outcome", "message"}
    if "prompted" in way:
        assert "maxLength" in json.dumps(response.sent)


@pytest.mark.parametrize(
    ("way", "asked_by"),
    [
        ("simulated", "schema"),
        ("anthropic", "schema"),
        ("simulated, tool", "tool"),
        ("anthropic, tool", "tool"),
    ],
)
async def test_the_schema_reaches_the_provider(*, server, targets, ask, schema, way, asked_by):
    """Native mode sends the schema as the answer's format, tool mode as a tool that must be called."""
    await targets[way].request(ask(output_schema=schema, output_name="reply"))

    got = server.requests[-1]
    assert set(got.schema["properties"]) == {"outcome", "message"}
    assert (got.tool == "reply") is (asked_by == "tool")


async def test_a_fenced_answer_in_prompted_mode_is_unwrapped(server, targets, ask, schema):
    """A model that was asked in words and wraps its JSON in a code fence is understood."""
    server.add('Here it is:\n```json\n{"outcome": "answer", "message": "hi"}\n```')

    response = await targets["simulated, prompted"].request(ask(output_schema=schema))

    assert json.loads(response.text) == {"outcome": "answer", "message": "hi"}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_conversation_keeps_its_order(server, targets, ask, dialect):
    """A wrong answer and what is wrong with it go back as turns of the conversation."""
    turns = (
        Message("system", "Rules."),
        Message("user", "Question?"),
        Message("assistant", "Wrong."),
        Message("user", "Try again."),
    )

    await targets[dialect].request(ask(messages=turns))

    assert [text for _, text in server.requests[-1].messages] == [
        "Rules.",
        "Question?",
        "Wrong.",
        "Try again.",
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("fault", "kind", "billed"), ERRORS, ids=[str(fault) for fault, _, _ in ERRORS])
async def test_each_fault_has_its_kind(*, server, targets, ask, schema, key, dialect, fault, kind, billed):
    """A fault becomes an error of the right kind after one request, with what was exchanged and no key."""
    before = server.count
    server.add(fault)

    error = await failure(targets[dialect], ask(output_schema=schema))

    assert (error.kind, error.may_be_billed) == (kind, billed)
    assert server.count == before + 1
    assert isinstance(error, RequestFailed)
    assert "Where is my parcel?" in json.dumps(error.sent)
    assert key not in f"{error} {error.provider_text} {error.sent} {error.received}"
    assert "gpt-4o-mini" not in str(error)
    if isinstance(fault, sim.RateLimited | sim.Unavailable):
        assert error.retry_after_seconds == fault.retry_after_seconds
    if isinstance(fault, sim.Refused | sim.ContentFiltered):
        assert error.usage is not None
        assert error.usage.output_tokens > 0


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_provider_that_hangs_is_a_time_out(server, targets, ask, dialect):
    """Without an answer in time the request ends as a time-out that may be billed, with what was sent."""
    server.add(sim.Hang())

    error = await failure(targets[dialect], ask(timeout_seconds=0.3))

    assert (error.kind, error.may_be_billed) == (ErrorKind.TIMEOUT, True)
    assert "Where is my parcel?" in json.dumps(error.sent)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_cancelled_request_leaves_the_next_one_alone(server, targets, ask, dialect):
    """After a cancel the same target answers again, with the answer that belongs to it."""
    count = server.count
    server.add(sim.Hang(), "second")
    task = asyncio.create_task(targets[dialect].request(ask()))
    await server.arrived(count + 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await targets[dialect].request(ask())).text == "second"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_answers_that_say_the_wrong_thing_come_back_for_validation(
    server, targets, ask, schema, dialect
):
    """Chatty text, a cut answer and wrong fields are the caller's to judge; a cut one says so."""
    server.add(sim.NotJson("Sure!"), sim.Truncated(), sim.WrongFields())

    chatty, cut, wrong = [await targets[dialect].request(ask(output_schema=schema)) for _ in range(3)]

    assert chatty.text == "Sure!"
    assert cut.finish_reason == "length"
    assert json.loads(wrong.text) == {"unexpected": "field"}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_another_models_answer_is_noted(server, targets, ask, dialect):
    """When another model answers than was asked for, its name is recorded and noted."""
    server.add(sim.OtherModel("some-other-model"))

    response = await targets[dialect].request(ask())

    assert response.model == "some-other-model"
    assert "answered by 'some-other-model'" in response.notes[0]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_negative_tokens_are_clamped_and_noted(server, targets, ask, dialect):
    """Token counts below zero become zero, are noted, and do not count as reported."""
    server.add(sim.NegativeTokens(-5))

    response = await targets[dialect].request(ask())

    assert response.usage == Usage()
    assert response.usage_reported is False
    assert "negative tokens" in response.notes[0]


async def test_anthropic_cache_tokens_are_part_of_the_input(server, targets, ask):
    """Anthropic counts cached tokens beside the input; here they are part of it, and priced once."""
    server.add(sim.Reply("ok", usage=Usage(1000, 500, cache_read_tokens=200, cache_write_tokens=100)))

    response = await targets["anthropic"].request(ask())

    assert response.usage == Usage(1000, 500, cache_read_tokens=200, cache_write_tokens=100)
    assert price(targets["anthropic"], response.usage, time.time_ns() // 1_000_000).source == "unknown"


async def test_settings_are_sent_and_those_that_are_not_are_noted(server, targets, ask):
    """Temperature, limits, seed, stop words and the user's id go along where the dialect has them."""
    request = ask(temperature=0.25, max_tokens=77, seed=7, stop=("END",), user="u-1")

    chat = await targets["simulated"].request(request)
    anthropic = await targets["anthropic"].request(request)

    assert chat.sent["temperature"] == 0.25
    assert (chat.sent["max_completion_tokens"], chat.sent["seed"]) == (77, 7)
    assert (chat.sent["stop"], chat.sent["user"]) == (["END"], "u-1")
    assert (anthropic.sent["max_tokens"], anthropic.sent["stop_sequences"]) == (77, ["END"])
    assert anthropic.sent["metadata"] == {"user_id": "u-1"}
    assert anthropic.notes == ("seed was not sent: anthropic does not take it",)


async def test_an_unreachable_address_is_a_connection_error_that_costs_nothing(server, open_models, ask):
    """When nothing listens, the request never left: a connection error that nobody bills."""
    async with sim.SimulatedProvider() as gone:
        address = gone.base_url
    target = open_models({"m": {"provider": "simulated", "model": "m", "base_url": address}}).target("m")

    error = await failure(target, ask())

    assert (error.kind, error.may_be_billed) == (ErrorKind.CONNECTION, False)


async def test_many_at_once_get_their_own_answers(server, targets, ask):
    """Forty requests at once each get the answer, and the record, that belongs to them."""
    asked = [f"number {n}" for n in range(40)]

    responses = await asyncio.gather(*(targets["simulated"].request(ask(text)) for text in asked))

    assert [response.text for response in responses] == [f"echo: {text}" for text in asked]
    assert all(text in json.dumps(response.sent) for text, response in zip(asked, responses, strict=True))
