"""The short way of a chat completion gives and raises what the SDK's own way does."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import APIError, AsyncOpenAI, omit
from openai.resources.chat import AsyncCompletions

from roadworthy.models.providers.chat import shorten

Answer = Callable[[httpx2.Request], httpx2.Response]

CHOICE: dict[str, Any] = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "content": "Tomorrow."},
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "gpt",
    "choices": [CHOICE],
    "usage": {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 3},
    },
    "system_fingerprint": "fp",
    "something_new": {"as": ["it", "is"]},
}
ASKED: dict[str, Any] = {
    "model": "gpt",
    "messages": [{"role": "user", "content": "Wann? \N{SNOWMAN}"}],
    "tools": omit,
    "stream": False,
    "temperature": 0.5,
    "timeout": 5.0,
    "extra_headers": {"User-Agent": "roadworthy"},
    "extra_body": {"response_format": {"type": "json_object"}},
}


async def ask(answer: Answer, *, short: bool, asked: dict[str, Any]) -> tuple[list[httpx2.Request], Any]:
    """What was sent, and what came of it: the completion's fields, or the error's."""
    sent: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return answer(request)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(respond), trust_env=False)
    async with AsyncOpenAI(
        base_url="http://here/v1", api_key="key", max_retries=0, http_client=http
    ) as client:
        if short:
            shorten(client, http)
        try:
            got: Any = await client.chat.completions.create(**asked)
        except APIError as error:
            response = getattr(error, "response", None)
            came: Any = (error.message, error.body, error.code, error.type, response and response.status_code)
        except ValueError as error:
            came = type(error)
        else:
            came = got.model_dump(warnings=False) if hasattr(got, "model_dump") else got
    return sent, came


def says(body: Any, status: int = 200, content_type: str = "application/json") -> Answer:
    """A provider that always says this."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: httpx2.Response(status, content=content, headers={"content-type": content_type})


def breaks(error: type[httpx2.TransportError]) -> Answer:
    """A provider that cannot be spoken to."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        raise error("no", request=request)

    return respond


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(says(COMPLETION), id="a completion"),
        pytest.param(says(COMPLETION, content_type="text/plain"), id="a completion called text"),
        pytest.param(says({**COMPLETION, "created": None}), id="no time"),
        pytest.param(says({**COMPLETION, "choices": [{**CHOICE, "finish_reason": None}]}), id="no end"),
        pytest.param(says({**COMPLETION, "choices": [{**CHOICE, "finish_reason": "x"}]}), id="an odd end"),
        pytest.param(
            says({**COMPLETION, "choices": [{**CHOICE, "message": {"content": [{"type": "text"}]}}]}),
            id="parts for a text",
        ),
        pytest.param(says({**COMPLETION, "usage": {"prompt_tokens": -4}}), id="odd counts"),
        pytest.param(says({"error": {"message": "no", "code": 3}}), id="an error in a success"),
        pytest.param(says([1, 2]), id="a list"),
        pytest.param(says(b"<html>", content_type="text/html"), id="a page"),
        pytest.param(says(b'{"id": '), id="a cut body"),
        pytest.param(says(b""), id="nothing"),
        pytest.param(says({"error": {"message": "too long", "code": "c", "type": "t"}}, 400), id="a refusal"),
        pytest.param(says({"error": "gone"}, 404), id="an error in one word"),
        pytest.param(says({"message": "slow down"}, 429), id="an error without a frame"),
        pytest.param(says(b"<html>", 502, "text/html"), id="a gateway's page"),
        pytest.param(says(b"", 302), id="a redirection"),
        pytest.param(breaks(httpx2.ReadTimeout), id="a time-out"),
        pytest.param(breaks(httpx2.ConnectError), id="no connection"),
    ],
)
async def test_short_way_ends_as_the_sdk_way(answer: Answer) -> None:
    """Whatever the provider says, the result or the error is the SDK's."""
    _, expected = await ask(answer, short=False, asked=ASKED)
    _, got = await ask(answer, short=True, asked=ASKED)
    assert got == expected


async def test_short_way_sends_what_the_sdk_sends() -> None:
    """The same body and headers go to the same address, but for the SDK's words about itself."""
    (theirs,), _ = await ask(says(COMPLETION), short=False, asked=ASKED)
    (ours,), _ = await ask(says(COMPLETION), short=True, asked=ASKED)
    assert ours.url == theirs.url
    assert json.loads(ours.content) == json.loads(theirs.content)
    kept = {name: value for name, value in theirs.headers.items() if not name.startswith("x-stainless-")}
    assert dict(ours.headers) == kept
    assert ours.extensions["timeout"] == theirs.extensions["timeout"]


async def test_stream_goes_the_sdk_way() -> None:
    """A stream is the SDK's, whose reading of events is not repeated here."""
    http = httpx2.AsyncClient(
        transport=httpx2.MockTransport(says(b"data: [DONE]\n\n", content_type="text/event-stream"))
    )
    async with AsyncOpenAI(base_url="http://here/v1", api_key="key", http_client=http) as client:
        shorten(client, http)
        assert isinstance(client.chat.completions, AsyncCompletions)
        stream = await client.chat.completions.create(model="gpt", messages=[], stream=True, timeout=5.0)
        assert [chunk async for chunk in stream] == []
