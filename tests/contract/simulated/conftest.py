"""A running simulated provider and the real clients that talk to it."""

import anthropic
import openai
import pytest

from roadworthy.testing.simulated import SimulatedProvider


@pytest.fixture
async def provider():
    """A provider without a script."""
    async with SimulatedProvider() as running:
        yield running


@pytest.fixture
async def openai_client(provider):
    """OpenAI's own client, without retries."""
    async with openai.AsyncOpenAI(
        base_url=provider.base_url, api_key="sk-simulated-key", max_retries=0, timeout=5
    ) as client:
        yield client


@pytest.fixture
async def anthropic_client(provider):
    """Anthropic's own client, without retries."""
    async with anthropic.AsyncAnthropic(
        base_url=provider.url, api_key="sk-simulated-key", max_retries=0, timeout=5
    ) as client:
        yield client


@pytest.fixture
def ask_chat(openai_client):
    """Ask one question in chat completions; keyword arguments are passed on."""

    async def ask(text="hello", **options):
        messages = [{"role": "user", "content": text}]
        return await openai_client.chat.completions.create(model="gpt-test", messages=messages, **options)

    return ask


@pytest.fixture
def ask_responses(openai_client):
    """Ask one question in responses; keyword arguments are passed on."""

    async def ask(text="hello", **options):
        return await openai_client.responses.create(model="gpt-test", input=text, **options)

    return ask


@pytest.fixture
def ask_messages(anthropic_client):
    """Ask one question in messages; keyword arguments are passed on."""

    async def ask(text="hello", **options):
        messages = [{"role": "user", "content": text}]
        return await anthropic_client.messages.create(
            model="claude-test", max_tokens=100, messages=messages, **options
        )

    return ask
