"""Ranked lists of ids against what is relevant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import average, ndcg_at, precision_at, recall_at, reciprocal_rank

RANKED = ["d3", "d1", "d9", "d2", "d7"]


def test_measures_of_a_list_by_hand() -> None:
    """Two of three relevant ids within four places, the first of them at the second."""
    relevant = {"d1", "d2", "d8"}
    assert recall_at(4, RANKED, relevant) == pytest.approx(2 / 3)
    assert precision_at(4, RANKED, relevant) == 0.5
    assert precision_at(10, RANKED, relevant) == 0.2, "places left empty are wrong"
    assert reciprocal_rank(RANKED, relevant) == 0.5
    assert reciprocal_rank(RANKED, {"d8"}) == recall_at(5, RANKED, {"d8"}) == 0.0
    assert ndcg_at(5, ["d1", "d2"], ["d2", "d1"]) == 1.0


def test_cases_without_anything_relevant_do_not_count() -> None:
    """They have no value, the mean leaves them out, and a mean of none is none."""
    nothing: set[str] = set()
    measures = [recall_at(3, RANKED, nothing), precision_at(3, RANKED, nothing), reciprocal_rank(RANKED, [])]
    assert [*measures, ndcg_at(3, RANKED, nothing), ndcg_at(3, RANKED, {"d1": 0.0})] == [None] * 5
    assert average(measures) is None
    found = average([1.0, None, 0.0])
    assert found is not None
    assert (found.value, found.cases) == (0.5, 2)


def test_an_id_that_comes_twice_counts_once() -> None:
    """Repeating what is relevant does not raise any measure."""
    ranked = ["d1", "d1", "d1", "d2"]
    assert recall_at(2, ranked, {"d1", "d2"}) == 1.0
    assert precision_at(4, ranked, {"d1", "d2"}) == 0.5
    assert reciprocal_rank(ranked, {"d2"}) == 0.5
    assert (ndcg_at(4, ranked, {"d1"}) or 0) == 1.0


def test_senseless_arguments_are_refused() -> None:
    """No places, negative gains."""
    with pytest.raises(ValueError, match="counts places"):
        recall_at(0, RANKED, {"d1"})
    with pytest.raises(ValueError, match="not negative"):
        ndcg_at(2, RANKED, {"d1": -1.0})


@pytest.mark.slow
@given(st.lists(st.integers(0, 3), min_size=2, max_size=12), st.integers(1, 12))
def test_graded_gains_are_discounted_as_in_scikit_learn(gains: list[int], k: int) -> None:
    """The nDCG of a full ranking is the same, at any k."""
    from sklearn.metrics import ndcg_score

    graded = {f"d{number}": float(gain) for number, gain in enumerate(gains)}
    found = ndcg_at(k, list(graded), graded)
    if not any(gains):
        assert found is None
        return
    places = [[-float(number) for number in range(len(gains))]]
    assert found == pytest.approx(ndcg_score([gains], places, k=k))
