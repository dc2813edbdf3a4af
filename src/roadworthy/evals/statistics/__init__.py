"""The statistics of evaluations: pure functions over counts and scores, each with its formula and source."""

from roadworthy.evals.statistics.agreement import (
    Agreement,
    Kappa,
    PositionBias,
    Preferred,
    agreement,
    cohen_kappa,
    position_bias,
)
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
from roadworthy.evals.statistics.ppi import Corrected, corrected_rate
from roadworthy.evals.statistics.proportion import (
    cases_until,
    exact,
    exact_lower,
    exact_upper,
    wilson,
    wilson_lower,
    wilson_upper,
)
from roadworthy.evals.statistics.ranking import average, ndcg_at, precision_at, recall_at, reciprocal_rank

__all__ = [
    "Agreement",
    "Corrected",
    "Difference",
    "Interval",
    "Kappa",
    "Mean",
    "PositionBias",
    "Preferred",
    "Repeated",
    "agreement",
    "average",
    "cases_needed",
    "cases_until",
    "cohen_kappa",
    "corrected_rate",
    "exact",
    "exact_lower",
    "exact_upper",
    "flicker",
    "mcnemar",
    "mean",
    "ndcg_at",
    "paired_bootstrap",
    "pass_hat_k",
    "position_bias",
    "precision_at",
    "recall_at",
    "reciprocal_rank",
    "tango",
    "wilson",
    "wilson_lower",
    "wilson_upper",
]
