"""From raw scores to the probability that an answer is right, learnt from reviewed answers.

`fit` tries two ways and keeps the one that predicts better what it has not seen (5-fold log loss):
- logistic (Platt, 1999): signals as log odds, weighed and added, none with a negative weight, so that a surer
  signal never makes an answer look worse; the better way for few answers;
- isotonic (Zadrozny and Elkan, KDD 2002): any rising curve through that sum, by pooling adjacent violators.
What comes out is a few numbers: `calls.calibration.Calibration`, which calls apply without numpy.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from roadworthy.calls.calibration import Calibration, Method, Signals, log_odds
from roadworthy.errors import InvalidInput
from roadworthy.evals.statistics.reliability import check_outcomes, log_loss

_RIDGE = 1.0
_FOLDS = 5
_FEWEST = 20
_NEWTON_STEPS = 50
_CONVERGED = 1e-9


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibration, and how it did on answers that it had not seen."""

    calibration: Calibration
    held_out: tuple[float, ...]
    """The probability of each answer by a fit without it: for an honest diagram and calibration error."""
    log_losses: dict[Method, float]
    """Of both ways, held out; the smaller one was kept."""


def fit(
    signals: Sequence[Signals],
    right: Sequence[bool],
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
) -> Fitted:
    """Learn from answers of which it is known whether they were right.

    `weights` say how many answers each stands for, where some were less likely to be looked at than others;
    only their proportions count.

    Raises `InvalidInput` for fewer than 20 answers, and where all were right or all wrong.
    """
    check_outcomes(signals, right)
    if len({len(its) for its in signals}) != 1 or not signals[0]:
        raise ValueError("every answer needs the same signals, at least one")
    outcomes = [bool(was) for was in right]
    if len(outcomes) < _FEWEST or len(set(outcomes)) == 1:
        raise InvalidInput(
            f"{len(outcomes)} reviewed answers, {sum(outcomes)} of them right, do not calibrate anything.",
            hint=f"It takes {_FEWEST}, right and wrong ones among them.",
        )
    worth = _scaled(weights, len(outcomes))
    held_out: dict[Method, list[float]] = {
        "logistic": [0.0] * len(outcomes),
        "isotonic": [0.0] * len(outcomes),
    }
    for fold in _folds(outcomes, seed):
        kept = [number for number in range(len(outcomes)) if number not in fold]
        known = [signals[number] for number in kept], [outcomes[number] for number in kept]
        for one in _both(*known, [worth[number] for number in kept]):
            for number in fold:
                held_out[one.method][number] = one.apply(signals[number])
    losses: dict[Method, float] = {method: log_loss(its, outcomes, worth) for method, its in held_out.items()}
    logistic, isotonic = _both(signals, outcomes, worth)
    best = isotonic if losses["isotonic"] < losses["logistic"] else logistic
    return Fitted(best, tuple(held_out[best.method]), losses)


def _folds(outcomes: Sequence[bool], seed: int) -> Iterator[set[int]]:
    """Five parts, each with its share of right and of wrong answers."""
    import numpy as np

    source = np.random.default_rng(seed)
    mixed: list[int] = source.permutation(len(outcomes)).tolist()
    mixed.sort(key=lambda number: outcomes[number])
    return (set(mixed[fold::_FOLDS]) for fold in range(_FOLDS))


def _scaled(weights: Sequence[float] | None, count: int) -> list[float]:
    """Weights with a mean of 1."""
    if weights is None:
        return [1.0] * count
    if len(weights) != count or not all(0 < one < math.inf for one in weights):
        raise ValueError(f"{len(weights)} weights, each more than 0, do not fit {count} answers")
    middle = fmean(weights)
    return [one / middle for one in weights]


def _both(
    signals: Sequence[Signals], right: Sequence[bool], worth: Sequence[float]
) -> tuple[Calibration, Calibration]:
    """The logistic fit, and the isotonic one through its log odds."""
    intercept, weights = _logistic(signals, right, worth)
    logistic = Calibration("logistic", intercept, weights)
    totals = [
        intercept + sum(weight * log_odds(score) for weight, score in zip(weights, its, strict=True))
        for its in signals
    ]
    blocks = pool_adjacent_violators(totals, [float(was) for was in right], worth)
    edge = 1 / (len(right) + 2)  # Laplace: so many right ones in a row do not make the next one certain
    levels = tuple(min(1 - edge, max(edge, level)) for _, level in blocks)
    return logistic, Calibration("isotonic", intercept, weights, tuple(x for x, _ in blocks), levels)


def pool_adjacent_violators(
    places: Sequence[float], values: Sequence[float], worth: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """The rising step curve nearest to `values`: for each step the mean place and its level, in order.

    `worth` is the weight of each; left out, all weigh the same.

    Ayer et al. (Ann. Math. Stat. 26, 1955): neighbours out of order are merged until none is.
    """
    blocks: list[tuple[float, float, float]] = []  # of each: the sums of places, of values, and of weights
    points = sorted(zip(places, values, worth or [1.0] * len(places), strict=True))
    for place, its in groupby(points, key=lambda point: point[0]):  # one place has one level
        here = [(value, weight) for _, value, weight in its]
        weights = sum(weight for _, weight in here)
        block = (place * weights, sum(value * weight for value, weight in here), weights)
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return [(places_sum / count, values_sum / count) for places_sum, values_sum, count in blocks]


def _logistic(
    signals: Sequence[Signals], right: Sequence[bool], worth: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Newton's method with a ridge on the weights, towards Platt's targets; negative weights are left out."""
    import numpy as np

    every = np.array([[1.0, *map(log_odds, its)] for its in signals])
    each = np.array(worth)
    yes = float(each[np.array(right)].sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (float(each.sum()) - yes + 2))
    used = list(range(every.shape[1]))
    while True:
        columns = every[:, used]
        ridge = np.diag([0.0] + [_RIDGE] * (len(used) - 1))
        found = np.zeros(len(used))
        for _ in range(_NEWTON_STEPS):
            chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
            slope = columns.T @ (each * (chance - target)) + ridge @ found
            curve = (columns * (each * chance * (1 - chance))[:, None]).T @ columns + ridge
            step = np.linalg.solve(curve + np.eye(len(used)) * _CONVERGED, slope)
            found -= step
            if float(abs(step).max()) < _CONVERGED:
                break
        worst = int(found[1:].argmin()) + 1 if len(used) > 1 else 0
        if not worst or found[worst] >= 0:
            weights = dict(zip(used, found.tolist(), strict=True))
            return weights[0], tuple(weights.get(number, 0.0) for number in range(1, every.shape[1]))
        used.pop(worst)
