"""Scores from which on answers may pass, for an error rate that is kept."""

import numpy as np
import pytest

from roadworthy.evals.statistics import accept_band, exact_upper, reject_band


def answers(cases: int, seed: int) -> tuple[list[float], list[bool]]:
    """Calibrated scores: an answer is right as often as its score says."""
    source = np.random.default_rng(seed)
    scores = source.beta(6, 0.7, cases)
    return scores.tolist(), (source.random(cases) < scores).tolist()


def test_a_band_is_proven_by_the_answers_in_it() -> None:
    """Of 3,000 answers the most sure half pass at 5%, and the exact bound of their wrong ones is under it."""
    scores, right = answers(3000, seed=1)
    found = accept_band(scores, right, error_rate=0.05)
    assert found.threshold is not None
    assert found.cases == sum(score >= found.threshold for score in scores)
    assert found.wrong == sum(
        not was for score, was in zip(scores, right, strict=True) if score >= found.threshold
    )
    assert exact_upper(found.wrong, found.cases) <= 0.05
    assert 0.5 < found.share == found.cases / 3000 < 0.74, "0.74 is what the true rates would allow"
    assert found.more_cases is None


def test_a_stricter_rate_lets_less_through() -> None:
    """1% passes less than 2%, and that less than 5%."""
    scores, right = answers(20_000, seed=5)
    shares = [accept_band(scores, right, error_rate=rate).share for rate in (0.01, 0.02, 0.05)]
    assert 0 < shares[0] < shares[1] < shares[2]


def test_rejecting_is_accepting_turned_round() -> None:
    """Low scores are turned away where few of them were right; the mirrored data give the mirrored band."""
    scores, right = answers(3000, seed=2)
    accepted = accept_band(scores, right, error_rate=0.05)
    rejected = reject_band([1 - score for score in scores], [not was for was in right], error_rate=0.05)
    assert rejected.threshold == pytest.approx(1 - (accepted.threshold or 0))
    assert (rejected.cases, rejected.wrong) == (accepted.cases, accepted.wrong)


def test_too_few_answers_prove_nothing_but_how_many_would() -> None:
    """58 right ones do not prove 5%, 59 do; where half are wrong no number would."""
    few = accept_band([0.9] * 58, [True] * 58, error_rate=0.05)
    assert (few.threshold, few.cases, few.more_cases) == (None, 0, 1)
    assert accept_band([0.9] * 59, [True] * 59, error_rate=0.05).threshold == 0.9
    assert accept_band([0.9], [True], error_rate=0.01).more_cases == 298
    hopeless = accept_band([0.9] * 200, [True, False] * 100, error_rate=0.05)
    assert (hopeless.threshold, hopeless.more_cases) == (None, None)


def test_equal_scores_stay_together() -> None:
    """A threshold passes everything that has its score, so all of it is counted."""
    scores = [0.9] * 100 + [0.5] * 100
    right = [True] * 100 + [False] * 100
    found = accept_band(scores, right, error_rate=0.05)
    assert (found.threshold, found.cases, found.wrong) == (0.9, 100, 0)
    mixed = accept_band([0.9] * 200, [True] * 100 + [False] * 100, error_rate=0.05)
    assert mixed.threshold is None


def test_senseless_rates_are_refused() -> None:
    """An error rate of 0 cannot be proven, 5 is a mistyped 5%."""
    for rate in (0.0, 5.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            accept_band([0.5], [True], error_rate=rate)
    with pytest.raises(ValueError, match="no pairs"):
        accept_band([], [], error_rate=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "error_rate"), [(300, 0.05), (1000, 0.02), (2000, 0.05), (2000, 0.1)])
@pytest.mark.parametrize("shape", ["calibrated", "flat", "falling"])
def test_the_promised_rate_is_broken_at_most_as_often_as_allowed(
    cases: int, error_rate: float, shape: str
) -> None:
    """Of 400 bands at alpha 5%, at most 8% (5% and chance) are too low, also where scores lie."""
    source = np.random.default_rng(cases)
    grid = np.linspace(0, 1, 2001)
    if shape == "calibrated":
        wrong_at = np.minimum(1, 4 * error_rate * (1 - grid) ** 2 + error_rate / 4)
    elif shape == "flat":
        wrong_at = np.full_like(grid, error_rate * 1.001)
    else:  # the surest are the worst
        wrong_at = error_rate * (0.5 + grid)
    rate_from = np.cumsum(wrong_at[::-1])[::-1] / np.arange(len(grid), 0, -1)
    broken = 0
    for _ in range(400):
        scores = source.random(cases)
        right = source.random(cases) >= np.interp(scores, grid, wrong_at)
        found = accept_band(scores.tolist(), right.tolist(), error_rate=error_rate)
        broken += found.threshold is not None and np.interp(found.threshold, grid, rate_from) > error_rate
    assert broken / 400 <= 0.08
