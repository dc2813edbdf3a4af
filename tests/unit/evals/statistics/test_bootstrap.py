"""Means and differences over cases that ran once or several times."""

import time
from itertools import combinations
from statistics import fmean

import numpy as np
import pytest

from roadworthy.evals.statistics import flicker, mean, paired_bootstrap, pass_hat_k


def once(values) -> list[list[float]]:
    """Each case with one repeat."""
    return [[float(value)] for value in values]


@pytest.mark.slow
def test_the_bootstrap_agrees_with_the_t_test_where_that_holds() -> None:
    """On 400 normal differences both give nearly the same interval and p-value."""
    from scipy import stats

    source = np.random.default_rng(3)
    before = source.normal(0.7, 0.1, 400)
    after = before + source.normal(0.01, 0.1, 400)
    ours, theirs = paired_bootstrap(once(before), once(after)), stats.ttest_rel(after, before)
    interval = theirs.confidence_interval()
    assert ours.interval is not None
    assert (ours.interval.low, ours.interval.high) == pytest.approx(tuple(interval), abs=0.0006)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.01)
    assert ours.value == pytest.approx(fmean(after - before))


@pytest.mark.parametrize("cases", [60, 20_000])
def test_the_same_seed_gives_the_same_interval(cases: int) -> None:
    """Scores of few values, of many, and of very many cases: every way of drawing is repeatable."""
    source = np.random.default_rng(1)
    for scores in (source.integers(0, 2, cases), source.random(cases)):
        first, again = (paired_bootstrap(once(scores), once(source.random(cases) * 0 + 0.5)) for _ in "12")
        assert first == again


def test_drawing_counts_and_drawing_cases_say_the_same() -> None:
    """The shortcut for scores of few values has the distribution of the long way."""
    source = np.random.default_rng(5)
    before, after = (source.random(300) < share for share in (0.8, 0.9))
    short = paired_bootstrap(once(before), once(after))
    jittered = once(after + source.normal(0, 1e-9, 300))
    long = paired_bootstrap(once(before), jittered)
    assert short.interval is not None
    assert long.interval is not None
    assert short.interval.low == pytest.approx(long.interval.low, abs=0.004)
    assert short.interval.high == pytest.approx(long.interval.high, abs=0.004)


def test_few_cases_prove_nothing() -> None:
    """One case has no interval; five that all rose are no proof, since that happens by chance."""
    alone = paired_bootstrap([[0.0]], [[1.0]])
    assert (alone.value, alone.interval, alone.p) == (1.0, None, 1.0)
    assert paired_bootstrap(once([0.0] * 5), once([1.0] * 5)).p > 0.05
    assert paired_bootstrap(once([0.0] * 12), once([1.0] * 12)).p < 0.05
    assert paired_bootstrap(once([0.5] * 9), once([0.5] * 9)).p == 1.0
    assert mean([[1.0]]).interval is None


def test_what_cannot_be_paired_is_refused() -> None:
    """Other cases, no cases, a case without a score: each is an error, not a figure."""
    with pytest.raises(ValueError, match="no pairs"):
        paired_bootstrap([[1.0]], [])
    with pytest.raises(ValueError, match="no cases"):
        paired_bootstrap([], [])
    with pytest.raises(ValueError, match="no scores"):
        mean([[1.0], []])


def test_a_mean_weighs_cases_alike() -> None:
    """A case that ran nine times counts as much as one that ran once."""
    found = mean([[0.0] * 9, [1.0], [0.5, 0.5]])
    assert (found.value, found.cases) == (0.5, 3)


def test_two_thousand_cases_take_no_time() -> None:
    """10,000 resamples of 2,000 cases stay under 0.7 seconds of CPU."""
    source = np.random.default_rng(0)
    before, after = once(source.random(2000)), once(source.random(2000))
    began = time.process_time()
    paired_bootstrap(before, after)
    assert time.process_time() - began < 0.7


def test_pass_hat_k_counts_the_draws_that_all_pass() -> None:
    """The estimate equals the share of all k-subsets that passed; cases with fewer runs are left out."""
    runs = [[True, True, False, True], [True] * 4, [False] * 4, [True]]
    for k in (1, 2, 3, 4):
        by_hand = [fmean(all(some) for some in combinations(its, k)) for its in runs if len(its) >= k]
        assert pass_hat_k(runs, k) == pytest.approx(fmean(by_hand))
    assert pass_hat_k([[True]], 2) is None
    assert flicker(runs) == pytest.approx(1 / 3)
    assert flicker([[True]]) is None


def repeated(source, cases: int, repeats: int) -> list[list[float]]:
    """Runs of cases that are mostly easy or mostly hard, so that repeats hardly differ."""
    chance = source.beta(0.3, 0.1, cases)
    return (source.random((cases, repeats)) < chance[:, None]).astype(float).tolist()


@pytest.mark.slow
def test_repeats_do_not_narrow_what_cases_leave_open() -> None:
    """Over cases the 95% interval holds the truth in 93 to 97%; by rows it misses a third or more."""
    source = np.random.default_rng(11)
    by_case = by_row = 0
    for _ in range(600):
        runs = repeated(source, 60, 8)
        interval = mean(runs).interval
        naive = mean(once(score for its in runs for score in its)).interval
        assert interval is not None
        assert naive is not None
        by_case += 0.75 in interval
        by_row += 0.75 in naive
    assert 0.93 <= by_case / 600 <= 0.975
    assert by_row / 600 < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("cases", "repeats"), [(12, 1), (40, 1), (200, 1), (40, 5)])
def test_the_bootstrap_errs_no_more_than_it_says(cases: int, repeats: int) -> None:
    """Where nothing changed, 5% of comparisons find a change (by 1,000: under 7.1%), as of t tests."""
    from scipy import stats

    source = np.random.default_rng(cases + repeats)
    wrong = theirs = 0
    for number in range(1000):
        chance = source.beta(1, 1, (cases, 1))
        before, after = ((source.random((cases, repeats)) + chance) / 2 for _ in "12")
        found = paired_bootstrap(before.tolist(), after.tolist(), resamples=999, seed=number)
        assert found.interval is not None
        wrong += found.p <= 0.05
        theirs += stats.ttest_rel(after.mean(axis=1), before.mean(axis=1)).pvalue <= 0.05
        assert abs((found.p <= 0.05) - (0.0 not in found.interval)) <= (0.04 < found.p < 0.06)
    assert wrong / 1000 < 0.05 + 3 * (0.05 * 0.95 / 1000) ** 0.5
    assert wrong == pytest.approx(theirs, abs=12)


@pytest.mark.slow
def test_the_bootstrap_finds_changes_as_often_as_the_t_test() -> None:
    """A tenth of repeated cases become half as probable to pass: both tests find it equally often."""
    from scipy import stats

    source = np.random.default_rng(2)
    ours = theirs = 0
    for number in range(200):
        chance = source.beta(6, 1, 200)
        worse = np.where(source.random(200) < 0.1, chance / 2, chance)
        before, after = ((source.random((200, 5)) < one[:, None]).astype(float) for one in (chance, worse))
        ours += paired_bootstrap(before.tolist(), after.tolist(), resamples=999, seed=number).p <= 0.05
        theirs += stats.ttest_rel(after.mean(axis=1), before.mean(axis=1)).pvalue <= 0.05
    assert theirs > 100, "so that there is something to compare"
    assert ours == pytest.approx(theirs, abs=6)
