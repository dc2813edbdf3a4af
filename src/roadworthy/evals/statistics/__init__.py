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
from roadworthy.evals.statistics.bands import Band, accept_band, reject_band
from roadworthy.evals.statistics.bootstrap import (
    Difference,
    Mean,
    Repeated,
    flicker,
    mean,
    paired_bootstrap,
    pass_hat_k,
)
from roadworthy.evals.statistics.calibration import Calibration, Fitted, Signals, fit
from roadworthy.evals.statistics.distributions import Interval
from roadworthy.evals.statistics.goodness import fit_p_value
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
from roadworthy.evals.statistics.reliability import Bin, brier, expected_calibration_error, reliability

__all__ = [
    "Agreement",
    "Band",
    "Bin",
    "Calibration",
    "Corrected",
    "Difference",
    "Fitted",
    "Interval",
    "Kappa",
    "Mean",
    "PositionBias",
    "Preferred",
    "Repeated",
    "Signals",
    "accept_band",
    "agreement",
    "average",
    "brier",
    "cases_needed",
    "cases_until",
    "cohen_kappa",
    "corrected_rate",
    "exact",
    "exact_lower",
    "exact_upper",
    "expected_calibration_error",
    "fit",
    "fit_p_value",
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
    "reject_band",
    "reliability",
    "tango",
    "wilson",
    "wilson_lower",
    "wilson_upper",
]
