"""The bounds of the loss hold, whatever share of the cases differs, and are no looser than need be."""

import random

import pytest

from roadworthy.models.learned.bound import Bound

pytestmark = pytest.mark.slow  # scipy takes a second to load

EXACT, BETTING = Bound(0.95, whole=True), Bound(0.95, whole=False)


@pytest.mark.parametrize("differ", [0.05, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("most", [0.05, 0.02])
def test_the_exact_bound_errs_no_more_often_than_it_says(differ, most):
    """Over every possible outcome of 100 cases whose mean loss is just too high: at most 5% pass."""
    from scipy.stats import multinomial

    cases = 100
    truth = multinomial(cases, [(differ + most) / 2, (differ - most) / 2, 1 - differ])
    error = 0.0
    for worse in range(cases + 1):
        for better in range(cases + 1 - worse):
            chance = float(truth.pmf([worse, better, cases - worse - better]))
            if chance > 1e-6 and EXACT.holds(
                [1] * worse + [-1] * better + [0] * (cases - worse - better), most
            ):
                error += chance
    assert error <= 0.05


@pytest.mark.parametrize("bound", [EXACT, BETTING], ids=["exact", "betting"])
@pytest.mark.parametrize(("worse", "better"), [(0.03, 0.01), (0.12, 0.10), (0.02, 0.0)])
def test_a_bound_errs_rarely_on_drawn_cases(bound, worse, better):
    """Of 400 samples whose true mean loss is the limit itself, the proven ones are chance."""
    source = random.Random(7)
    passed = 0
    for _ in range(400):
        draws = [source.random() for _ in range(700)]
        losses = [1.0 if one < worse else -1.0 if one < worse + better else 0.0 for one in draws]
        passed += bound.holds(losses, 0.02)
    assert passed <= 31  # 5% of 400 and 2.5 standard deviations


def test_graded_losses_are_bounded_too():
    """With small differences in both directions, betting proves what rounding up could not."""
    source = random.Random(3)
    losses = [source.choice((-0.1, 0.0, 0.1)) for _ in range(2000)]
    bound = Bound.fitting(0.95, losses)
    assert bound.name == "betting"
    assert bound.holds(losses, 0.01)
    assert not EXACT.holds([float(loss > 0) for loss in losses], 0.01)


def test_a_few_fractions_are_rounded_up():
    """The mean of repeated cases does not cost the exact bound; it counts against the cheap model."""
    losses = [1.0] * 20 + [-1.0] * 20 + [0.5] + [0.0] * 1000
    bound = Bound.fitting(0.95, losses)
    assert bound.name == "exact"
    rounded = [1.0 if loss == 0.5 else loss for loss in losses]
    assert bound.upper(losses) == pytest.approx(bound.upper(rounded), abs=1e-6)


@pytest.mark.parametrize("bound", [EXACT, BETTING], ids=["exact", "betting"])
def test_the_upper_bound_is_where_the_proof_begins(bound):
    """What is below is not proven, and what is above is."""
    losses = ([1.0] + [0.0] * 99 + [-1.0] + [0.0] * 99) * 10
    upper = bound.upper(losses)
    assert 0 < upper < 0.02
    assert not bound.holds(losses, upper - 1e-4)
    assert bound.holds(losses, upper + 1e-4)


def test_no_difference_in_many_cases_proves_nearly_none():
    """Without a single difference the rule of three holds, nearly: 3 out of n, and 5.3 at the strictest."""
    assert 3 / 3000 <= EXACT.upper([0.0] * 3000) <= 5.4 / 3000
    assert EXACT.upper([]) == 1.0
    assert not EXACT.holds([], 0.5)
    assert EXACT.upper([1.0] * 20) == pytest.approx(1.0)


def test_more_confidence_needs_more_proof():
    """The bound grows with the confidence."""
    losses = [1.0] * 5 + [0.0] * 995
    bounds = [Bound(confidence, whole=True).upper(losses) for confidence in (0.8, 0.9, 0.95, 0.99)]
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[-1]


@pytest.mark.parametrize("bound", [EXACT, BETTING], ids=["exact", "betting"])
def test_as_many_cases_as_are_said_to_be_needed_are_enough(bound):
    """So many cases like those at hand prove it, and there is no number where the mean is too high."""
    losses = [1.0] + [0.0] * 199
    needed = bound.cases_needed(losses, 0.01)
    assert needed is not None
    assert not bound.holds(losses, 0.01)
    assert bound.holds((losses * 100)[:needed], 0.01)
    assert bound.cases_needed(losses, 0.005) is None
    assert bound.cases_needed([], 0.01) == bound.cases_needed([0.0], 0.01)
