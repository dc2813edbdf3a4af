"""Which share of automatic decisions people look at afterwards, and when good times are over: mathematics.

The share rests on an upper bound U on the error rate of automatic decisions, from those that were drawn and
reviewed. It holds at every moment at once, so it may be looked at after every review (`bound`). Reviewing
the share max(floor, 1 - eps/U) leaves at most eps of all decisions both wrong and unseen, as long as U holds.
A detector watches for a rate that has risen above what is relied on; its alarm begins the bound anew.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

_PRIOR_ERRORS: Final = 0.5
_PRIOR_OTHERS: Final = 20.0
"""The mixture Beta(a, b): most weight on rates of a few percent, where it has to be tight."""

ALARM_AT: Final = 1_000.0
"""While the rate is within what is relied on, a false alarm comes after 1,000 reviews or more on average."""

_BETS: Final = (0.05, 0.1, 0.3)
"""Rises that the detector looks for, as shares of the way from the rate relied on to 1."""


def log_evidence(errors: int, reviewed: int, rate: float) -> float:
    """How strongly `errors` of `reviewed` speak against this error rate: the log of an e-process.

    The beta-binomial mixture martingale of Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric,
    nonasymptotic confidence sequences" (Annals of Statistics 2021), section 3.
    """
    return _mixture(errors, reviewed) - errors * math.log(rate) - (reviewed - errors) * math.log1p(-rate)


@lru_cache(maxsize=4096)
def bound(errors: int, reviewed: int, alpha: float) -> float:
    """The largest error rate that the reviews do not speak against; 1 without any.

    By Ville's inequality the true rate passes it at any time with a probability of at most `alpha`.
    """
    right = reviewed - errors
    if not right:
        return 1.0
    needed = -math.log(alpha) - _mixture(errors, reviewed)
    rate = -math.expm1(-needed / right)  # what it would be if the errors weighed nothing: no less than it is
    while rate < 1:
        # The evidence is convex and grows: from above, Newton's steps come down to the rate, never past it.
        excess = -errors * math.log(rate) - right * math.log1p(-rate) - needed
        closer = rate - excess / (right / (1 - rate) - errors / rate)
        if closer >= rate:
            break
        rate = closer
    return rate


@dataclass(frozen=True, slots=True)
class Aim:
    """What the sampling is to hold: `[workflows.<name>] review_sample`."""

    start: float = 0.2
    floor: float = 0.01
    max_missed_error_rate: float = 0.02
    alpha: float = 0.05

    def share(self, upper: float) -> float:
        """The share to review when the error rate is at most `upper`; never less than the floor.

        Until the bound comes down to the aim for the first time, the share is at least `start`.
        """
        missed = self.max_missed_error_rate
        least = self.floor if upper <= missed else max(self.floor, self.start)
        return max(least, min(1.0, 1.0 - missed / upper))


@dataclass(frozen=True, slots=True)
class Watch:
    """What the reviews of one workflow and prompt version have shown since the last alarm."""

    reviewed: int = 0
    errors: int = 0
    upper: float = 1.0
    """The least that the bound has been: it may only fall, since it holds at all times at once."""
    scores: tuple[float, ...] = (0.0,) * len(_BETS)
    """The detector's state."""

    def saw(self, wrong: bool, aim: Aim) -> "tuple[Watch, bool]":
        """One more review: the watch after it, and whether it raised the alarm, which begins everything anew.

        The detector is the Shiryaev-Roberts e-detector of Shin, Ramdas & Rinaldo, "E-detectors: a
        nonparametric framework for sequential change detection" (NEJSDS 2023). Its null hypothesis is the
        rate that is relied on before the review: the aim where the bound has met it; else half as much again
        as the bound, so that a rate which is high but steady is not reported over and over.
        """
        missed = aim.max_missed_error_rate
        relied_on = missed if self.upper <= missed else min(1.0, 1.5 * self.upper)
        scores = _advanced(self.scores, wrong, relied_on)
        if sum(scores) / len(scores) >= ALARM_AT:
            return Watch(), True
        reviewed, errors = self.reviewed + 1, self.errors + wrong
        upper = min(self.upper, bound(errors, reviewed, aim.alpha))
        return replace(self, reviewed=reviewed, errors=errors, upper=upper, scores=scores), False


def clean_reviews_until(share: float, watch: Watch, aim: Aim, *, most: int = 100_000) -> int | None:
    """How many more reviews without an error bring the share down to `share`; None when none would."""
    if aim.share(watch.upper) <= share:
        return 0
    if share < aim.floor:
        return None

    def reached(more: int) -> bool:
        upper = min(watch.upper, bound(watch.errors, watch.reviewed + more, aim.alpha))
        return aim.share(upper) <= share

    few, many = 0, 1
    while not reached(many):
        few, many = many, many * 2
        if few > most:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if reached(middle) else (middle, many)
    return many


def _advanced(scores: Sequence[float], wrong: bool, rate: float) -> tuple[float, ...]:
    """Each bet's evidence for a rise since any moment, after one more review.

    A bet of b takes the rate to be `rate + b (1 - rate)` now: a likelihood ratio, 1 on average at `rate`,
    and less below it.
    """
    factors = [(1 + bet * (1 - rate) / rate) if wrong else 1 - bet for bet in _BETS]
    return tuple((score + 1) * factor for score, factor in zip(scores, factors, strict=True))


def _mixture(errors: int, reviewed: int) -> float:
    """The log of the probability of these reviews where the rate is drawn from the prior."""
    prior = _log_beta(_PRIOR_ERRORS, _PRIOR_OTHERS)
    return _log_beta(_PRIOR_ERRORS + errors, _PRIOR_OTHERS + reviewed - errors) - prior


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
