"""A user's function as a model."""

import asyncio
import json
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.records import Usage


class Reply(BaseModel):
    """An answer as users declare them."""

    outcome: str


@dataclass
class Note:
    """An answer that is a dataclass."""

    text: str


@pytest.fixture
def target_of(make_models):
    """A target that answers with the given function."""

    def make(function: Any, **fields: Any):
        section = {"provider": "python", "function": "rules:answer", **fields}
        return make_models({"rules": section}, functions={"rules:answer": function}).target("rules")

    return make


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ({"outcome": "refuse"}, '{"outcome":"refuse"}'),
        (Reply(outcome="refuse"), '{"outcome":"refuse"}'),
        (Note("é"), '{"text":"é"}'),
        ([1, None], "[1,null]"),
    ],
)
async def test_what_a_function_returns_becomes_text(target_of, ask, value, text):
    """Text stays as it is, everything else becomes JSON."""
    response = await target_of(lambda request: value).request(ask())

    assert response.text == text
    assert response.usage == Usage()
    assert response.finish_reason == "stop"


async def test_an_async_function_is_awaited(target_of, ask):
    """An async function runs in the event loop and sees the request with its inputs."""

    async def answer(request):
        return {"said": request.messages[0].text, "inputs": dict(request.inputs)}

    response = await target_of(answer).request(ask("hi", inputs={"ticket": 7}))

    assert json.loads(response.text) == {"said": "hi", "inputs": {"ticket": 7}}
    assert response.sent == {"messages": [{"role": "user", "content": "hi"}], "inputs": {"ticket": 7}}


async def test_a_sync_function_runs_in_a_thread(target_of, ask):
    """A sync function does not run in the thread of the event loop."""
    seen = []

    await target_of(lambda request: str(seen.append(threading.get_ident()))).request(ask())

    assert seen != [threading.get_ident()]


async def test_an_exception_becomes_an_error_without_its_text(target_of, ask):
    """What a function raises is a server error by its class; its text is in the record only."""

    def answer(request):
        raise ValueError("card 4111 1111")

    with pytest.raises(ProviderError) as caught:
        await target_of(answer).request(ask())

    assert caught.value.kind is ErrorKind.SERVER
    assert "4111" not in str(caught.value)
    assert "ValueError" in str(caught.value)
    assert caught.value.provider_text == "ValueError: card 4111 1111"
    assert caught.value.may_be_billed is False


async def test_a_function_that_ends_the_program_does_not(target_of, ask):
    """A script's `sys.exit` is its error, and no end of the worker that calls it."""
    with pytest.raises(ProviderError, match="raised SystemExit"):
        await target_of(lambda request: sys.exit(3)).request(ask())


async def test_an_error_that_the_function_chose_passes(target_of, ask):
    """A function may say by kind what happened."""

    def answer(request):
        raise ProviderError("not for me", kind=ErrorKind.REFUSED)

    with pytest.raises(ProviderError, match="not for me"):
        await target_of(answer).request(ask())


async def test_a_value_that_is_no_json_is_malformed(target_of, ask):
    """A result that JSON cannot say is refused with its type."""
    with pytest.raises(ProviderError, match="returned object") as caught:
        await target_of(lambda request: object()).request(ask())

    assert caught.value.kind is ErrorKind.MALFORMED


async def test_a_function_that_takes_too_long_times_out(target_of, ask):
    """A function that does not come back in time is a time-out, with what was sent."""

    async def answer(request):
        await asyncio.Event().wait()

    with pytest.raises(ProviderError) as caught:
        await target_of(answer).request(ask("hi", timeout_seconds=0.05))

    assert caught.value.kind is ErrorKind.TIMEOUT
    assert caught.value.sent["messages"] == [{"role": "user", "content": "hi"}]


async def test_a_time_out_of_its_own_is_the_functions_error(target_of, ask):
    """A `TimeoutError` that the function raises itself is not taken for ours."""

    def answer(request):
        raise TimeoutError

    with pytest.raises(ProviderError) as caught:
        await target_of(answer).request(ask())

    assert caught.value.kind is ErrorKind.SERVER


async def test_a_function_is_found_by_its_path(make_models, ask):
    """A function that the project did not hand over is imported by its path."""
    models = make_models({"json": {"provider": "python", "function": "reprlib:repr"}})

    assert "Request(" in (await models.target("json").request(ask())).text


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("no_such_module_at_all:f", "cannot be imported"),
        ("json:dumpp", "Did you mean 'dump'"),
    ],
)
async def test_a_function_that_does_not_exist_says_what_to_do(make_models, ask, function, says):
    """A wrong path is a fault of the set-up, with a suggestion."""
    models = make_models({"rules": {"provider": "python", "function": function}})

    with pytest.raises(ProviderError, match=says) as caught:
        await models.target("rules").request(ask())

    assert caught.value.kind is ErrorKind.NOT_CONFIGURED
