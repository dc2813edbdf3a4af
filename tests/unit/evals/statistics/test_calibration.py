"""Probabilities learnt from reviewed answers, and whether they mean what they say."""

import json
import math
import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import InvalidInput
from roadworthy.evals.statistics import Calibration, brier, expected_calibration_error, fit, reliability
from roadworthy.evals.statistics.calibration import pool_adjacent_violators
from roadworthy.evals.statistics.reliability import log_loss


def answers(cases: int, seed: int = 1) -> tuple[list[list[float]], list[bool]]:
    """Scores that are far too sure, of answers of which three quarters are right."""
    source = np.random.default_rng(seed)
    chance = source.beta(3, 1, cases)
    odds = 2.5 * np.log(chance / (1 - chance)) + 0.5
    return (1 / (1 + np.exp(-odds)))[:, None].tolist(), (source.random(cases) < chance).tolist()


PLACES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), min_size=1, max_size=40)


@pytest.mark.slow
@given(PLACES)
def test_pooling_gives_the_curve_of_scikit_learn(points: list[tuple[int, int]]) -> None:
    """Every place, ties included, has the level that isotonic regression gives it."""
    from sklearn.isotonic import IsotonicRegression

    places, values = ([float(one) for one in its] for its in zip(*points, strict=True))
    theirs = IsotonicRegression().fit(places, values).predict(places)
    steps = pool_adjacent_violators(places, values)
    levels = [level for _, level in steps]
    assert levels == sorted(levels)
    assert {round(level, 9) for level in levels} == {round(float(level), 9) for level in theirs}
    assert [place for place, _ in steps] == sorted({place for place, _ in steps})


@pytest.mark.slow
def test_the_logistic_way_is_that_of_scikit_learn() -> None:
    """With 5,000 answers ridge and targets hardly matter: weights of two signals agree within 2%."""
    from sklearn.linear_model import LogisticRegression

    source = np.random.default_rng(4)
    odds = source.normal(0, 1.5, (5000, 2))
    right = source.random(5000) < 1 / (1 + np.exp(-(0.3 + odds @ [0.8, 0.4])))
    ours = fit((1 / (1 + np.exp(-odds))).tolist(), right.tolist()).calibration
    theirs = LogisticRegression(C=1.0).fit(odds, right)
    assert [ours.intercept, *ours.weights] == pytest.approx(
        [theirs.intercept_[0], *theirs.coef_[0]], rel=0.02
    )


@pytest.mark.parametrize(("cases", "part"), [(200, 1 / 2), (3000, 1 / 4)])
def test_scores_that_are_too_sure_become_probabilities(cases: int, part: float) -> None:
    """On new answers the calibration error falls to a half, with more to a quarter; Brier's falls too."""
    found = fit(*answers(cases)).calibration
    scores, right = answers(20_000, seed=2)
    raw, told = [score for (score,) in scores], [found.apply(its) for its in scores]
    assert expected_calibration_error(told, right) < expected_calibration_error(raw, right) * part
    assert brier(told, right) < brier(raw, right)


def test_a_bent_curve_is_drawn_by_pooling() -> None:
    """Where the truth is a step, 2,000 answers choose isotonic, and it finds the step."""
    source = np.random.default_rng(0)
    scores = source.random(2000)
    right = source.random(2000) < np.where(scores > 0.5, 0.9, 0.3)
    found = fit(scores[:, None].tolist(), right.tolist())
    assert found.calibration.method == "isotonic"
    assert found.log_losses["isotonic"] < found.log_losses["logistic"]
    assert [found.calibration.apply([score]) for score in (0.3, 0.7)] == pytest.approx([0.3, 0.9], abs=0.08)


def test_what_is_held_out_was_not_seen() -> None:
    """Scores of pure chance: predictions of unseen answers find nothing, though a fit would."""
    source = np.random.default_rng(3)
    scores, right = source.random(400), source.random(400) < 0.5
    found = fit(scores[:, None].tolist(), right.tolist())
    assert brier(found.held_out, right.tolist()) >= 0.248


def test_a_signal_that_misleads_has_no_weight() -> None:
    """Where a signal falls as answers get better it is left out, not turned round."""
    scores, right = answers(500)
    found = fit([[score, 1 - score, 0.5] for (score,) in scores], right).calibration
    assert found.weights[0] > 0
    assert found.weights[1] == 0.0


SCORE = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(SCORE, min_size=2, max_size=2), st.integers(0, 5))
def test_any_score_gives_a_probability_and_surer_ones_no_less(pair: list[float], seed: int) -> None:
    """Whatever comes in, between 0 and 1, rising; not a number is the least sure of all."""
    found = CALIBRATIONS[seed]
    low, high = sorted(-math.inf if math.isnan(score) else score for score in pair)
    assert 0 < found.apply([low]) <= found.apply([high]) < 1
    assert found.apply([math.nan]) == found.apply([0.0])


CALIBRATIONS = [fit(*answers(25 * 3**number, seed=number)).calibration for number in range(5)]
CALIBRATIONS.append(Calibration("isotonic", 0.0, (1.0,), (-1.0, 0.0, 2.0), (0.2, 0.2, 0.7)))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=20, max_size=40))
def test_any_reviewed_answers_give_a_sound_calibration(rows: list[tuple[float, float, bool]]) -> None:
    """However odd the answers are, what comes out can be written, read again, and says the same."""
    signals, right = [list(row[:2]) for row in rows], [row[2] for row in rows]
    if len(set(right)) == 1:
        with pytest.raises(InvalidInput, match="do not calibrate"):
            fit(signals, right)
        return
    found = fit(signals, right).calibration
    again = Calibration.from_json(json.loads(json.dumps(found.as_json())))
    assert again == found
    assert all(0 < again.apply(its) < 1 for its in signals)


@pytest.mark.parametrize(
    "damage",
    [
        {"weights": [-1.0]},
        {"weights": ["many"]},
        {"method": "magic"},
        {"levels": [0.9, 0.1]},
        {"knots": [1.0, 0.0]},
        {"intercept": math.nan},
        {"knots": []},
    ],
)
def test_a_damaged_file_is_refused(damage: dict) -> None:
    """A calibration that would not rise, or is none, is told rather than applied."""
    sound = Calibration("isotonic", 0.0, (1.0,), (0.0, 1.0), (0.2, 0.7)).as_json()
    with pytest.raises(InvalidInput, match="calibration"):
        Calibration.from_json(sound | damage)


def test_too_few_answers_are_refused() -> None:
    """Nineteen answers, or signals that do not fit, calibrate nothing."""
    with pytest.raises(InvalidInput, match="19 reviewed answers"):
        fit(*answers(19))
    with pytest.raises(ValueError, match="same signals"):
        fit([[0.5]] * 20 + [[0.5, 0.5]], [True] * 21)
    with pytest.raises(ValueError, match="do not fit"):
        CALIBRATIONS[0].apply([0.5, 0.5])


def test_bins_hold_about_as_many_answers_each() -> None:
    """A hundred distinct predictions make ten bins of ten; equal ones stay in one."""
    predicted = [number / 100 for number in range(100)]
    right = [number % 2 == 0 for number in range(100)]
    found = reliability(predicted, right)
    assert [(one.cases, one.right) for one in found] == [(10, 0.5)] * 10
    assert [one.predicted for one in found][:2] == pytest.approx([0.045, 0.145])
    assert all(one.right in one.interval for one in found)
    tied = reliability([0.9] * 95 + [0.95] * 5, right)
    assert [one.cases for one in tied] == [95, 5]
    assert expected_calibration_error([0.75] * 4, [True, True, True, False]) == 0.0


@pytest.mark.parametrize("cases", [200, 2000, 50_000])
def test_true_probabilities_have_the_calibration_error_of_chance(cases: int) -> None:
    """Predictions that are the truth come within about a third of √(bins / cases)."""
    source = np.random.default_rng(cases)
    errors = []
    for _ in range(10):
        chance = source.random(cases)
        errors.append(expected_calibration_error(chance.tolist(), (source.random(cases) < chance).tolist()))
    assert np.mean(errors) == pytest.approx((10 / cases) ** 0.5 / 3, rel=0.25)


def test_applying_is_cheap() -> None:
    """Every answer of a model goes through it: under 50 microseconds of CPU."""
    began = time.process_time()
    for _ in range(2000):
        CALIBRATIONS[-1].apply((0.7,))
    assert (time.process_time() - began) / 2000 < 50e-6


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(1, 4)), min_size=1, max_size=30))
def test_a_weight_is_so_many_equal_answers(rows):
    """The step curve, reliability, Brier score and log loss are those of each answer written that often."""
    often = [(place, was) for place, was, count in rows for _ in range(count)]
    places, right, weights = (list(column) for column in zip(*rows, strict=True))
    all_places, all_right = (list(column) for column in zip(*often, strict=True))
    steps = pool_adjacent_violators(places, right, weights)
    wanted = pool_adjacent_violators(all_places, all_right)
    assert [pytest.approx(step) for step in steps] == wanted
    scores, all_scores = ([0.05 + place / 10 for place in its] for its in (places, all_places))
    assert brier(scores, right, weights) == pytest.approx(brier(all_scores, all_right))
    assert log_loss(scores, right, weights) == pytest.approx(log_loss(all_scores, all_right))
    one, other = (
        reliability(scores, right, weights=weights, bins=1)[0],
        reliability(all_scores, all_right, bins=1)[0],
    )
    assert (one.predicted, one.right) == (pytest.approx(other.predicted), pytest.approx(other.right))
    assert one.worth == other.cases


def test_weights_undo_what_the_draw_left_out():
    """Of sure answers a tenth was looked at: with weights, the fit is that of all of them."""
    rng = random.Random(3)
    rows = []
    for _ in range(4000):
        sure = rng.random() < 0.5
        right = rng.random() < (0.9 if sure else 0.4)
        if not sure or rng.random() < 0.1:
            rows.append(((0.7,), right, 10.0 if sure else 1.0))
    signals, right, weights = zip(*rows, strict=True)
    assert fit(signals, right).calibration.apply((0.7,)) < 0.5
    assert fit(signals, right, weights=weights).calibration.apply((0.7,)) == pytest.approx(0.65, abs=0.04)
    with pytest.raises(ValueError, match="weights"):
        fit(signals, right, weights=[0.0] * len(right))
