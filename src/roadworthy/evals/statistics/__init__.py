"""The statistics of evaluations: pure functions over counts and scores, each with its formula and source."""

from roadworthy.evals.statistics.bootstrap import (
    Difference,
    Mean,
    Repeated,
    flicker,
    mean,
    paired_bootstrap,
    pass_hat_k,
)
from roadworthy.evals.statistics.distributions import Interval
from roadworthy.evals.statistics.paired import cases_needed, mcnemar, tango
from roadworthy.evals.statistics.proportion import (
    cases_until,
    exact,
    exact_lower,
    exact_upper,
    wilson,
    wilson_lower,
    wilson_upper,
)

__all__ = [
    "Difference",
    "Interval",
    "Mean",
    "Repeated",
    "cases_needed",
    "cases_until",
    "exact",
    "exact_lower",
    "exact_upper",
    "flicker",
    "mcnemar",
    "mean",
    "paired_bootstrap",
    "pass_hat_k",
    "tango",
    "wilson",
    "wilson_lower",
    "wilson_upper",
]
