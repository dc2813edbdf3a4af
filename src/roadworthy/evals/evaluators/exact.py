"""`exact`: the output, or a field of it, is what the case expects."""

from typing import Literal

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Wanting
from roadworthy.evals.evaluators.values import MISSING, found, same, shown
from roadworthy.evals.target import Outcome


class ExactSettings(Wanting):
    """`kind = "exact"`: the same JSON value; a number is the same as itself with a decimal point."""

    kind: Literal["exact"]
    """Which evaluator."""
    partial: bool = False
    """Whether objects may have keys that are not expected."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Exact(self)


class _Exact(Plain[ExactSettings]):
    def applies(self, case: Case) -> bool:
        return super().applies(case) and self.settings.wanted(case) is not MISSING

    def score(self, case: Case, outcome: Outcome) -> Score:
        wanted, got = self.settings.wanted(case), found(outcome.output, self.settings.field)
        if same(got, wanted, partial=self.settings.partial):
            return self.yes()
        return self.no(f"expected {shown(wanted)}, got {shown(got)}")
