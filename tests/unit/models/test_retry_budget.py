"""Retries are paid for by requests, so that an outage stays an outage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.models.retry_budget import RetryBudget
from roadworthy.settings import ResilienceSettings
from roadworthy.testing import FakeClock


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock()


def spend(budget):
    """How many retries are allowed at once."""
    count = 0
    while budget.allow():
        count += 1
    return count


def test_an_outage_adds_a_tenth_of_its_requests(clock):
    """Five thousand calls that all want three retries, over a minute, make 510 and not 15,000."""
    budget = RetryBudget(ResilienceSettings(), clock)
    retries = 0
    for _ in range(5_000):
        budget.request()
        clock.advance(60 / 5_000)
        retries += sum(budget.allow() for _ in range(3))
    assert 500 <= retries <= 520


def test_what_quiet_times_earned_is_capped(clock):
    """After a million requests without a retry there are as many as a hundred of them earned."""
    budget = RetryBudget(ResilienceSettings(retries_per_minute_floor=0), clock)
    for _ in range(1_000_000 // 50):
        budget.request()
    assert spend(budget) == 10


def test_a_quiet_process_may_retry_all_the_same(clock):
    """Ten a minute are free, and come back with time."""
    budget = RetryBudget(ResilienceSettings(), clock)
    assert spend(budget) == 10
    clock.advance(30)
    assert spend(budget) == 5
    clock.advance(3600)
    assert spend(budget) == 10


def test_zero_and_zero_is_no_retry_at_all(clock):
    """Where nothing is earned and nothing is free, nothing is repeated."""
    budget = RetryBudget(ResilienceSettings(retry_ratio=0, retries_per_minute_floor=0), clock)
    for _ in range(1000):
        budget.request()
    clock.advance(3600)
    assert spend(budget) == 0


def test_small_shares_add_up(clock):
    """A thousandth of a retry for each request is one after a thousand."""
    budget = RetryBudget(ResilienceSettings(retry_ratio=0.001, retries_per_minute_floor=0), clock)
    for _ in range(999):
        budget.request()
    assert not budget.allow()
    budget.request()
    assert budget.allow()


@given(
    st.floats(0, 1),
    st.integers(0, 20),
    st.lists(st.one_of(st.just("request"), st.just("retry"), st.floats(0, 90)), max_size=200),
)
def test_there_are_never_more_retries_than_earned_and_free(ratio, floor, events):
    """Whatever the order: the share of requests, the floor of each minute passed, and one floor."""
    clock = FakeClock()
    budget = RetryBudget(ResilienceSettings(retry_ratio=ratio, retries_per_minute_floor=floor), clock)
    requests = retries = 0
    for event in events:
        if event == "request":
            requests += 1
            budget.request()
        elif event == "retry":
            retries += budget.allow()
        else:
            clock.advance(event)
        allowed = requests * ratio + floor + clock.monotonic() * floor / 60
        assert retries <= allowed + 1e-3
