"""`Evaluated`: an experiment that ran, with what was planned and what it says."""

from dataclasses import dataclass

from roadworthy.evals.baseline import Baseline
from roadworthy.evals.experiment import Experiment, Result
from roadworthy.evals.judging.pairs import Preferences
from roadworthy.evals.plan import Plan
from roadworthy.evals.tape import Tape
from roadworthy.evals.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An experiment that ran, with everything it says."""

    plan: Plan
    experiment: Experiment
    results: tuple[Result, ...]
    verdict: Verdict
    baseline: Baseline | None
    tape: Tape
    stopped: str = ""
    """Why it did not come to its end."""
    late: bool = False
    """Whether something took too long, and may still be at it in a thread."""
    preferences: tuple[Preferences, ...] = ()
    """What judges of pairs say of it and the experiment that it is compared with."""
