"""Two versions case by case: McNemar's test, Tango's interval, and how many cases it takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import cases_needed, mcnemar, tango

COUNT = st.integers(0, 2000)


@pytest.mark.slow
@given(COUNT, COUNT)
def test_mcnemar_is_the_exact_test_with_half_the_observed_count(better: int, worse: int) -> None:
    """Against SciPy's binomial distribution, in all three alternatives."""
    from scipy import stats

    differ = stats.binom(better + worse, 0.5)
    fewer = min(better, worse)
    expected = min(1.0, 2 * differ.cdf(fewer) - differ.pmf(fewer)) if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(expected, rel=1e-8, abs=1e-300)
    if better + worse:
        sides = mcnemar(better, worse, alternative="worse"), mcnemar(better, worse, alternative="better")
        assert sum(sides) == pytest.approx(1.0)
        assert (sides[0] < sides[1]) == (worse > better)


def test_no_difference_is_no_evidence() -> None:
    """Nothing differs, or as many won as lost: the p-value is 1."""
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(7, 7) == pytest.approx(1.0)


def test_tango_reproduces_published_figures() -> None:
    """Fagerland, Lydersen and Laake (Stat. Med. 33, 2014), airway hyper-responsiveness: 1 and 7 of 21."""
    interval = tango(1, 7, 21)
    assert (interval.low, interval.high) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200), st.sampled_from([0.8, 0.95, 0.99]))
def test_tango_is_an_interval_around_the_change(
    better: int, worse: int, same: int, confidence: float
) -> None:
    """It lies within -1 and 1, holds what was observed, and mirrors when the versions change places."""
    total = better + worse + same
    interval = tango(better, worse, total, confidence=confidence)
    mirrored = tango(worse, better, total, confidence=confidence)
    change = (better - worse) / total if total else 0.0
    assert -1 <= interval.low <= change + 1e-9
    assert change - 1e-9 <= interval.high <= 1
    assert (-mirrored.high, -mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-9)
    if total and confidence < 0.99:
        wider = tango(better, worse, total, confidence=0.99)
        assert wider.low <= interval.low + 1e-9
        assert wider.high >= interval.high - 1e-9


def test_tango_without_differing_cases_is_not_a_point() -> None:
    """Fifty cases that came out the same leave a change of z²/(n+z²) possible, either way."""
    interval = tango(0, 0, 50)
    assert (interval.low, interval.high) == pytest.approx((-3.8415 / 53.8415, 3.8415 / 53.8415), abs=1e-5)
    assert (tango(0, 0, 0).low, tango(0, 0, 0).high) == (-1.0, 1.0)


def test_five_points_at_ten_per_cent_take_312_cases() -> None:
    """The formula's figure, fewer for a larger difference, none for no difference."""
    assert cases_needed(0.10, 0.05) == cases_needed(0.10, -0.05) == 312
    assert (cases_needed(0.10, 0.10) or 0) < 312 < (cases_needed(0.10, 0.05, power=0.9) or 0)
    assert cases_needed(0.1, 0) is None


def simulated(cases: int, better: float, worse: float, seed: int, times: int = 10_000) -> np.ndarray:
    """How many cases were won and lost, `times` times."""
    source = np.random.default_rng(seed)
    return source.multinomial(cases, [better, worse, 1 - better - worse], times)[:, :2]


@pytest.mark.parametrize(("cases", "power"), [(200, 0.568), (500, 0.933), (1000, 0.998)])
def test_mcnemar_finds_five_points_as_often_as_designed(cases: int, power: float) -> None:
    """8% lost, 3% won: the power that summing over all outcomes gives, within the chance of 10,000 draws."""
    pairs = [tuple(pair) for pair in simulated(cases, 0.03, 0.08, seed=1).tolist()]
    found = {pair: mcnemar(*pair) <= 0.05 for pair in set(pairs)}
    assert sum(found[pair] for pair in pairs) / len(pairs) == pytest.approx(power, abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "differs"), [(30, 0.2), (100, 0.1), (500, 0.05), (2000, 0.1)])
def test_mcnemar_errs_no_more_than_it_says(cases: int, differs: float) -> None:
    """Where nothing changed, 5% or fewer of 10,000 comparisons say so nevertheless (give or take 0.4)."""
    pairs = simulated(cases, differs / 2, differs / 2, seed=cases).tolist()
    known = {tuple(pair): mcnemar(*pair) for pair in pairs}
    assert sum(known[tuple(pair)] <= 0.05 for pair in pairs) / len(pairs) <= 0.054


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cases", "better", "worse"), [(30, 0.1, 0.1), (50, 0.0, 0.1), (100, 0.03, 0.08), (1000, 0.01, 0.01)]
)
def test_tango_covers_the_change(cases: int, better: float, worse: float) -> None:
    """Of 10,000 intervals at 95%, 94 to 98% hold the true change."""
    pairs = [tuple(pair) for pair in simulated(cases, better, worse, seed=cases).tolist()]
    covers = {pair: better - worse in tango(*pair, cases) for pair in set(pairs)}
    assert 0.94 <= sum(covers[pair] for pair in pairs) / len(pairs) <= 0.98
