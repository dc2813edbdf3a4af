"""Tails and quantiles of the normal, t and binomial distributions, and what an interval is.

Pure Python, so that a verdict needs no scipy. The incomplete beta function is the continued fraction of
Numerical Recipes (Press et al., 3rd ed., section 6.4), by Lentz's method; the others follow from it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

_NORMAL = NormalDist()
_TINY = 1e-300
_CLOSE = 1e-15
_MOST_TERMS = 100_000
_HALVINGS = 60
_WIDEST_T = 1e6


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where something lies, with the confidence that was asked for."""

    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of what lies between the ends."""
        return (self.high - self.low) / 2

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def z_score(confidence: float, *, sides: int = 2) -> float:
    """How many standard errors a normal estimate is off at most: 1.96 for 0.95 on both sides, 1.64 on one."""
    check_confidence(confidence)
    return _NORMAL.inv_cdf(1 - (1 - confidence) / sides)


def normal_cdf(value: float) -> float:
    """The probability of at most `value` under the standard normal distribution."""
    return _NORMAL.cdf(value)


def normal_quantile(probability: float) -> float:
    """The inverse of `normal_cdf`."""
    return _NORMAL.inv_cdf(probability)


def t_cdf(value: float, degrees: float) -> float:
    """The probability of at most `value` under Student's t."""
    tail = incomplete_beta(degrees / 2, 0.5, degrees / (degrees + value * value)) / 2
    return tail if value < 0 else 1 - tail


def t_score(confidence: float, degrees: float) -> float:
    """As `z_score` on both sides, for a standard error that was estimated."""
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    return bisect(lambda value: t_cdf(-value, degrees) > tail, 0.0, _WIDEST_T)


def binomial_cdf(count: int, total: int, share: float) -> float:
    """The probability of at most `count` of `total`, each with probability `share`."""
    if count >= total:
        return 1.0
    return 0.0 if count < 0 else incomplete_beta(total - count, count + 1, 1 - share)


def binomial_pmf(count: int, total: int, share: float) -> float:
    """The probability of exactly `count` of `total`; `share` lies between 0 and 1 and is neither."""
    ways = math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
    return math.exp(ways + count * math.log(share) + (total - count) * math.log1p(-share))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on this side only
        return 1 - incomplete_beta(b, a, 1 - x)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(scale) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    product = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            product *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return product


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def bisect(is_before: Callable[[float], bool], low: float, high: float) -> float:
    """Where `is_before` turns from true to false between `low` and `high`."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_before(middle) else (low, middle)
    return (low + high) / 2


def variance(values: Sequence[float]) -> float:
    """The unbiased variance of at least two values; `statistics.variance` is exact, and 30 times slower."""
    middle = fmean(values)
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)


def check_confidence(confidence: float) -> None:
    """A mistyped 95 for 0.95 must not pass silently."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence!r}")
