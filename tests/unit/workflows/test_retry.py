"""When a step is tried again, and after how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy import Retry
from roadworthy.errors import (
    ConfigurationError,
    ErrorKind,
    IdempotencyConflict,
    InvalidInput,
    ProviderError,
    StepTimeout,
    TransportError,
)
from roadworthy.workflows.retry import kind_of


def _provider(kind: ErrorKind) -> ProviderError:
    return ProviderError("no answer", kind=kind)


@pytest.mark.parametrize(
    ("retry", "error", "again"),
    [
        (Retry(), LookupError(), True),
        (Retry(attempts=1), LookupError(), False),
        (Retry(on=TransportError), LookupError(), False),
        (Retry(on=(TransportError, LookupError)), KeyError(), True),
        (Retry(never=KeyError), KeyError(), False),
        (Retry(), InvalidInput("wrong"), False),
        (Retry(on=InvalidInput), InvalidInput("wrong"), True),
        (Retry(), IdempotencyConflict("used"), False),
        (Retry(), ConfigurationError("wrong"), False),
        (Retry(), _provider(ErrorKind.RATE_LIMIT), True),
        (Retry(), _provider(ErrorKind.AUTHENTICATION), False),
        (Retry(on=TransportError), _provider(ErrorKind.RATE_LIMIT), False),
        (Retry(), StepTimeout("slow"), True),
        (Retry(on=TransportError), StepTimeout("slow"), True),
        (Retry(on=LookupError), StepTimeout("slow"), False),
    ],
)
def test_an_error_is_tried_again_where_the_policy_says_and_it_can_help(retry, error, again):
    """By class and by kind; what somebody has to mend first is repeated only where it is named."""
    assert retry.again(error, 1) is again


def test_no_more_attempts_are_made_than_allowed():
    """The last one is the last one."""
    retry = Retry(attempts=3)
    assert [retry.again(LookupError(), attempt) for attempt in (1, 2, 3)] == [True, True, False]


@given(attempt=st.integers(1, 200), jitter=st.floats(0, 1), factor=st.floats(1, 10))
def test_a_pause_grows_and_stays_within_its_jitter(attempt, jitter, factor):
    """Initial · factor^(n-1), at most max_seconds, varied by at most the jitter."""
    retry = Retry(initial_seconds=0.5, factor=factor, max_seconds=60, jitter=jitter)
    plain = min(0.5 * factor ** (attempt - 1), 60)
    pause = retry.pause_seconds(attempt, LookupError())
    assert plain * (1 - jitter) - 1e-9 <= pause <= plain * (1 + jitter) + 1e-9


def test_a_pause_is_at_least_what_the_error_asks_for_unless_told_otherwise():
    """`Retry-After` may lie beyond `max_seconds`."""
    error = ProviderError("later", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=90)
    assert Retry(max_seconds=10, jitter=0).pause_seconds(1, error) == 90
    assert Retry(max_seconds=10, jitter=0, honour_retry_after=False).pause_seconds(1, error) == 0.5


@pytest.mark.parametrize(
    "values",
    [{"attempts": 0}, {"jitter": 1.5}, {"initial_seconds": -1}, {"factor": 0.5}, {"max_seconds": -1}],
)
def test_an_impossible_policy_is_refused(values):
    """Where it is written, not when it is used."""
    with pytest.raises(ConfigurationError, match="Retry"):
        Retry(**values)


def test_a_failure_is_counted_by_kind_code_or_class():
    """In that order."""
    assert kind_of(_provider(ErrorKind.QUOTA)) == "quota"
    assert kind_of(TransportError("no line")) == "transport_error"
    assert kind_of(LookupError()) == "LookupError"
