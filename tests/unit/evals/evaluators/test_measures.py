"""The measures of texts, sets and rankings: each from 0 to 1, and what each of them means."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.evaluators.ranks import rate
from roadworthy.evals.evaluators.sets import measure
from roadworthy.evals.evaluators.similarity import MEASURES, distance

TEXTS = st.text(alphabet=st.sampled_from("ab \n.É\u0130ß\ud800"), max_size=12) | st.text(max_size=30)
KEYS = st.lists(st.sampled_from("abcdef"), max_size=8)


@pytest.mark.parametrize("name", MEASURES)
@given(one=TEXTS, other=TEXTS)
def test_a_measure_of_texts_is_symmetric_and_a_share(name, one, other):
    """The same text is 1."""
    value = MEASURES[name](one, other)
    assert 0 <= value <= 1
    assert value == pytest.approx(MEASURES[name](other, one))
    assert MEASURES[name](one, one) == 1


@given(one=TEXTS, other=TEXTS)
def test_the_distance_is_levenshteins(one, other):
    """As the table of all beginnings has it."""
    row = list(range(len(other) + 1))
    for number, a in enumerate(one, 1):
        before, row = row, [number]
        for place, b in enumerate(other):
            row.append(min(before[place] + (a != b), before[place + 1] + 1, row[place] + 1))
    assert distance(one, other) == row[-1]


@given(got=KEYS, wanted=KEYS)
def test_measures_of_sets_are_shares(got, wanted):
    """F1 lies between precision and recall, and exact is 1 only where both are."""
    ours, theirs = set(got), set(wanted)
    found = measure(len(ours & theirs), len(ours), len(theirs))
    assert all(0 <= one <= 1 for one in found.values())
    low, high = sorted((found["precision"], found["recall"]))
    assert low - 1e-9 <= found["f1"] <= high + 1e-9
    assert (found["exact"] == 1) == (ours == theirs) == (found["f1"] == 1)


@pytest.mark.parametrize(
    "name", ["exact", "prefix", "edits", "recall", "precision", "reciprocal_rank", "ndcg"]
)
@given(got=KEYS, wanted=KEYS, k=st.integers(1, 8) | st.none())
def test_measures_of_lists_are_shares(name, got, wanted, k):
    """Also where a key comes twice, or nothing is expected."""
    value = rate(name, got[:k], wanted, dict.fromkeys(wanted, 1.0), k)
    assert 0 <= value <= 1
    if name != "precision" or len(set(wanted)) == len(wanted):
        assert rate(name, wanted, wanted, dict.fromkeys(wanted, 1.0)) == pytest.approx(1)


def test_gains_are_discounted_by_rank_and_by_grade():
    """Järvelin and Kekäläinen: grade by log2 of the rank and one, against the best order there is."""
    grades = {"a": 3.0, "b": 1.0, "c": 0.0}
    ideal = 3 + 1 / math.log2(3)
    assert rate("ndcg", ["c", "a"], list(grades), grades) == pytest.approx(3 / math.log2(3) / ideal)
    assert rate("ndcg", ["a"], list(grades), grades, 1) == 1
    assert rate("ndcg", ["a"], list(grades), grades) < 1
