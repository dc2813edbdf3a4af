"""From which score on an answer may pass by itself: bands that are set by the error rate they give.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei, Ann. Appl. Stat. 2025, arXiv 2110.01052), with
fixed-sequence testing: from the surest answers down, in steps that only the scores decide, the share of wrong
ones at or over each threshold is tested with the exact binomial test, until one fails. The last that passed
is the threshold; it is too low with a probability of at most `alpha`, whatever the scores mean.
The steps begin where no wrong answer is proof, each a tenth longer: of the starts, steps and corrections for
many tests that were simulated, none let through much more, and most let through less.

The outcomes must not have shaped the scores: fit a calibration on other answers than those of the band.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from roadworthy.evals.statistics.distributions import binomial_cdf, z_score
from roadworthy.evals.statistics.reliability import check_outcomes

_STEP = 1.1


@dataclass(frozen=True, slots=True)
class Band:
    """Where answers may be decided without a person."""

    threshold: float | None
    """The last score that belongs to it; None where nothing is proven."""
    cases: int
    """How many of the answers given lie in it."""
    wrong: int
    """How many of those were decided wrongly."""
    share: float
    """Which share of all answers it decides."""
    error_rate: float
    """What it keeps to."""
    more_cases: int | None = None
    """Without a threshold: about how many more answers would give one; None when no number would."""


def accept_band(
    scores: Sequence[float], right: Sequence[bool], *, error_rate: float, alpha: float = 0.05
) -> Band:
    """The lowest score such that, of answers at or over it, at most `error_rate` are wrong."""
    return _band(scores, [not was for was in right], error_rate, alpha)


def reject_band(
    scores: Sequence[float], right: Sequence[bool], *, error_rate: float, alpha: float = 0.05
) -> Band:
    """The highest score such that, of answers at or under it, at most `error_rate` are right after all."""
    found = _band([-score for score in scores], right, error_rate, alpha)
    if found.threshold is None:
        return found
    return Band(-found.threshold, found.cases, found.wrong, found.share, error_rate)


def _band(scores: Sequence[float], wrong: Sequence[bool], error_rate: float, alpha: float) -> Band:
    check_outcomes(scores, wrong)
    if not (0 < error_rate < 1 and 0 < alpha < 1):
        raise ValueError(f"an error rate and alpha lie between 0 and 1, not {error_rate!r} and {alpha!r}")
    surest_first = sorted(zip(scores, wrong, strict=True), key=lambda row: -row[0])
    wrong_until = [0]
    for _, was in surest_first:
        wrong_until.append(wrong_until[-1] + bool(was))
    fewest = math.ceil(math.log(alpha) / math.log1p(-error_rate))
    passed = 0
    for count in _steps([score for score, _ in surest_first], fewest):
        if binomial_cdf(wrong_until[count], count, error_rate) > alpha:
            break
        passed = count
    if not passed:
        more = _more_cases(wrong_until, fewest, error_rate, alpha)
        return Band(None, 0, 0, 0.0, error_rate, more)
    share = passed / len(scores)
    return Band(surest_first[passed - 1][0], passed, wrong_until[passed], share, error_rate)


def _steps(scores: Sequence[float], fewest: int) -> list[int]:
    """How many of the surest answers to look at, each time a tenth more; equal scores stay together."""
    counts: list[int] = []
    count = fewest
    while count <= len(scores):
        while count < len(scores) and scores[count] == scores[count - 1]:
            count += 1
        counts.append(count)
        count = max(count + 1, min(math.ceil(count * _STEP), len(scores)))
    return counts


def _more_cases(wrong_until: Sequence[int], fewest: int, error_rate: float, alpha: float) -> int | None:
    """If the surest so many stay as right as they are: until they are enough to prove it."""
    total, square = len(wrong_until) - 1, z_score(1 - alpha, sides=1) ** 2
    needed = [
        total / count * max(fewest, square * error_rate * (1 - error_rate) / (error_rate - observed) ** 2)
        for count in range(max(1, min(fewest, total) // 2), total + 1)  # fewer are right by luck
        if (observed := wrong_until[count] / count) < error_rate
    ]
    return max(1, math.ceil(min(needed)) - total) if needed else None
