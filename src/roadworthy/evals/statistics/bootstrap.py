"""Scores of cases that were run one or several times: means, differences, and how steady they are.

Repeats of a case are no new evidence of other cases, so everything here counts cases: a case's score is the
mean of its repeats, each case weighs the same, and cases are what is drawn again. Given row by row instead,
an interval comes out far too narrow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias

from roadworthy.evals.statistics.distributions import (
    Interval,
    check_confidence,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_score,
    variance,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

Repeated: TypeAlias = Sequence[Sequence[float]]
"""For each case its scores, one a repeat; cases may have different numbers of repeats, but at least one."""

_CHUNK = 4_000_000
"""Draws held at once: 32 MB."""
_FEW_VALUES = 1 / 8
_NORMAL_FROM_CASES = 10_000
"""From here the mean of a draw is normal for all that can be seen of it, and a second is saved."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over cases."""

    value: float
    interval: Interval | None
    """None for a single case, which says nothing of others."""
    cases: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from one version to another over the same cases, new minus old."""

    value: float
    interval: Interval | None
    """None for a single case."""
    p: float
    """How probable a change as large as this is, in either direction, were there none."""
    cases: int


def mean(scores: Repeated, *, confidence: float = 0.95) -> Mean:
    """The mean of the cases' means, ± t·s/√n over cases, which is robust against clusters of repeats."""
    values = case_means(scores)
    return Mean(fmean(values), _t_interval(values, confidence), len(values))


def _t_interval(values: Sequence[float], confidence: float) -> Interval | None:
    if len(values) < 2:  # noqa: PLR2004 - a spread takes two
        return None
    middle = fmean(values)
    half = t_score(confidence, len(values) - 1) * math.sqrt(variance(values) / len(values))
    return Interval(middle - half, middle + half)


def paired_bootstrap(
    before: Repeated, after: Repeated, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Difference:
    """The difference of the means of the same cases, in the same order, by drawing cases again.

    The interval is the expanded percentile interval (Hesterberg, Am. Stat. 69, 2015): percentiles at
    Φ(±t·√(n/(n-1))) instead of at 2.5% and 97.5%, since the plain one, and BCa, are as narrow at few cases as
    if the spread were known. The p-value is 1 - the confidence at which the interval would end at 0, though
    never below 2 / 2ⁿ, which n cases that all changed the same way would have by chance.
    """
    check_confidence(confidence)
    if len(before) != len(after):
        raise ValueError(f"{len(before)} cases before and {len(after)} after are no pairs")
    changes = [new - old for old, new in zip(case_means(before), case_means(after), strict=True)]
    value, cases = fmean(changes), len(changes)
    if cases < 2:  # noqa: PLR2004 - a spread takes two
        return Difference(value, None, 1.0, cases)
    drawn = _resampled_means(changes, resamples, seed)
    shrink = math.sqrt((cases - 1) / cases)
    tail = normal_cdf(-t_score(confidence, cases - 1) / shrink)
    low, high = (_percentile(drawn, share) for share in (tail, 1 - tail))
    at_most, at_least = int((drawn <= _ROUNDING).sum()), int((drawn >= -_ROUNDING).sum())
    beyond = (min(at_most, at_least) + 1) / (resamples + 1)
    p = 2 * t_cdf(normal_quantile(min(beyond, 0.5)) * shrink, cases - 1)
    return Difference(value, Interval(low, high), min(1.0, max(p, 2.0 ** (1 - cases))), cases)


_ROUNDING = 1e-12
"""Sums of the same numbers in another order differ by less."""


def _percentile(drawn: "NDArray[Any]", share: float) -> float:
    import numpy as np

    return float(np.quantile(drawn, share))


def _resampled_means(values: Sequence[float], resamples: int, seed: int) -> "NDArray[Any]":
    """The means of `resamples` draws of as many values, with replacement."""
    import numpy as np

    source, count = np.random.default_rng(seed), len(values)
    known, times = np.unique(np.asarray(values), return_counts=True)
    rows = max(1, _CHUNK // count)
    chunks = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    if len(known) <= _FEW_VALUES * count:  # how often each value is drawn is multinomial: much less to draw
        draws = (source.multinomial(count, times / count, size) @ known for size in chunks)
    elif count >= _NORMAL_FROM_CASES:
        every = np.asarray(values)
        return source.normal(every.mean(), every.std() / math.sqrt(count), resamples)
    else:
        every = np.asarray(values)
        draws = (every[source.integers(0, count, (size, count))].sum(axis=1) for size in chunks)
    return np.concatenate(list(draws)) / count


def case_means(scores: Repeated) -> list[float]:
    """Each case's mean over its repeats."""
    if not scores or not all(scores):
        raise ValueError("there are no cases" if not scores else "a case has no scores")
    return [fmean(its) for its in scores]


def pass_hat_k(passed: Sequence[Sequence[bool]], k: int) -> float | None:
    """How probable it is that `k` runs of a case all pass: the mean over cases of C(passed, k) / C(runs, k).

    The unbiased estimate (Yao et al., τ-bench, 2024). Cases with fewer than `k` runs do not count; None where
    no case has as many.
    """
    if k < 1:
        raise ValueError(f"k counts runs, not {k}")
    shares = [math.comb(sum(its), k) / math.comb(len(its), k) for its in passed if len(its) >= k]
    return fmean(shares) if shares else None


def flicker(passed: Sequence[Sequence[bool]]) -> float | None:
    """The share of repeated cases that neither always passed nor always failed; None if none was repeated."""
    repeated = [its for its in passed if len(its) > 1]
    return sum(any(its) and not all(its) for its in repeated) / len(repeated) if repeated else None
