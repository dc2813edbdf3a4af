"""Whether probabilities mean what they say: bins for a reliability diagram, calibration error, Brier."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from roadworthy.evals.statistics.distributions import Interval
from roadworthy.evals.statistics.proportion import wilson


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of similar predicted probability."""

    low: float
    """The smallest prediction in it."""
    high: float
    predicted: float
    """Their mean: where the bin stands on the diagram's axis."""
    right: float
    """The share that was right; on the diagonal where it equals `predicted`."""
    interval: Interval
    """Wilson's, of that share."""
    cases: int
    worth: float
    """The sum of their weights; without weights, as many as there are."""


def reliability(
    predicted: Sequence[float],
    right: Sequence[bool],
    *,
    weights: Sequence[float] | None = None,
    bins: int = 10,
    confidence: float = 0.95,
) -> list[Bin]:
    """Bins of about as many answers each, lowest first; fewer where many predictions are equal.

    `weights` say how many answers each stands for; intervals are those of Kish's effective number.
    """
    found: list[Bin] = []
    for its in _equal_mass(predicted, right, weights, bins):
        worth = math.fsum(weight for *_, weight in its)
        share = math.fsum(was * weight for _, was, weight in its) / worth
        effective = worth**2 / math.fsum(weight**2 for *_, weight in its)
        found.append(
            Bin(
                low=its[0][0],
                high=its[-1][0],
                predicted=math.fsum(value * weight for value, _, weight in its) / worth,
                right=share,
                interval=wilson(share * effective, effective, confidence=confidence),
                cases=len(its),
                worth=worth,
            )
        )
    return found


def _equal_mass(
    predicted: Sequence[float], right: Sequence[bool], weights: Sequence[float] | None, bins: int
) -> Iterator[list[tuple[float, bool, float]]]:
    check_outcomes(predicted, right)
    rows = sorted(
        zip(predicted, map(bool, right), weights or [1.0] * len(right), strict=True), key=lambda row: row[0]
    )
    start = 0
    for number in range(1, bins + 1):
        end = max(start, round(number * len(rows) / bins))
        while 0 < end < len(rows) and rows[end][0] == rows[end - 1][0]:
            end += 1
        if end > start:
            yield rows[start:end]
        start = end


def expected_calibration_error(
    predicted: Sequence[float],
    right: Sequence[bool],
    *,
    weights: Sequence[float] | None = None,
    bins: int = 10,
) -> float:
    """The mean over answers of |share right - mean prediction| of their bin, bins of about equal size.

    Naeini, Cooper and Hauskrecht (AAAI 2015), but bins by mass, not by width, so that none is nearly empty
    (Nixon et al., CVPR workshops 2019). Chance alone gives about √(bins / cases) / 3.
    """
    found = reliability(predicted, right, weights=weights, bins=bins)
    return math.fsum(one.worth * abs(one.right - one.predicted) for one in found) / math.fsum(
        one.worth for one in found
    )


def brier(predicted: Sequence[float], right: Sequence[bool], weights: Sequence[float] | None = None) -> float:
    """The mean squared distance of the prediction from 1 or 0 (Brier, 1950); 0.25 for always a half."""
    check_outcomes(predicted, right)
    return fmean([(value - was) ** 2 for value, was in zip(predicted, right, strict=True)], weights)


def log_loss(
    predicted: Sequence[float], right: Sequence[bool], weights: Sequence[float] | None = None
) -> float:
    """The mean of -log of the probability given to what happened; predictions lie between 0 and 1."""
    check_outcomes(predicted, right)
    logs = [
        math.log(value) if was else math.log1p(-value) for value, was in zip(predicted, right, strict=True)
    ]
    return -fmean(logs, weights)


def check_outcomes(predicted: Sequence[object], right: Sequence[bool]) -> None:
    """Every prediction has its outcome, and there is one."""
    if len(predicted) != len(right) or not right:
        raise ValueError(f"{len(predicted)} predictions and {len(right)} outcomes are no pairs")
