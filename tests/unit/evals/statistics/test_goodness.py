"""The chi-square test of fit, against SciPy's, and its error rate."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import fit_p_value
from roadworthy.evals.statistics.goodness import chi_square_above


@pytest.mark.slow
@given(st.floats(0, 500), st.integers(1, 60))
def test_the_tail_is_that_of_scipy(statistic, degrees) -> None:
    """To nine digits, also far out."""
    from scipy import stats

    expected = float(stats.chi2.sf(statistic, degrees))
    assert chi_square_above(statistic, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 100)), min_size=2, max_size=8))
def test_the_test_is_that_of_scipy(pairs) -> None:
    """For any counts and shares."""
    from scipy import stats

    counts, shares = [one for one, _ in pairs], [one for _, one in pairs]
    total = sum(counts)
    if not total:
        assert fit_p_value(counts, shares) == 1.0
        return
    expected = stats.chisquare(counts, [total * share / sum(shares) for share in shares]).pvalue
    assert fit_p_value(counts, shares) == pytest.approx(float(expected), rel=1e-8, abs=1e-13)


def test_a_fair_draw_is_called_unfair_as_often_as_the_level_says() -> None:
    """Of 2,000 fair draws about 5% are under 0.05."""
    draw = random.Random(5)
    alarms = 0
    for _ in range(2_000):
        first = sum(draw.random() < 0.1 for _ in range(300))
        alarms += fit_p_value([first, 300 - first], [0.1, 0.9]) < 0.05
    assert 0.035 < alarms / 2_000 < 0.065


def test_what_cannot_be_is_told() -> None:
    """A count where the share is nothing has no chance; one arm alone fits always."""
    assert fit_p_value([5, 1], [1, 0]) == 0.0
    assert fit_p_value([5], [1]) == 1.0
