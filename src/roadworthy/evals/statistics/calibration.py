"""From raw scores to the probability that an answer is right, learnt from reviewed answers.

`fit` tries two ways and keeps the one that predicts better what it has not seen (5-fold log loss):
- logistic (Platt, 1999): signals as log odds, weighed and added, none with a negative weight, so that a surer
  signal never makes an answer look worse; the better way for few answers;
- isotonic (Zadrozny and Elkan, KDD 2002): any rising curve through that sum, by pooling adjacent violators.
What comes out is a few numbers: `Calibration.apply` needs neither numpy nor the answers.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TypeAlias, cast

from roadworthy.errors import InvalidInput
from roadworthy.evals.statistics.reliability import check_outcomes, log_loss
from roadworthy.records import Json

Signals: TypeAlias = Sequence[float]
"""One answer's scores, each from 0 to 1, always in the same order."""
Method = Literal["logistic", "isotonic"]

_EDGE = 1e-6
"""Scores nearer to 0 or 1 say no more than this."""
_RIDGE = 1.0
_FOLDS = 5
_FEWEST = 20
_NEWTON_STEPS = 50
_CONVERGED = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising map from one answer's signals to the probability that it is right."""

    method: Method
    intercept: float
    weights: tuple[float, ...]
    """One for each signal's log odds, none negative."""
    knots: tuple[float, ...] = ()
    """Isotonic: log odds between which the curve is drawn straight; empty for logistic."""
    levels: tuple[float, ...] = ()
    """Isotonic: the probability at each knot."""

    def apply(self, scores: Signals) -> float:
        """The probability, never exactly 0 or 1. A score outside of 0 to 1 counts as its end, NaN as 0."""
        if len(scores) != len(self.weights):
            raise ValueError(f"{len(scores)} scores do not fit a calibration of {len(self.weights)} signals")
        total = self.intercept
        for weight, score in zip(self.weights, scores, strict=True):
            total += weight * _log_odds(score)
        return self._level(total) if self.knots else _probability(total)

    def _level(self, total: float) -> float:
        place = bisect_right(self.knots, total)
        if place in (0, len(self.knots)):
            return self.levels[max(0, place - 1)]
        left, right = self.knots[place - 1], self.knots[place]
        low, high = self.levels[place - 1], self.levels[place]
        return min(high, low + (high - low) * (total - left) / (right - left))

    def as_json(self) -> dict[str, Json]:
        """What `from_json` reads."""
        return {
            "method": self.method,
            "intercept": self.intercept,
            "weights": list(self.weights),
            "knots": list(self.knots),
            "levels": list(self.levels),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Calibration":
        """Raises `InvalidInput` for what `as_json` did not write."""
        try:
            method = cast("Method", told["method"])
            weights, knots, levels = (
                tuple(map(float, told[name])) for name in ("weights", "knots", "levels")
            )
            found = cls(method, float(told["intercept"]), weights, knots, levels)
        except (KeyError, TypeError, ValueError) as fault:
            raise InvalidInput("This is no calibration.", hint="Fit it again.") from fault
        if not found._is_sound():
            raise InvalidInput("This calibration is damaged: it does not rise.", hint="Fit it again.")
        return found

    def _is_sound(self) -> bool:
        numbers = (self.intercept, *self.weights, *self.knots, *self.levels)
        return (
            self.method in {"logistic", "isotonic"}
            and bool(self.knots) == (self.method == "isotonic")
            and bool(self.weights)
            and len(self.knots) == len(self.levels)
            and all(map(math.isfinite, numbers))
            and all(weight >= 0 for weight in self.weights)
            and all(0 < level < 1 for level in self.levels)
            and all(one <= two for one, two in zip(self.knots, self.knots[1:], strict=False))
            and all(one <= two for one, two in zip(self.levels, self.levels[1:], strict=False))
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """A calibration, and how it did on answers that it had not seen."""

    calibration: Calibration
    held_out: tuple[float, ...]
    """The probability of each answer by a fit without it: for an honest diagram and calibration error."""
    log_losses: dict[Method, float]
    """Of both ways, held out; the smaller one was kept."""


def fit(signals: Sequence[Signals], right: Sequence[bool], *, seed: int = 0) -> Fitted:
    """Learn from answers of which it is known whether they were right.

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
    held_out: dict[Method, list[float]] = {
        "logistic": [0.0] * len(outcomes),
        "isotonic": [0.0] * len(outcomes),
    }
    for fold in _folds(outcomes, seed):
        kept = [number for number in range(len(outcomes)) if number not in fold]
        known = [signals[number] for number in kept], [outcomes[number] for number in kept]
        for one in _both(*known):
            for number in fold:
                held_out[one.method][number] = one.apply(signals[number])
    losses: dict[Method, float] = {method: log_loss(its, outcomes) for method, its in held_out.items()}
    logistic, isotonic = _both(signals, outcomes)
    best = isotonic if losses["isotonic"] < losses["logistic"] else logistic
    return Fitted(best, tuple(held_out[best.method]), losses)


def _folds(outcomes: Sequence[bool], seed: int) -> Iterator[set[int]]:
    """Five parts, each with its share of right and of wrong answers."""
    import numpy as np

    source = np.random.default_rng(seed)
    mixed: list[int] = source.permutation(len(outcomes)).tolist()
    mixed.sort(key=lambda number: outcomes[number])
    return (set(mixed[fold::_FOLDS]) for fold in range(_FOLDS))


def _both(signals: Sequence[Signals], right: Sequence[bool]) -> tuple[Calibration, Calibration]:
    """The logistic fit, and the isotonic one through its log odds."""
    intercept, weights = _logistic(signals, right)
    logistic = Calibration("logistic", intercept, weights)
    totals = [
        intercept + sum(weight * _log_odds(score) for weight, score in zip(weights, its, strict=True))
        for its in signals
    ]
    blocks = pool_adjacent_violators(totals, [float(was) for was in right])
    edge = 1 / (len(right) + 2)  # Laplace: so many right ones in a row do not make the next one certain
    levels = tuple(min(1 - edge, max(edge, level)) for _, level in blocks)
    return logistic, Calibration("isotonic", intercept, weights, tuple(x for x, _ in blocks), levels)


def pool_adjacent_violators(places: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """The rising step curve nearest to `values`: for each step the mean place and its level, in order.

    Ayer et al. (Ann. Math. Stat. 26, 1955): neighbours out of order are merged until none is.
    """
    blocks: list[tuple[float, float, int]] = []  # of each: the sum of places, the sum of values, how many
    points = sorted(zip(places, values, strict=True))
    for place, its in groupby(points, key=lambda point: point[0]):  # one place has one level
        here = [value for _, value in its]
        block = (place * len(here), sum(here), len(here))
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    return [(places_sum / count, values_sum / count) for places_sum, values_sum, count in blocks]


def _logistic(signals: Sequence[Signals], right: Sequence[bool]) -> tuple[float, tuple[float, ...]]:
    """Newton's method with a ridge on the weights, towards Platt's targets; negative weights are left out."""
    import numpy as np

    every = np.array([[1.0, *map(_log_odds, its)] for its in signals])
    yes = sum(right)
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (len(right) - yes + 2))
    used = list(range(every.shape[1]))
    while True:
        columns = every[:, used]
        ridge = np.diag([0.0] + [_RIDGE] * (len(used) - 1))
        found = np.zeros(len(used))
        for _ in range(_NEWTON_STEPS):
            chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
            slope = columns.T @ (chance - target) + ridge @ found
            curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge
            step = np.linalg.solve(curve + np.eye(len(used)) * _CONVERGED, slope)
            found -= step
            if float(abs(step).max()) < _CONVERGED:
                break
        worst = int(found[1:].argmin()) + 1 if len(used) > 1 else 0
        if not worst or found[worst] >= 0:
            weights = dict(zip(used, found.tolist(), strict=True))
            return weights[0], tuple(weights.get(number, 0.0) for number in range(1, every.shape[1]))
        used.pop(worst)


def _log_odds(score: float) -> float:
    score = min(1 - _EDGE, max(_EDGE, score))  # in this order NaN becomes the lower end
    return math.log(score / (1 - score))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
