"""What every provider on the network and on disk needs, and says when it is missing."""

import pytest

from roadworthy.errors import ErrorKind, ProviderError

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORK = {
    "anthropic": {"model": "claude-sonnet-4-6"},
    "openai": {"model": "gpt-4o-mini-2024-07-18"},
    "azure-openai": {
        "model": "deployment",
        "base_url": "https://my.openai.azure.com",
        "api_version": "2024-10-21",
    },
    "google": {"model": "gemini-2.5-flash"},
    "google-vertex": {"model": "gemini-2.5-flash"},
    "bedrock": {
        "model": "anthropic.claude-haiku-4-5-20251001-v1:0",
        "region": "eu-central-1",
    },
    "ollama": {"model": "llama3.2:3b"},
    "openai-compatible": {"model": "any", "base_url": "http://127.0.0.1:9/v1"},
    "simulated": {"model": "any", "base_url": "http://127.0.0.1:9/v1"},
}


@pytest.mark.parametrize("provider", NETWORK)
async def test_a_complete_section_builds_its_provider(open_models, provider):
    """Each provider is built from its section alone, without asking the network."""
    models = open_models({"m": {"provider": provider, **NETWORK[provider]}})

    await models.target("m").prepare()


@pytest.mark.parametrize("provider", ["anthropic", "openai", "azure-openai", "google"])
async def test_a_missing_key_names_where_it_is_looked_for(open_models, monkeypatch, provider):
    """Without its key a model is not set up, and the message names the variable."""
    monkeypatch.delenv("TEST_KEY", raising=False)
    section = {"provider": provider, **NETWORK[provider], "api_key_file": None, "api_key_env": "TEST_KEY"}
    models = open_models({"m": section})

    with pytest.raises(ProviderError, match="TEST_KEY") as caught:
        await models.target("m").prepare()

    assert caught.value.kind is ErrorKind.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"provider": "openai-compatible", "model": "m"}, "base_url"),
        ({"provider": "bedrock", "model": "m"}, "region"),
        (
            {"provider": "azure-openai", "model": "m", "base_url": "https://my.openai.azure.com"},
            "api_version",
        ),
        ({"provider": "local", "path": "missing.gguf"}, "missing.gguf"),
        ({"provider": "local", "path": "package:no_such_package_here"}, "pip install"),
        ({"provider": "local", "path": "package:email"}, "found no GGUF file"),
    ],
)
async def test_a_missing_part_says_what_to_set(open_models, section, says):
    """An address, a region, a version or a file that is missing is named with what to do."""
    models = open_models({"m": section})

    with pytest.raises(ProviderError, match=says) as caught:
        await models.target("m").prepare()

    assert caught.value.kind is ErrorKind.NOT_CONFIGURED
