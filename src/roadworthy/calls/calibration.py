"""From raw scores to the probability that an answer is right: a few numbers, applied without numpy.

What they are is learnt from reviewed answers, in `evals/statistics/calibration.py`.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from roadworthy.errors import InvalidInput
from roadworthy.records import Json

Signals: TypeAlias = Sequence[float]
"""One answer's scores, each from 0 to 1, always in the same order."""
Method = Literal["logistic", "isotonic"]

_EDGE = 1e-6
"""Scores nearer to 0 or 1 say no more than this."""


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
            total += weight * log_odds(score)
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


def log_odds(score: float) -> float:
    """ln(p / (1 - p)), within the edges."""
    score = min(1 - _EDGE, max(_EDGE, score))  # in this order NaN becomes the lower end
    return math.log(score / (1 - score))


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
