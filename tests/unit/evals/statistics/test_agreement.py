"""A judge against people, and against itself with the answers swapped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import agreement, cohen_kappa, mcnemar, position_bias, wilson

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2, max_size=80)


@pytest.mark.slow
@given(LABELS)
def test_kappa_is_that_of_two_other_libraries(pairs: list[tuple[str, str]]) -> None:
    """Value as scikit-learn's, standard error as statsmodels', for three labels."""
    from scipy import stats
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import cohens_kappa, to_table

    judge, people = map(list, zip(*pairs, strict=True))
    found = cohen_kappa(judge, people, confidence=0.8)
    if len({*judge, *people}) == 1:
        assert (found.value, found.interval) == (None, None)
        return
    assert found.value == pytest.approx(cohen_kappa_score(judge, people), abs=1e-9)
    numbers = [["abc".index(one), "abc".index(other)] for one, other in pairs]
    with np.errstate(invalid="ignore"):  # a test statistic of theirs that is not used here
        theirs = cohens_kappa(to_table(numbers, bins=3)[0])
    half = np.nan_to_num(theirs.std_kappa) * stats.norm.ppf(0.9)  # no number where one label is constant
    assert found.interval is not None
    assert found.interval.low == pytest.approx(max(-1, theirs.kappa - half), abs=1e-6)
    assert found.interval.high == pytest.approx(min(1, theirs.kappa + half), abs=1e-6)


@pytest.mark.slow
def test_mcnemar_is_statsmodels_less_half_the_observed_count() -> None:
    """The exact p-value of statsmodels, less the probability of the observed count, is the mid-p value."""
    from scipy import stats
    from statsmodels.stats.contingency_tables import mcnemar as oracle_mcnemar

    for better, worse in [(3, 12), (0, 6), (40, 61)]:
        exact = oracle_mcnemar([[100, better], [worse, 30]], exact=True).pvalue
        observed = stats.binom.pmf(min(better, worse), better + worse, 0.5)
        assert mcnemar(better, worse) == pytest.approx(exact - observed)


def test_a_judge_is_measured_on_what_people_said() -> None:
    """Forty yes and sixty no by people; the judge misses ten and cries wolf six times."""
    people = [True] * 40 + [False] * 60
    judge = [True] * 30 + [False] * 10 + [True] * 6 + [False] * 54
    found = agreement(judge, people)
    assert (found.both_yes, found.judge_only, found.people_only, found.both_no) == (30, 6, 10, 54)
    assert (found.sensitivity, found.specificity, found.share) == (0.75, 0.9, 0.84)
    assert found.sensitivity_interval == wilson(30, 40)
    assert found.specificity_interval == wilson(54, 60)
    assert found.bias_points == pytest.approx(-4.0)


def test_labels_of_one_kind_leave_things_unsaid() -> None:
    """No specificity without a no of people, no kappa with one label only, nothing without labels."""
    found = agreement([True, True, True], [True, True, True])
    assert (found.sensitivity, found.specificity, found.kappa.value) == (1.0, None, None)
    assert cohen_kappa(["a", "a"], ["b", "b"]).value == 0.0
    with pytest.raises(ValueError, match="no pairs"):
        agreement([], [])
    with pytest.raises(ValueError, match="no pairs"):
        cohen_kappa(["a"], [])


@pytest.mark.slow
def test_a_judge_that_prefers_the_first_is_found_out() -> None:
    """Steady verdicts and ties twice are no flips; the rest leans to a place, and its balance is tested."""
    from scipy import stats

    steady = [("first", "second"), ("second", "first"), ("tie", "tie")] * 10
    towards_first = [("first", "first")] * 8 + [("tie", "first"), ("first", "tie")]
    found = position_bias([*steady, *towards_first, ("second", "second")])
    assert (found.pairs, found.to_first, found.to_second) == (41, 10, 1)
    assert found.flipped_share == pytest.approx(11 / 41)
    assert found.p == pytest.approx(stats.binomtest(10, 11).pvalue)
    assert position_bias(steady).p == position_bias([]).p == 1.0
