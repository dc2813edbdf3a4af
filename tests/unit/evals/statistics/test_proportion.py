"""Shares, their bounds, and how many more cases decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import (
    cases_until,
    exact,
    exact_lower,
    exact_upper,
    wilson,
    wilson_lower,
    wilson_upper,
)

COUNTS = st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@pytest.mark.slow
@given(COUNTS, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_are_those_of_scipy(counts: tuple[int, int], confidence: float) -> None:
    """Wilson's and Clopper and Pearson's intervals agree with SciPy's to nine digits."""
    from scipy import stats

    share = stats.binomtest(*counts)
    for ours, method in ((wilson, "wilson"), (exact, "exact")):
        theirs = share.proportion_ci(confidence, method)
        found = ours(*counts, confidence=confidence)
        assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_known_leaves_everything_open() -> None:
    """Without a case, and at the ends, bounds are exactly 0 and 1 where they should be."""
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert (exact(0, 0).low, exact(0, 0).high) == (0.0, 1.0)
    assert wilson(0, 30).low == exact_lower(0, 30) == 0.0
    assert wilson(30, 30).high == exact_upper(30, 30) == 1.0
    assert exact_upper(0, 299) < 0.01 < exact_upper(0, 298), "the rule of three, exactly"


@given(COUNTS)
def test_one_sided_bounds_lie_within_the_interval(counts: tuple[int, int]) -> None:
    """At the same confidence, a bound on one side is the nearer one, and the share lies between."""
    both = wilson(*counts)
    assert both.low <= wilson_lower(*counts) <= counts[0] / counts[1] <= wilson_upper(*counts) <= both.high


@pytest.mark.parametrize(("successes", "total"), [(93, 100), (19, 20), (890, 1000), (3, 4), (0, 0)])
def test_so_many_more_cases_decide(successes: int, total: int) -> None:
    """With the cases it asks for the bound passes the threshold, with a tenth fewer it does not."""
    more = cases_until(successes, total, 0.9)
    assert more, "none of these is decided, all can be"
    share = successes / total if total else 1.0

    def decided(cases: int) -> bool:
        return wilson_lower(share * cases, cases) >= 0.9 or wilson_upper(share * cases, cases) <= 0.9

    assert decided(total + more)
    assert not decided(int((total + more) * 0.9))


def test_what_is_decided_or_never_will_be_is_told_apart() -> None:
    """0 more cases where the bound has passed, None where no number would make it."""
    assert cases_until(990, 1000, 0.9) == 0
    assert cases_until(10, 1000, 0.9) == 0
    assert cases_until(90, 100, 0.9) is None
    assert cases_until(5, 5, 1.0) is None


def test_a_confidence_in_per_cent_is_refused() -> None:
    """95 for 0.95 is a mistake, as is more successes than cases."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, confidence=95)
    with pytest.raises(ValueError, match="no share"):
        wilson(3, 2)
