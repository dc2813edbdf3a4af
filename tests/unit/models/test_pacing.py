"""What providers say about their limits, in their own forms, and what is made of nonsense."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.models.pacing import LONGEST_SECONDS, Pacing
from roadworthy.testing import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FakeClock(NOW)


@pytest.fixture
def pacing(clock):
    """A model that nobody has said anything about."""
    return Pacing(clock)


def test_it_waits_for_as_long_as_it_is_told(pacing, clock):
    """The wait gets shorter with time, and a shorter one does not replace it."""
    assert pacing.wait_seconds() == 0
    pacing.retry_after(7.5)
    clock.advance(2)
    pacing.retry_after(1)
    assert pacing.wait_seconds() == pytest.approx(5.5)
    clock.advance(5.5)
    assert pacing.wait_seconds() == 0


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("6m0s", 60),
        ("1m30.951s", 60),
        ("59.5s", 59.5),
        ("120ms", 0.12),
        ("17", 17),
        ("1.5", 1.5),
        ("1d2h", 60),
        ("500µs", 0.0005),
        ("0s", 0),
        (" 8s ", 8),
        ("2026-01-01T00:00:20Z", 20),
        ("2026-01-01T01:00:20.500+01:00", 20.5),
        ("2027-01-01T00:00:00Z", 60),
        ("2025-12-31T23:59:59Z", 0),
    ],
)
def test_resets_are_read_in_all_their_forms(pacing, reset, seconds):
    """Durations, seconds and moments; a minute at most, and a moment that has passed is no wait."""
    pacing.note({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}, NOW_MS)
    assert pacing.wait_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    "kind", ["requests", "tokens", "input-tokens", "output-tokens"], ids=lambda kind: f"anthropic-{kind}"
)
def test_anthropic_counts_requests_and_three_kinds_of_tokens(pacing, kind):
    """Whichever is spent holds the next request back."""
    start = f"anthropic-ratelimit-{kind}"
    pacing.note({f"{start}-remaining": "0", f"{start}-reset": "2026-01-01T00:00:30Z"}, NOW_MS)
    assert pacing.wait_seconds() == pytest.approx(30)


def test_an_allowance_that_refills_evenly_is_not_waited_for_until_it_is_full(pacing):
    """Of 500 requests in a minute the next one is there after 120 ms; of tokens a tenth is waited for."""
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "60s"}
    pacing.note({**spent, "x-ratelimit-limit-requests": "500"}, NOW_MS)
    assert pacing.wait_seconds() == pytest.approx(0.12)
    tokens = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "60s"}
    pacing.note({**tokens, "x-ratelimit-limit-tokens": "30000"}, NOW_MS)
    assert pacing.wait_seconds() == pytest.approx(6)


def test_what_is_left_over_is_no_reason_to_wait(pacing):
    """As long as one request is left, nobody waits."""
    pacing.note({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, NOW_MS)
    assert pacing.wait_seconds() == 0


def test_retry_after_among_the_headers_counts_too(pacing):
    """A response may ask for a pause in as many words."""
    pacing.note({"retry-after": "3"}, NOW_MS)
    assert pacing.wait_seconds() == pytest.approx(3)


@pytest.mark.parametrize("seconds", [0, -5, math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_ignored(pacing, seconds):
    """Neither nothing, nor the past, nor forever."""
    pacing.retry_after(seconds)
    assert pacing.wait_seconds() == 0


@pytest.mark.parametrize(
    ("remaining", "reset"),
    [
        ("0", "soon"),
        ("0", ""),
        ("0", "6m 0s"),
        ("0", "m"),
        ("0", "9" * 400),
        ("0", "5s" * 400),
        ("0", "2026-01-01"),
        ("0", "2026-01-01T00:00:30"),
        ("0", "9999-99-99T99:99:99Z"),
        ("0", "nan"),
        ("0", "inf"),
        ("0", "-20"),
        ("none", "6m0s"),
        ("", "6m0s"),
        ("nan", "6m0s"),
        ("<html>", "6m0s"),
    ],
)
def test_garbage_is_ignored(pacing, remaining, reset):
    """What cannot be read holds nobody back."""
    pacing.note({"x-ratelimit-remaining-requests": remaining, "x-ratelimit-reset-requests": reset}, NOW_MS)
    assert pacing.wait_seconds() == 0


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "x-ratelimit-limit-requests",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
                "anthropic-ratelimit-tokens-limit",
                "retry-after",
            ]
        ),
        st.one_of(
            st.text(max_size=60),
            st.integers().map(str),
            st.floats().map(str),
            st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
            st.from_regex(r"(\d+(\.\d+)?(ms|s|m|h)){1,3}", fullmatch=True),
        ),
    )
)
def test_no_header_makes_it_fail_or_wait_too_long(headers):
    """Whatever is sent, the wait is between none and a minute."""
    pacing = Pacing(FakeClock(NOW))
    pacing.note(headers, NOW_MS)
    assert 0 <= pacing.wait_seconds() <= LONGEST_SECONDS
