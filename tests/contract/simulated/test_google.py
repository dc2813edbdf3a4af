"""Google's own client understands the simulated provider: live answers, batches and their ends."""

import pytest
from google import genai
from google.genai import errors, types

from roadworthy.records import Usage
from roadworthy.testing.simulated import (
    BatchExpires,
    BatchFails,
    RateLimited,
    Refused,
    Reply,
    ServerError,
    When,
    text_contains,
)

MODEL = "gemini-test"
NUMBERS = ("one", "two", "three", "four")


@pytest.fixture
async def client(provider):
    """Google's client, which does not retry by itself."""
    options = types.HttpOptions(base_url=provider.url, timeout=5_000)
    async with genai.Client(api_key="made-up", http_options=options).aio as made:
        yield made


@pytest.fixture
def submit(client):
    """Submit a batch with a request for each text, named like it."""

    async def go():
        requests = [
            types.InlinedRequest(
                contents=[types.Content(parts=[types.Part(text=text)])], metadata={"key": text}
            )
            for text in NUMBERS
        ]
        return await client.batches.create(model=MODEL, src=requests, config={"display_name": "k-1"})

    return go


async def test_a_live_request_is_answered(provider, client):
    """Text, tokens and reason are where Google's client looks for them."""
    provider.add(Reply("hi", usage=Usage(10, 5, cache_read_tokens=4)), Refused("no"))

    answer = await client.models.generate_content(model=MODEL, contents="hello")
    refused = await client.models.generate_content(model=MODEL, contents="hello")

    assert (answer.text, answer.model_version) == ("hi", MODEL)
    used = answer.usage_metadata
    assert (used.prompt_token_count, used.cached_content_token_count, used.candidates_token_count) == (
        10,
        4,
        5,
    )
    assert refused.candidates[0].finish_reason is types.FinishReason.SAFETY
    assert provider.requests[0].messages == (("user", "hello"),)


async def test_an_error_is_googles(provider, client):
    """Its status has Google's name for it."""
    provider.add(RateLimited())
    with pytest.raises(errors.ClientError) as caught:
        await client.models.generate_content(model=MODEL, contents="hello")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


async def test_a_batch_is_answered(provider, client, submit):
    """From pending to its answers, each with the metadata of its request; an error is told by its code."""
    provider.batches.hold = "validating"
    provider.add(When(text_contains("two"), ServerError()))
    batch = await submit()
    waiting = await client.batches.get(name=batch.name)
    provider.batches.finish()
    ended = await client.batches.get(name=batch.name)

    assert (waiting.state.name, ended.state.name) == ("JOB_STATE_PENDING", "JOB_STATE_SUCCEEDED")
    assert (ended.display_name, ended.model) == ("k-1", f"models/{MODEL}")
    found = {one.metadata["key"]: one for one in ended.dest.inlined_responses}
    assert found["one"].response.text == "echo: one"
    assert (found["two"].response, found["two"].error.code) == (None, 13)
    assert provider.billed_in_batches == 3


async def test_batches_are_listed_cancelled_and_deleted(provider, client, submit):
    """A list in pages, newest first; what is deleted is not in it."""
    provider.batches.hold = "in_progress"
    provider.batches.run_before_cancel = 1
    made = [await submit() for _ in range(3)]
    await client.batches.cancel(name=made[0].name)
    cancelled = await client.batches.get(name=made[0].name)
    await client.batches.delete(name=made[1].name)

    assert cancelled.state.name == "JOB_STATE_CANCELLED"
    assert [one.metadata["key"] for one in cancelled.dest.inlined_responses] == ["one"]
    listed = [one.name async for one in await client.batches.list(config={"page_size": 1})]
    assert listed == [made[2].name, made[0].name]
    with pytest.raises(errors.ClientError, match="404"):
        await client.batches.get(name=made[1].name)


@pytest.mark.parametrize(
    ("fault", "state", "answered"),
    [(BatchExpires(ran=1), "JOB_STATE_EXPIRED", 1), (BatchFails(), "JOB_STATE_FAILED", 0)],
    ids=["expires", "fails"],
)
async def test_a_batch_may_end_otherwise(*, provider, client, submit, fault, state, answered):
    """What was not run has no entry."""
    provider.batches.add(fault)
    batch = await submit()
    ended = await client.batches.get(name=batch.name)
    assert ended.state.name == state
    assert len(ended.dest.inlined_responses if ended.dest else []) == answered
