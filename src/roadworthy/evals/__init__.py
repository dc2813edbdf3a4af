"""Evaluations: data sets, evaluators, experiments, and what they say of a change."""

from roadworthy.evals.case import Case, Tag
from roadworthy.evals.evals import Evals
from roadworthy.evals.evaluator import Evaluator, Score
from roadworthy.evals.experiment import Experiment, ExperimentStatus, Result, VerdictKind
from roadworthy.evals.project import Project, Variant
from roadworthy.evals.target import Outcome, Target

__all__ = [
    "Case",
    "Evals",
    "Evaluator",
    "Experiment",
    "ExperimentStatus",
    "Outcome",
    "Project",
    "Result",
    "Score",
    "Tag",
    "Target",
    "Variant",
    "VerdictKind",
]
