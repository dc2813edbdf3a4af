"""Two versions on the same cases, each right or wrong: is one better, how much, how many cases it takes.

Only the cases in which they differ tell anything: `better` counts those that turned right, `worse` those that
turned wrong. Where 8% are lost and 3% won, 200 cases find the loss in 57%, 500 in 93%, 1,000 in 99.8%.
"""

import math
from typing import Literal

from roadworthy.evals.statistics.distributions import (
    Interval,
    binomial_cdf,
    binomial_pmf,
    bisect,
    normal_quantile,
    z_score,
)

Alternative = Literal["different", "worse", "better"]
"""What is to be shown: a change in either direction, or in one that was fixed beforehand."""


def mcnemar(better: int, worse: int, *, alternative: Alternative = "different") -> float:
    """Mid-p McNemar's test: how probable so uneven counts are, were neither version better.

    The binomial tail, of the observed count half (Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13,
    2013: close to the nominal error rate at any size, where the exact test finds too little). 1 when no case
    differs.
    """
    if better < 0 or worse < 0:
        raise ValueError(f"counts are not negative: better {better}, worse {worse}")
    if not better + worse:
        return 1.0
    if alternative == "worse":
        return _mid_tail(better, better + worse)
    if alternative == "better":
        return _mid_tail(worse, better + worse)
    return min(1.0, 2 * _mid_tail(min(better, worse), better + worse))


def _mid_tail(count: int, total: int) -> float:
    return binomial_cdf(count, total, 0.5) - binomial_pmf(count, total, 0.5) / 2


def tango(better: int, worse: int, total: int, *, confidence: float = 0.95) -> Interval:
    """Tango's score interval for the change of the share of right cases, new minus old, from -1 to 1.

    Where z(Δ) = (better - worse - nΔ) / √(n(2q + Δ(1-Δ))) is -z or z, with q the likeliest share that turned
    wrong, were the change Δ (Tango, Stat. Med. 17, 1998). "No worse than by m": its lower end is over -m,
    at a one-sided confidence of (1 + confidence) / 2.
    """
    if better < 0 or worse < 0 or better + worse > total:
        raise ValueError(f"{better} better and {worse} worse do not fit {total} cases")
    if not total:
        return Interval(-1.0, 1.0)
    z, observed = z_score(confidence), (better - worse) / total
    return Interval(
        bisect(lambda change: _score(better, worse, total, change) > z, -1.0, observed),
        bisect(lambda change: _score(better, worse, total, change) > -z, observed, 1.0),
    )


def _score(better: int, worse: int, total: int, change: float) -> float:
    """How many standard errors the observed change is over `change`."""
    linear = (2 * total - better + worse) * change - better - worse
    root = math.sqrt(max(0.0, linear * linear + 8 * total * worse * change * (1 - change)))
    turned_wrong = (root - linear) / (4 * total)
    variance = total * (2 * turned_wrong + change * (1 - change))
    excess = better - worse - total * change
    if variance <= 0:  # only at the ends, and where the observed change lies on one
        return math.copysign(math.inf, excess) if excess else 0.0
    return excess / math.sqrt(variance)


def cases_needed(
    share_that_differs: float, difference: float, *, power: float = 0.8, confidence: float = 0.95
) -> int | None:
    """How many cases find a difference of `difference` with probability `power`.

    n ≥ ((z·√p + z_power·√(p - δ²)) / δ)², p the share that differs (Connor, Biometrics 43, 1987): 312 for 5
    points where 10% differ. At least |δ| differ. None for a difference of nothing, which no number finds.
    """
    if not difference:
        return None
    differs = max(share_that_differs, abs(difference))
    spread = z_score(confidence) * math.sqrt(differs) + normal_quantile(power) * math.sqrt(
        max(0.0, differs - difference * difference)
    )
    return math.ceil((spread / difference) ** 2)
