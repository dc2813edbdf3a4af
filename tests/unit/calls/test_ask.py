"""How long a call waits before it asks the same model again."""

import pytest

from roadworthy.calls.ask import pause_seconds
from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.settings import RouteSettings

BACKOFF = {"initial_seconds": 1, "factor": 3, "max_seconds": 20, "jitter": 0.2}


@pytest.fixture
def pause():
    """How long the wait after a number of failures is, with the longest jitter."""
    route = RouteSettings.model_validate({"models": ["main"], "backoff": BACKOFF})

    def seconds(failures, asked_seconds=None):
        error = ProviderError("no", kind=ErrorKind.RATE_LIMIT, retry_after_seconds=asked_seconds)
        return pause_seconds(route, failures, error, lambda _low, high: high)

    return seconds


def test_waits_grow_up_to_a_limit(pause):
    """Each wait is longer by the factor, none is longer than the limit, and all are spread by the jitter."""
    assert [pause(failures) for failures in (1, 2, 3, 4, 50)] == pytest.approx([1.2, 3.6, 10.8, 24, 24])


def test_a_provider_that_names_a_time_is_given_it(pause):
    """`Retry-After` is a lower bound, also beyond the limit of our own waits."""
    assert pause(1, 0.5) == pytest.approx(1.2)
    assert pause(1, 60) == 60
