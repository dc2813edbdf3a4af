"""What an attempt costs, however it ended."""

from decimal import Decimal
from pathlib import Path

import pytest

from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models import Message, Models, Request, RequestFailed, Response
from roadworthy.records import Usage
from roadworthy.settings import Settings
from roadworthy.testing import FakeClock

PRICES = {"input_usd_per_million": 1, "output_usd_per_million": 4}


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def attempt(clock):
    """An attempt under way, at a model with a price."""
    model = {
        "provider": "openai-compatible",
        "model": "m",
        "base_url": "http://127.0.0.1:9",
        "prices": PRICES,
    }
    models = Models(Settings.model_validate({"root": Path("/"), "models": {"main": model}}))
    request = Request((Message("user", "hello"),), timeout_seconds=5, max_tokens=1_000)
    return Attempt(1, "first", models.target("main"), request, clock)


def response(**fields):
    """A response with counts."""
    made = {"text": "hi", "usage": Usage(1_000, 100), "model": "m-2026-01-01", "finish_reason": "stop"}
    return Response(
        **{**made, "provider_request_id": "req-1", "sent": {"a": 1}, "received": {"b": 2}, **fields}
    )


def failure(**fields):
    """A failure that got as far as the wire."""
    error = RequestFailed("Model 'main' failed.", kind=ErrorKind.REFUSED, may_be_billed=True)
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def test_an_answer_costs_what_the_provider_counted(attempt, clock):
    """Tokens times prices, and the time it took."""
    clock.advance(2)
    attempt.answered(response())
    attempt.succeeded()
    assert (attempt.status, attempt.cost_usd) == (AttemptStatus.SUCCEEDED, Decimal("0.0014"))
    assert (attempt.cost_source, attempt.cost_known, attempt.duration_seconds) == ("settings", True, 2)
    assert (attempt.sent, attempt.received) == ({"a": 1}, {"b": 2})
    assert attempt.served_model == "m-2026-01-01"


def test_an_invalid_answer_is_paid_for_all_the_same(attempt):
    """What was wrong with an answer changes nothing about its price."""
    attempt.answered(response())
    attempt.failed(InvalidAnswer("no"))
    assert (attempt.status, attempt.error_kind) == (AttemptStatus.INVALID, "invalid_answer")
    assert attempt.cost_usd == Decimal("0.0014")


def test_a_failure_with_counts_costs_what_was_counted(attempt):
    """A refusal that the provider counted is no estimate, and keeps what was exchanged."""
    attempt.failed(failure(usage=Usage(1_000, 0), model="m-9", sent={"a": 1}, received={"error": "no"}))
    assert (attempt.cost_usd, attempt.cost_source) == (Decimal("0.001"), "settings")
    assert (attempt.sent, attempt.received, attempt.served_model) == ({"a": 1}, {"error": "no"}, "m-9")


def test_a_failure_that_may_be_billed_costs_the_estimate(attempt):
    """Without counts the worst case is charged, and said to be an estimate."""
    attempt.failed(failure())
    assert attempt.cost_usd > Decimal("0.004")
    assert (attempt.cost_source, attempt.cost_known) == ("estimate of settings", False)


def test_a_failure_that_was_not_billed_costs_nothing(attempt):
    """A request that the provider turned away is free, and known to be."""
    attempt.failed(ProviderError("no", kind=ErrorKind.RATE_LIMIT, provider_text="slow down"))
    assert (attempt.cost_usd, attempt.cost_source, attempt.cost_known) == (0, "", True)
    assert attempt.received == {"text": "slow down"}
    assert attempt.sent == {"messages": [{"role": "user", "content": "hello"}]}


def test_an_unforeseen_error_costs_the_estimate(attempt):
    """What nobody foresaw may have been billed too."""
    attempt.failed(KeyError("surprise"))
    assert (attempt.error_kind, attempt.cost_source) == ("KeyError", "estimate of settings")


def test_a_cancelled_attempt_costs_the_estimate_unless_it_was_answered(attempt):
    """Leaving does not undo what the provider did."""
    attempt.answered(response())
    attempt.cancelled()
    assert (attempt.status, attempt.error_kind) == (AttemptStatus.CANCELLED, "cancelled")
    assert attempt.cost_source == "settings"


@pytest.mark.parametrize("usage", [Usage(10**30, 5), Usage(5, 10**12)])
def test_counts_that_cannot_be_true_are_estimated_and_noted(attempt, usage):
    """No provider's number can break the sums."""
    attempt.answered(response(usage=usage))
    assert attempt.cost_source == "estimate of settings"
    assert "cannot be true" in attempt.notes[0]


def test_missing_counts_are_estimated(attempt):
    """A response without counts is not free."""
    attempt.answered(response(usage=Usage(), usage_reported=False))
    assert attempt.cost_source == "estimate of settings"


def test_an_answer_that_may_be_cut_is_noted(attempt):
    """A provider that does not say why it stopped may have been cut off."""
    attempt.answered(response(finish_reason="unknown", notes=("odd",)))
    assert attempt.notes == ["odd", "the provider did not say why it stopped: the answer may be cut short"]
