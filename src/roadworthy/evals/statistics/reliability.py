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


def reliability(
    predicted: Sequence[float], right: Sequence[bool], *, bins: int = 10, confidence: float = 0.95
) -> list[Bin]:
    """Bins of about as many answers each, lowest first; fewer where many predictions are equal."""
    return [
        Bin(
            low=its[0][0],
            high=its[-1][0],
            predicted=fmean(value for value, _ in its),
            right=fmean(was for _, was in its),
            interval=wilson(sum(was for _, was in its), len(its), confidence=confidence),
            cases=len(its),
        )
        for its in _equal_mass(predicted, right, bins)
    ]


def _equal_mass(
    predicted: Sequence[float], right: Sequence[bool], bins: int
) -> Iterator[list[tuple[float, bool]]]:
    check_outcomes(predicted, right)
    rows = sorted(zip(predicted, map(bool, right), strict=True), key=lambda row: row[0])
    start = 0
    for number in range(1, bins + 1):
        end = max(start, round(number * len(rows) / bins))
        while 0 < end < len(rows) and rows[end][0] == rows[end - 1][0]:
            end += 1
        if end > start:
            yield rows[start:end]
        start = end


def expected_calibration_error(predicted: Sequence[float], right: Sequence[bool], *, bins: int = 10) -> float:
    """The mean over answers of |share right - mean prediction| of their bin, bins of about equal size.

    Naeini, Cooper and Hauskrecht (AAAI 2015), but bins by mass, not by width, so that none is nearly empty
    (Nixon et al., CVPR workshops 2019). Chance alone gives about √(bins / cases) / 3.
    """
    found = reliability(predicted, right, bins=bins)
    return math.fsum(one.cases * abs(one.right - one.predicted) for one in found) / len(predicted)


def brier(predicted: Sequence[float], right: Sequence[bool]) -> float:
    """The mean squared distance of the prediction from 1 or 0 (Brier, 1950); 0.25 for always a half."""
    check_outcomes(predicted, right)
    return fmean((value - was) ** 2 for value, was in zip(predicted, right, strict=True))


def log_loss(predicted: Sequence[float], right: Sequence[bool]) -> float:
    """The mean of -log of the probability given to what happened; predictions lie between 0 and 1."""
    check_outcomes(predicted, right)
    return -fmean(
        math.log(value) if was else math.log1p(-value) for value, was in zip(predicted, right, strict=True)
    )


def check_outcomes(predicted: Sequence[object], right: Sequence[bool]) -> None:
    """Every prediction has its outcome, and there is one."""
    if len(predicted) != len(right) or not right:
        raise ValueError(f"{len(predicted)} predictions and {len(right)} outcomes are no pairs")
