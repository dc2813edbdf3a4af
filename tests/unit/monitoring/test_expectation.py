"""What a day is expected to cost, and how far off that may be."""

import random
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.monitoring.expectation import Expectation

MONDAY = date(2026, 9, 7)


def seen(*spent: int) -> dict[date, int]:
    """Days one after the other, the first one a Monday."""
    return {MONDAY + timedelta(days=number): amount for number, amount in enumerate(spent)}


def test_fewer_than_two_weeks_are_one_plain_mean():
    """13 days say nothing about weekdays yet."""
    expectation = Expectation(seen(*[100] * 12, 1400))
    assert expectation.basis == "days"
    assert {expectation.on(MONDAY + timedelta(days=n)) for n in range(7)} == {200.0}


def test_from_two_weeks_on_a_day_is_compared_with_its_weekday():
    """A Saturday is expected to be like Saturdays."""
    expectation = Expectation(seen(*([100, 100, 100, 100, 100, 10, 0] * 2)))
    assert expectation.basis == "weekdays"
    saturday = MONDAY + timedelta(days=5 + 70)
    assert [expectation.on(saturday + timedelta(days=n)) for n in range(3)] == [10.0, 0.0, 100.0]


def test_a_part_of_a_day_counts_for_its_part():
    """What is left of today is not a whole day."""
    expectation = Expectation(seen(100, 300))
    assert expectation.over([(MONDAY, 0.25), (MONDAY, 1.0), (MONDAY, 0.0)]) == 250.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 10**12), min_size=2, max_size=60),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_the_range_is_steady_ordered_and_never_below_nothing(spent, parts, seed):
    """The same seed gives the same range; no day brings money back."""
    days = [(MONDAY + timedelta(days=100 + number), part) for number, part in enumerate(parts)]
    found = Expectation(seen(*spent)).between(days, 0.8, seed)
    assert found is not None
    assert 0 <= found[0] <= found[1]
    assert found == Expectation(seen(*spent)).between(days, 0.8, seed)


def test_days_that_are_all_alike_leave_no_doubt():
    """The range is a point then, and the mean is in it."""
    expectation = Expectation(seen(*[70] * 20))
    assert expectation.between([(MONDAY, 1.0), (MONDAY, 0.5)], 0.8, 0) == (105.0, 105.0)


def test_one_day_gives_a_mean_and_no_range():
    """Nobody can say how uneven days are who has seen one."""
    expectation = Expectation(seen(70))
    assert expectation.on(MONDAY) == 70.0
    assert expectation.between([(MONDAY, 1.0)], 0.8, 0) is None


@pytest.mark.slow
@pytest.mark.parametrize("weeks", [1, 2, 8])
def test_the_range_holds_about_as_often_as_it_says(weeks):
    """Of 200 made-up fortnights of uneven days with weekends, it holds what came of most."""
    draw = random.Random(weeks)

    def day(number: int) -> int:
        usual = 1_000_000 if number % 7 < 5 else 200_000
        return int(usual * draw.lognormvariate(0, 0.5))

    held = 0
    for _ in range(200):
        expectation = Expectation(seen(*(day(number) for number in range(7 * weeks))))
        ahead = range(7 * weeks, 7 * weeks + 14)
        found = expectation.between([(MONDAY + timedelta(days=n), 1.0) for n in ahead], 0.8, 0, rounds=200)
        assert found is not None
        held += found[0] <= sum(day(number) for number in ahead) <= found[1]
    assert 0.65 <= held / 200 <= 0.95
