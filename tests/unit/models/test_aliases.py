"""Which names of models are pinned."""

import pytest

from roadworthy.models import is_floating


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "chatgpt-4o-latest"),
        ("anthropic", "claude-3-5-sonnet-latest"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-sonnet-4-0"),
        ("google", "gemini-flash-latest"),
        ("google", "gemini-2.0-flash"),
        ("google-vertex", "gemini-1.5-pro"),
        ("ollama", "llama3.2"),
        ("ollama", "llama3.2:latest"),
        ("openai-compatible", "openrouter/auto"),
    ],
)
def test_a_name_that_may_move_is_floating(provider, model):
    """A name behind which the provider may put another model is floating."""
    assert is_floating(provider, model)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini-2024-07-18"),
        ("openai", "gpt-4-0613"),
        ("openai", "ft:gpt-4o-mini:org::abc"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-opus-4-6"),
        ("anthropic", "claude-sonnet-5"),
        ("google", "gemini-2.0-flash-001"),
        ("google", "gemini-2.5-flash"),
        ("google", "gemini-2.5-flash-preview-09-2025"),
        ("bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("ollama", "llama3.2:3b-instruct-q4_K_M"),
        ("azure-openai", "my-deployment"),
        ("simulated", "gpt-4o-mini"),
        ("local", ""),
    ],
)
def test_a_name_that_stays_is_pinned(provider, model):
    """A dated name, and one that cannot be judged, is not called floating."""
    assert not is_floating(provider, model)


async def test_warnings_name_the_model_and_what_to_pin(make_models):
    """The project's warnings say which model floats and what a pinned name looks like."""
    models = make_models(
        {
            "gpt": {"provider": "openai", "model": "gpt-4o-mini"},
            "sonnet": {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929"},
        }
    )

    (warning,) = models.warnings()

    assert warning.startswith("models.gpt: 'gpt-4o-mini' is a floating name")
    assert "'gpt-4o-mini-2024-07-18'" in warning
