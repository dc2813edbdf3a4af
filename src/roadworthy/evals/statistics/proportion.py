"""A share of cases: its interval, its one-sided bounds, and how many more cases would decide.

Wilson's score interval (J. Am. Stat. Assoc. 22, 1927) is used for verdicts: its mean coverage is close to the
nominal one at any size. Clopper and Pearson's (Biometrika 26, 1934) is for guarantees: never below it.
Counts may be fractions: a case that passed 2 of 3 repeats counts 2/3. The variance of such means is below
that of yes and no, so Wilson's interval over cases (not over repeats) is then on the safe side.
"""

import math

from roadworthy.evals.statistics.distributions import Interval, binomial_cdf, bisect, z_score


def wilson(successes: float, total: float, *, confidence: float = 0.95) -> Interval:
    """Two-sided: (p + z²/2n ± z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n); from 0 to 1 without cases."""
    return _wilson(successes, total, z_score(confidence))


def wilson_lower(successes: float, total: float, *, confidence: float = 0.95) -> float:
    """One-sided: the share is at least this much; 0 where there is nothing."""
    return _wilson(successes, total, z_score(confidence, sides=1)).low


def wilson_upper(successes: float, total: float, *, confidence: float = 0.95) -> float:
    """One-sided: the share is at most this much; 1 where there is nothing."""
    return _wilson(successes, total, z_score(confidence, sides=1)).high


def _wilson(successes: float, total: float, z: float) -> Interval:
    _check(successes, total)
    if not total:
        return Interval(0.0, 1.0)
    share, square = successes / total, z * z / total
    middle = (share + square / 2) / (1 + square)
    half = z * math.sqrt(share * (1 - share) / total + square / total / 4) / (1 + square)
    # at the ends the formula gives exactly 0 or 1, arithmetic nearly
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == total else min(1.0, middle + half)
    return Interval(low, high)


def cases_until(successes: float, total: float, threshold: float, *, confidence: float = 0.95) -> int | None:
    """How many more cases decide whether the share is over `threshold`, if the share stays as it is.

    0 when it is decided already, either way. None when no number would: the share is the threshold, or the
    threshold is 0 or 1. The one-sided bound passes the threshold t where n ≥ z²·t(1-t)/(p-t)². Before the
    first case all are supposed to pass.
    """
    _check(successes, total)
    share = successes / total if total else 1.0
    if not 0 < threshold < 1 or share == threshold:
        return None
    z = z_score(confidence, sides=1)
    return max(0, math.ceil(z * z * threshold * (1 - threshold) / (share - threshold) ** 2 - total))


def exact(successes: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Two-sided Clopper-Pearson interval."""
    one_sided = 1 - (1 - confidence) / 2
    return Interval(
        exact_lower(successes, total, confidence=one_sided),
        exact_upper(successes, total, confidence=one_sided),
    )


def exact_upper(successes: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided: the largest share that would give so few with a probability of at least 1 - confidence."""
    _check(successes, total)
    if successes == total:
        return 1.0
    return bisect(
        lambda share: binomial_cdf(successes, total, share) > 1 - confidence, successes / total, 1.0
    )


def exact_lower(successes: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided: the smallest share that would give so many with a probability of at least 1 - confidence."""
    return 1 - exact_upper(total - successes, total, confidence=confidence) if total else 0.0


def _check(successes: float, total: float) -> None:
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is no share")
