"""Whether counts came about by given shares: the chi-square test of fit (Pearson, Phil. Mag. 50, 1900)."""

import math
from collections.abc import Sequence

_ENOUGH = 1e-14
_MOST_TERMS = 10_000


def fit_p_value(counts: Sequence[float], shares: Sequence[float]) -> float:
    """How likely counts at least this far from their shares are by chance, 0 to 1.

    `shares` are the expected counts, up to a factor. Where one is 0 and its count is not: 0.
    """
    total, parts = sum(counts), sum(shares)
    pairs = [(count, total * share / parts) for count, share in zip(counts, shares, strict=True)]
    if any(expected == 0 and count for count, expected in pairs):
        return 0.0
    used = [(count, expected) for count, expected in pairs if expected]
    if not total or len(used) < 2:  # noqa: PLR2004 - one share is everything
        return 1.0
    statistic = sum((count - expected) ** 2 / expected for count, expected in used)
    return chi_square_above(statistic, len(used) - 1)


def chi_square_above(statistic: float, degrees: int) -> float:
    """The probability that a chi-square variable is larger: Q(degrees / 2, statistic / 2)."""
    a, x = degrees / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return max(0.0, 1.0 - scale * _series(a, x))
    return min(1.0, scale * _fraction(a, x))


def _series(a: float, x: float) -> float:
    """P(a, x) / scale = Σ x^n / (a (a+1) … (a+n)) (DLMF 8.7.1)."""
    term = total = 1 / a
    for number in range(1, _MOST_TERMS):
        term *= x / (a + number)
        total += term
        if term < total * _ENOUGH:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """Q(a, x) / scale by its continued fraction (DLMF 8.9.2), evaluated as Lentz does."""
    b = x + 1 - a
    c, d = math.inf, 1 / b
    value = d
    for number in range(1, _MOST_TERMS):
        factor = -number * (number - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        value *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return value
