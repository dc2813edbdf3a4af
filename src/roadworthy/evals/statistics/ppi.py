"""The rate that people would have found, from a few of their labels and many of a judge's.

A judge's own rate carries its bias. Prediction-powered inference takes the judge's rate over all cases and
corrects it by what people said of some, drawn at random from the same cases: right however bad the judge is,
and the better the judge, the narrower (Angelopoulos, Duchi and Zrnic, "PPI++", arXiv 2311.01453, 2023).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from roadworthy.evals.statistics.distributions import Interval, t_score, variance
from roadworthy.evals.statistics.proportion import wilson

_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Corrected:
    """A rate from 0 to 1 as people would have found it."""

    value: float
    interval: Interval
    trust: float
    """λ: 1 uses the judge in full, 0 not at all; chosen for the narrowest interval."""
    worth: float
    """How many labels by people one label was worth thanks to the judge; 1 where it was no help."""
    labels: int
    note: str = ""
    """Why the judge was not used, or how little is known; empty where all is well."""

    @property
    def effective_labels(self) -> float:
        """How many labels by people alone would have given an interval as narrow."""
        return self.worth * self.labels


def corrected_rate(
    labels: Sequence[float],
    judged: Sequence[float],
    judged_only: Sequence[float],
    *,
    confidence: float = 0.95,
) -> Corrected:
    """The mean of `labels` over all cases, by PPI++ with power tuning.

    `labels` are people's and `judged` the judge's on the same cases, in the same order; `judged_only` are the
    judge's on the others. All lie within 0 and 1. With λ = cov(Y, f) / ((1 + n/N)·var(f)), clipped to 0 and
    1, the estimate is λ·mean(f of the others) + mean(Y - λf); ± t (n-1 degrees) standard errors, within 0 and
    1. Where the judge cannot be used λ is 0, and where labels do not differ the interval is Wilson's.
    """
    n, others = len(labels), len(judged_only)
    if n != len(judged) or not n:
        raise ValueError(
            f"{n} labels by people and {len(judged)} of the judge on the same cases are no pairs"
        )
    if not all(0 <= value <= 1 for its in (labels, judged, judged_only) for value in its):
        raise ValueError("labels are rates or shares: they lie within 0 and 1")
    if n < _FEWEST or not variance(labels):  # also where they differ by less than can be squared
        what = "a single label" if n < _FEWEST else "all labels by people are the same"
        note = f"{what}: the judge is not used"
        return Corrected(fmean(labels), wilson(sum(labels), n, confidence=confidence), 0.0, 1.0, n, note)
    trust, note = _trust(labels, judged, judged_only)
    residuals = [label - trust * guess for label, guess in zip(labels, judged, strict=True)]
    value, spread = fmean(residuals), variance(residuals) / n
    if trust:
        value += trust * fmean(judged_only)
        spread += trust**2 * variance(judged_only) / others
    if not spread:  # the judge agrees in every label, and always says the same elsewhere
        trust, value, spread = 0.0, fmean(labels), variance(labels) / n
        note = "too few labels to say how far the judge can be wrong: they stand alone"
    half = t_score(confidence, n - 1) * math.sqrt(spread)
    return Corrected(
        value=min(1.0, max(0.0, value)),
        interval=Interval(min(1.0, max(0.0, value - half)), min(1.0, max(0.0, value + half))),
        trust=trust,
        worth=variance(labels) / n / spread,
        labels=n,
        note=note,
    )


def _trust(
    labels: Sequence[float], judged: Sequence[float], judged_only: Sequence[float]
) -> tuple[float, str]:
    n, others = len(labels), len(judged_only)
    if others < _FEWEST:
        return 0.0, "the judge labelled no further cases: the labels by people stand alone"
    all_judged = [*judged, *judged_only]
    if not variance(all_judged):
        return 0.0, "the judge always says the same: the labels by people stand alone"
    middle, middle_judged = fmean(labels), fmean(judged)
    covariance = (
        math.fsum((y - middle) * (f - middle_judged) for y, f in zip(labels, judged, strict=True)) / n
    )
    trust = min(1.0, max(0.0, covariance / ((1 + n / others) * variance(all_judged))))
    return trust, "" if trust else "the judge does not go with people: their labels stand alone"
