"""The OpenAI and Anthropic SDKs understand the simulated provider's batches."""

import asyncio
import json
from datetime import UTC, datetime

import anthropic
import openai
import pytest

from roadworthy.records import Usage
from roadworthy.testing import FakeClock
from roadworthy.testing.simulated import (
    BatchExpires,
    BatchFails,
    CutResults,
    CutStream,
    EmptyBody,
    ErrorInSuccess,
    Hang,
    HtmlPage,
    MalformedJson,
    MissingLines,
    Overloaded,
    RateLimited,
    Refused,
    Reply,
    ResetConnection,
    ServerError,
    ShuffledLines,
    SimulatedProvider,
    Slow,
    When,
    text_contains,
)

CHAT = "/v1/chat/completions"
NUMBERS = ("one", "two", "three", "four")


def chat_body(text):
    """The body of a live request with one message."""
    return {"model": "gpt-test", "messages": [{"role": "user", "content": text}]}


def chat_lines(*texts):
    """A file for a batch, with a line for each text, named like it."""
    lines = [
        {"custom_id": text, "method": "POST", "url": CHAT, "body": chat_body(text)}
        for text in texts or NUMBERS
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


@pytest.fixture
def submit_chat(openai_client):
    """Upload a file and submit it as a batch."""

    async def submit(content=None, endpoint=CHAT, **options):
        file = await openai_client.files.create(
            file=("batch.jsonl", content or chat_lines()), purpose="batch"
        )
        return await openai_client.batches.create(
            input_file_id=file.id, endpoint=endpoint, completion_window="24h", **options
        )

    return submit


@pytest.fixture
def read_chat(openai_client):
    """The results of a batch that has ended, by their ids: answers, then errors."""

    async def read(batch_id):
        batch = await openai_client.batches.retrieve(batch_id)
        found = []
        for file_id in (batch.output_file_id, batch.error_file_id):
            text = (await openai_client.files.content(file_id)).text if file_id else ""
            found.append({line["custom_id"]: line for line in map(json.loads, text.split("\n")[:-1])})
        return batch, *found

    return read


@pytest.fixture
def submit_messages(anthropic_client):
    """Submit a batch with a request for each text, named like it."""

    async def submit(*texts):
        params = {"model": "claude-test", "max_tokens": 100}
        return await anthropic_client.messages.batches.create(
            requests=[
                {
                    "custom_id": text,
                    "params": {**params, "messages": [{"role": "user", "content": text}]},
                }
                for text in texts or NUMBERS
            ]
        )

    return submit


@pytest.fixture
def read_messages(anthropic_client):
    """The results of a batch that has ended, by their ids, in their order."""

    async def read(batch_id):
        results = await anthropic_client.messages.batches.results(batch_id)
        return {item.custom_id: item.result async for item in results}

    return read


async def test_openai_answers_a_batch(provider, submit_chat, read_chat):
    """A batch of chat requests ends with a file of answers, each one as a live request would have it."""
    provider.add(Reply("first", usage=Usage(10, 5)))

    batch = await submit_chat(metadata={"key": "k-1"})
    ended, answers, errors = await read_chat(batch.id)

    assert (batch.status, batch.request_counts.total, batch.metadata) == ("validating", 0, {"key": "k-1"})
    assert (ended.status, ended.request_counts.completed, ended.request_counts.total) == ("completed", 4, 4)
    assert list(answers) == list(NUMBERS)
    assert answers["one"]["response"]["body"]["choices"][0]["message"]["content"] == "first"
    assert answers["one"]["response"]["body"]["usage"]["total_tokens"] == 15
    assert answers["two"]["response"]["status_code"] == 200
    assert answers["two"]["response"]["body"]["choices"][0]["message"]["content"] == "echo: two"
    assert errors == {}


async def test_openai_answers_a_batch_of_responses(submit_chat, read_chat):
    """The other endpoint's requests are answered in its own format."""
    body = {"model": "gpt-test", "input": "hello"}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}

    batch = await submit_chat(json.dumps(line).encode(), endpoint="/v1/responses")
    _, answers, _ = await read_chat(batch.id)

    assert answers["a"]["response"]["body"]["output"][0]["content"][0]["text"] == "echo: hello"


async def test_what_came_in_a_batch_is_told_apart(provider, ask_chat, submit_chat, read_chat):
    """The journal knows which requests, and which of the billed ones, came in a batch."""
    provider.add(When(text_contains("two"), ServerError()))
    await ask_chat("live")

    batch = await submit_chat()
    await read_chat(batch.id)

    assert [received.batch for received in provider.requests] == ["", *[batch.id] * 4]
    assert provider.requests[1].text == "one"
    assert (provider.billed, provider.billed_in_batches) == (4, 3)
    assert provider.batches.calls == ("upload", "create", "get", "results", "results")
    assert provider.batches.submitted[0].custom_ids == NUMBERS


async def test_openai_puts_errors_into_their_own_file(provider, submit_chat, read_chat):
    """A request that fails has its status and body in the file of errors; the others are answered."""
    provider.add(
        When(text_contains("one"), RateLimited()),
        When(text_contains("two"), Refused("no")),
        When(text_contains("three"), Hang()),
        When(text_contains("four"), Slow(9, ErrorInSuccess())),
    )

    batch = await submit_chat()
    ended, answers, errors = await read_chat(batch.id)

    assert {id_: line["response"]["status_code"] for id_, line in errors.items()} == {
        "one": 429,
        "three": 500,
    }
    assert errors["one"]["response"]["body"]["error"]["code"] == "rate_limit_exceeded"
    assert answers["two"]["response"]["body"]["choices"][0]["message"]["refusal"] == "no"
    assert "error" in answers["four"]["response"]["body"]
    assert (ended.request_counts.completed, ended.request_counts.failed) == (2, 2)


@pytest.mark.parametrize("stage", ["validating", "in_progress", "finalizing"])
async def test_a_held_batch_ends_when_it_is_let_go(provider, openai_client, submit_chat, stage):
    """A batch stays at its stage, unanswered and unbilled, until the test lets it go on."""
    provider.batches.hold = stage
    batch = await submit_chat()
    held = await openai_client.batches.retrieve(batch.id)
    billed = provider.billed

    provider.batches.finish()

    assert (held.status, held.output_file_id, billed) == (stage, None, 0)
    assert (await openai_client.batches.retrieve(batch.id)).status == "completed"
    assert provider.billed_in_batches == 4


async def test_a_batch_is_billed_even_if_nobody_asks(provider, submit_chat):
    """What was submitted is run and billed without a look at it."""
    await submit_chat()

    await provider.arrived(4)

    assert provider.batches.submitted[0].status in ("validating", "completed")


async def test_a_batch_takes_its_time_on_the_providers_clock():
    """With a clock that stands still a batch does not end before the clock is moved."""
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with (
        SimulatedProvider(clock=clock) as provider,
        anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as client,
    ):
        provider.batches.after_seconds = 3600
        params = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        batch = await client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])
        clock.advance(3599)
        early = await client.messages.batches.retrieve(batch.id)
        clock.advance(1)
        late = await client.messages.batches.retrieve(batch.id)

    assert (early.processing_status, early.request_counts.processing) == ("in_progress", 1)
    assert (late.processing_status, late.request_counts.succeeded) == ("ended", 1)
    assert (late.ended_at - late.created_at).total_seconds() == 3600


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b'{"custom_id": "a"', "invalid_json_line", 1),
        (chat_lines("a", "b", "a"), "duplicate_custom_id", 3),
        (chat_lines("a").replace(b'"gpt-test"', b'"other"') + b"\n" + chat_lines("b"), "mismatched_model", 2),
        (chat_lines("a").replace(CHAT.encode(), b"/v1/embeddings"), "mismatched_url", 1),
        (chat_lines("a").replace(b'"custom_id": "a"', b'"custom_id": 7'), "missing_required_parameter", 1),
        (b"\n", "empty_file", None),
    ],
)
async def test_openai_rejects_a_bad_file_after_it_was_submitted(
    provider, submit_chat, read_chat, content, code, line
):
    """A file with a bad line fails as a whole, names the line, and nothing is run."""
    batch = await submit_chat(content)
    ended, answers, errors = await read_chat(batch.id)

    assert (ended.status, answers, errors) == ("failed", {}, {})
    assert [(error.code, error.line) for error in ended.errors.data] == [(code, line)]
    assert provider.count == 0


async def test_openai_cancels_a_batch(provider, openai_client, submit_chat, read_chat):
    """A cancelled batch keeps what was run, has no line for the rest, and cannot be cancelled again."""
    provider.batches.hold = "in_progress"
    provider.batches.run_before_cancel = 1
    batch = await submit_chat()

    cancelling = await openai_client.batches.cancel(batch.id)
    ended, answers, errors = await read_chat(batch.id)

    assert (cancelling.status, ended.status) == ("cancelling", "cancelled")
    assert (list(answers), errors, provider.billed_in_batches) == (["one"], {}, 1)
    with pytest.raises(openai.BadRequestError):
        await openai_client.batches.cancel(batch.id)


async def test_openai_tells_which_requests_of_an_expired_batch_were_not_run(provider, submit_chat, read_chat):
    """A batch that expires keeps what was run; the rest has lines that say so, and is not billed."""
    provider.batches.add(BatchExpires(ran=3))

    batch = await submit_chat()
    ended, answers, errors = await read_chat(batch.id)

    assert (ended.status, list(answers), list(errors)) == ("expired", ["one", "two", "three"], ["four"])
    assert (errors["four"]["response"], errors["four"]["error"]["code"]) == (None, "batch_expired")
    assert provider.billed_in_batches == 3


async def test_a_batch_can_fail_on_purpose(provider, submit_chat, submit_messages, read_chat, read_messages):
    """A batch that is told to fail runs nothing: as a whole at OpenAI, each by itself at Anthropic."""
    fails = BatchFails("token_limit_exceeded", "Enqueued token limit reached.")
    provider.batches.add(fails, fails)

    ended, *_ = await read_chat((await submit_chat()).id)
    batch = await submit_messages("a")
    results = await read_messages(batch.id)

    assert ended.errors.data[0].code == "token_limit_exceeded"
    assert results["a"].error.error.message == "Enqueued token limit reached."
    assert provider.count == 0


async def test_files_can_be_looked_at_and_deleted(openai_client, provider):
    """A file has its size and name until it is deleted; then it is not found."""
    content = "zwölf\r\nBytes\n".encode()
    file = await openai_client.files.create(file=("b.jsonl", content), purpose="batch")

    assert (await openai_client.files.content(file.id)).content == content
    found = await openai_client.files.retrieve(file.id)
    assert (found.bytes, found.filename, found.purpose) == (len(content), "b.jsonl", "batch")
    assert (await openai_client.files.delete(file.id)).deleted
    for call in (openai_client.files.retrieve, openai_client.files.content, openai_client.files.delete):
        with pytest.raises(openai.NotFoundError):
            await call(file.id)


async def test_lists_go_from_the_newest_page_by_page(
    openai_client, anthropic_client, submit_chat, submit_messages
):
    """Both lists show their own batches only, and the SDKs' paging reaches all of them."""
    chat = [(await submit_chat()).id for _ in range(3)]
    messages = [(await submit_messages()).id for _ in range(3)]

    assert [batch.id async for batch in openai_client.batches.list(limit=2)] == chat[::-1]
    found = anthropic_client.messages.batches.list(limit=2)
    assert [batch.id async for batch in found] == messages[::-1]


@pytest.mark.parametrize(
    "options",
    [
        {"input_file_id": "file-none"},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": "1h"},
    ],
)
async def test_openai_refuses_a_batch_that_cannot_be(openai_client, provider, options):
    """An unknown file, endpoint or window is refused at once."""
    file = await openai_client.files.create(file=("b.jsonl", chat_lines()), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h", **options}

    with pytest.raises(openai.BadRequestError):
        await openai_client.batches.create(**asked)

    assert provider.batches.submitted == ()


async def test_anthropic_answers_a_batch(provider, anthropic_client, submit_messages, read_messages):
    """Each request of a message batch succeeds, or errors in the words of the live API."""
    provider.add(When(text_contains("two"), Overloaded()), Reply("first", usage=Usage(10, 5)))

    batch = await submit_messages()
    results = await read_messages(batch.id)
    ended = await anthropic_client.messages.batches.retrieve(batch.id)

    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 4)
    assert (ended.processing_status, ended.request_counts.succeeded, ended.request_counts.errored) == (
        "ended",
        3,
        1,
    )
    assert results["one"].message.content[0].text == "first"
    assert results["one"].message.usage.input_tokens == 10
    assert results["two"].error.error.type == "overloaded_error"
    assert (provider.billed_in_batches, provider.requests[0].batch) == (3, batch.id)


async def test_anthropic_ends_what_was_not_run(provider, anthropic_client, submit_messages, read_messages):
    """Requests of an expired or cancelled batch say so each; a batch that runs has no results yet."""
    provider.batches.add(BatchExpires(ran=1))
    expired = await read_messages((await submit_messages()).id)
    provider.batches.hold = "in_progress"
    held = await submit_messages()
    with pytest.raises(anthropic.AnthropicError):
        await read_messages(held.id)
    canceling = await anthropic_client.messages.batches.cancel(held.id)
    canceled = await read_messages(held.id)

    assert [result.type for result in expired.values()] == ["succeeded", "expired", "expired", "expired"]
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    assert {result.type for result in canceled.values()} == {"canceled"}
    with pytest.raises(anthropic.BadRequestError):
        await anthropic_client.messages.batches.cancel(held.id)


async def test_anthropic_deletes_a_batch_that_has_ended(provider, anthropic_client, submit_messages):
    """A deleted batch is not found or listed; one that runs cannot be deleted."""
    ended = await submit_messages()
    await anthropic_client.messages.batches.delete(ended.id)
    provider.batches.hold = "in_progress"
    held = await submit_messages()

    with pytest.raises(anthropic.NotFoundError):
        await anthropic_client.messages.batches.retrieve(ended.id)
    with pytest.raises(anthropic.BadRequestError):
        await anthropic_client.messages.batches.delete(held.id)
    assert [batch.id async for batch in anthropic_client.messages.batches.list()] == [held.id]


@pytest.mark.parametrize("texts", [("a", "a"), ("not allowed",), ("a" * 65,)])
async def test_anthropic_refuses_bad_ids(submit_messages, texts):
    """Ids have to be unique and of the letters that are allowed."""
    with pytest.raises(anthropic.BadRequestError):
        await submit_messages(*texts)


async def test_a_bad_body_is_an_error_of_its_own_line(anthropic_client, provider, read_messages):
    """A request that a live call would have had rejected is rejected by itself, and not billed."""
    batch = await anthropic_client.messages.batches.create(
        requests=[{"custom_id": "a", "params": {"model": "m", "messages": []}}]
    )

    results = await read_messages(batch.id)

    assert results["a"].error.error.type == "invalid_request_error"
    assert (provider.count, provider.billed) == (1, 0)


async def test_results_can_be_short_shuffled_and_cut(provider, openai_client, submit_messages, read_chat):
    """Lines left out, out of order or cut in the middle: the file is as it was told, the bill is not."""
    provider.batches.add(MissingLines((2,)), ShuffledLines(1), CutResults())
    contents = []
    for _ in range(3):
        file = await openai_client.files.create(file=("b.jsonl", chat_lines()), purpose="batch")
        batch = await openai_client.batches.create(
            input_file_id=file.id, endpoint=CHAT, completion_window="24h"
        )
        ended = await openai_client.batches.retrieve(batch.id)
        contents.append((await openai_client.files.content(ended.output_file_id)).text)

    short, shuffled, cut = contents
    assert [json.loads(line)["custom_id"] for line in short.splitlines()] == ["one", "three", "four"]
    ids = [json.loads(line)["custom_id"] for line in shuffled.splitlines()]
    assert (sorted(ids), ids == list(NUMBERS)) == (sorted(NUMBERS), False)
    *whole, half = cut.split("\n")
    assert [json.loads(line)["custom_id"] for line in whole] == ["one", "two", "three"]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(half)
    assert provider.billed_in_batches == 12


@pytest.mark.parametrize(
    ("fault", "error", "taken"),
    [
        (RateLimited(), openai.RateLimitError, False),
        (ServerError(502), openai.InternalServerError, False),
        (HtmlPage(503), openai.InternalServerError, True),
        (ResetConnection("before"), openai.APIConnectionError, False),
        (ResetConnection("during"), openai.APIConnectionError, True),
        (Hang(), openai.APITimeoutError, True),
    ],
    ids=str,
)
async def test_a_call_of_the_api_can_fail(provider, openai_client, submit_chat, fault, error, taken):
    """An error keeps a batch from being taken; a broken answer only loses the news of it."""
    provider.batches.on("create", fault)

    with pytest.raises(error):
        async with asyncio.timeout(20):
            await submit_chat(timeout=0.5)

    assert len(provider.batches.submitted) == taken
    assert (await submit_chat()).status == "validating"


@pytest.mark.parametrize("fault", [EmptyBody(), MalformedJson(), ErrorInSuccess(), CutStream()], ids=str)
async def test_a_look_at_a_batch_can_be_garbled(provider, openai_client, submit_chat, fault):
    """A body that is not what the protocol says arrives as it is, once."""
    batch = await submit_chat()
    provider.batches.on("get", fault)

    try:
        seen = getattr(await openai_client.batches.retrieve(batch.id), "status", None)
    except (openai.OpenAIError, ValueError):
        seen = None

    assert seen is None
    assert (await openai_client.batches.retrieve(batch.id)).status == "completed"
