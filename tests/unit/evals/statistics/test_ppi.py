"""Rates corrected by prediction-powered inference.

The figures of ppi-python 0.2.3 are written down here rather than computed: it brings numba and llvmlite.
They are `ppi_mean_pointestimate` and `ppi_mean_ci(…, alpha=0.05)` of the same lists.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.evals.statistics import corrected_rate, wilson


def made(cases: int, others: int, errs_each: int, shift: int) -> tuple[list[float], ...]:
    """Labels, a judge that errs in each so manyth, and the judge on the others."""
    labels = [float((7 * i) % 10 < 4) for i in range(cases)]
    judged = [label if (3 * i) % errs_each else 1 - label for i, label in enumerate(labels)]
    return labels, judged, [float((11 * i + shift) % 10 < 5) for i in range(others)]


def scores() -> tuple[list[float], ...]:
    """Scores between 0 and 1 instead of yes and no."""
    labels = [(i * 37) % 101 / 100 for i in range(80)]
    judged = [min(1.0, label * 0.8 + (i * 53) % 17 / 80) for i, label in enumerate(labels)]
    return labels, judged, [i * 29 % 97 / 96 for i in range(500)]


@pytest.mark.parametrize(
    ("given", "value", "low", "high"),
    [
        (made(60, 400, 9, 0), 0.40925589836660625, 0.2912087908452407, 0.5273030058879717),
        (made(100, 2150, 5, 3), 0.4534915548882874, 0.37455022292778717, 0.5324328868487876),
        (made(40, 40, 3, 1), 0.4, 0.2481818425742008, 0.5518181574257992),
        (scores(), 0.5017740686234988, 0.4678144604413222, 0.5357336768056755),
    ],
)
def test_the_estimate_is_that_of_the_authors(
    given: tuple[list[float], ...], value: float, low: float, high: float
) -> None:
    """The same value; the interval is wider by what Student's t and n-1 make of so few labels, under 5%."""
    found = corrected_rate(*given)
    assert found.value == pytest.approx(value, abs=1e-9)
    assert 1 < (found.interval.high - found.interval.low) / (high - low) < 1.05
    assert found.note == "" or found.trust == 0


def test_where_the_judge_cannot_be_used_labels_stand_alone() -> None:
    """No further cases, a judge that always says the same, one that contradicts people: told, not hidden."""
    labels = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    alone = [
        corrected_rate(labels, labels, []),
        corrected_rate(labels, [1.0] * 6, [1.0] * 50),
        corrected_rate(labels, [1 - label for label in labels], [0.0, 1.0] * 25),
    ]
    for found in alone:
        assert (found.value, found.trust, found.worth) == pytest.approx((4 / 6, 0, 1))
    assert len({found.note for found in alone}) == 3
    assert all(found.note for found in alone)


def test_labels_that_do_not_differ_are_no_certainty() -> None:
    """Ten times yes is no rate of exactly 1, nor is one label a rate: both keep Wilson's interval."""
    found = corrected_rate([1.0] * 10, [1.0, 0.0] * 5, [1.0] * 90)
    assert (found.value, found.interval) == (1.0, wilson(10, 10))
    assert "the same" in found.note
    assert "single" in corrected_rate([1.0], [1.0], [0.0, 1.0]).note
    with pytest.raises(ValueError, match="no pairs"):
        corrected_rate([], [], [1.0])
    with pytest.raises(ValueError, match="within 0 and 1"):
        corrected_rate([3.0, 1.0], [1.0, 0.0], [])


UNIT = st.floats(0, 1)


@given(st.lists(st.tuples(UNIT, UNIT), min_size=1, max_size=30), st.lists(UNIT, max_size=30))
def test_any_labels_give_a_rate_in_its_interval(
    pairs: list[tuple[float, float]], others: list[float]
) -> None:
    """Whatever comes in, value and interval lie within 0 and 1, the value inside, λ within 0 and 1."""
    labels, judged = map(list, zip(*pairs, strict=True))
    found = corrected_rate(labels, judged, others)
    assert 0 <= found.interval.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.interval.high <= 1
    assert 0 <= found.trust <= 1


def test_a_judge_that_was_never_seen_to_err_makes_nothing_certain() -> None:
    """Where nothing varies but the labels, they stand alone, and the interval is theirs."""
    found = corrected_rate([0.0, 1.0], [0.0, 1.0], [1.0] * 1000)
    assert (found.trust, found.worth, found.value) == (0, 1, 0.5)
    assert found.interval.low == 0
    assert found.interval.high == 1
    assert "alone" in found.note


@pytest.mark.slow
@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.7, 0.98), (0.95, 0.95), (0.5, 0.5)])
def test_corrected_rates_cover_the_truth(sensitivity: float, specificity: float) -> None:
    """Of 1,000 intervals from 100 labels, 93 to 97% hold the rate, and labels are worth what theory says."""
    source, share, cases = np.random.default_rng(7), 0.45, 1000
    covered, biased, worths = 0, 0, []
    for _ in range(1000):
        people = source.random(cases) < share
        judge = np.where(people, source.random(cases) < sensitivity, source.random(cases) > specificity)
        lists = (its.astype(float).tolist() for its in (people[:100], judge[:100], judge[100:]))
        found = corrected_rate(*lists)
        covered += share in found.interval
        biased += share in wilson(int(judge.sum()), cases)
        worths.append(found.worth)
    judged = share * sensitivity + (1 - share) * (1 - specificity)
    correlation = (share * sensitivity - share * judged) ** 2 / (share * (1 - share) * judged * (1 - judged))
    assert 0.93 <= covered / 1000 <= 0.97
    assert np.median(worths) == pytest.approx(1 / (1 - correlation * 0.9), rel=0.1), "0.9 are judged only"
    assert (sensitivity == specificity) or biased < 50, "a one-sided judge's own rate is mostly wrong"
