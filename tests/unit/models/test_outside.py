"""Requests that would leave this machine are refused where they are not wanted."""

import pytest

from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models import outside
from roadworthy.settings import ModelSettings


def section(provider, **fields):
    """The settings of a model."""
    return ModelSettings.model_validate({"provider": provider, "model": "m", **fields})


@pytest.fixture(autouse=True)
def refused():
    """The list of refusals, empty again before the plugin looks at it."""
    yield outside.refused
    outside.refused.clear()


@pytest.mark.parametrize(
    ("settings", "is_far"),
    [
        (section("openai"), True),
        (section("bedrock", region="eu-central-1"), True),
        (section("openai-compatible", base_url="https://localhost.example.com/v1"), True),
        (section("openai-compatible", base_url="http://10.0.0.7:8000/v1"), True),
        (section("openai-compatible", base_url="http://localhost:8000/v1"), False),
        (section("openai", base_url="http://127.9.9.9:8000/v1"), False),
        (section("anthropic", base_url="http://[::1]:8000"), False),
        (section("local", path="m.gguf"), False),
        (section("python", function="rules:answer"), False),
        (section("simulated"), False),
    ],
)
def test_what_leaves_this_machine_is_outside(settings, is_far):
    """Functions, local models and addresses on loopback are here; all else is outside."""
    assert outside.is_outside(settings) is is_far


@pytest.mark.parametrize("value", ["on", "", None])
def test_calls_are_allowed_unless_they_are_off(value, monkeypatch, refused):
    """Only `off` refuses anything."""
    monkeypatch.delenv(outside.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(outside.VARIABLE, value)
    outside.check_outside("writer", section("openai"))
    assert refused == []


def test_a_refusal_names_the_model_and_is_remembered(monkeypatch, refused):
    """The message says which model, why, and what to use instead; models here are still asked."""
    monkeypatch.setenv(outside.VARIABLE, "off")
    outside.check_outside("rule", section("python", function="rules:answer"))
    with pytest.raises(ProviderError) as raised:
        outside.check_outside("writer", section("openai"))
    assert raised.value.kind is ErrorKind.NOT_CONFIGURED
    assert str(raised.value).startswith(f"Model 'writer' (openai) is outside, and {outside.VARIABLE} is off.")
    assert "roadworthy_live" in raised.value.hint
    assert refused == ["writer"]
