"""`exact`: the output, or a field of it, is what the case expects."""

from typing import Any, Literal

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.settings import MISSING, Common, found
from roadworthy.evals.target import Outcome


class ExactSettings(Common):
    """`kind = "exact"`: the same JSON value; a number is the same as itself with a decimal point."""

    kind: Literal["exact"]
    """Which evaluator."""
    value: Any = None
    """What is expected of every case. Left out, the same field of the case's `expected`."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Exact(self)


class _Exact:
    def __init__(self, settings: ExactSettings) -> None:
        self._settings = settings
        self.name = settings.title
        self.version = f"exact:1:{settings.settings_hash}"
        self.blocks = not settings.informs
        self.judges_failures = False

    def applies(self, case: Case) -> bool:
        return self._settings.concerns(case) and self._wanted(case) is not MISSING

    def score(self, case: Case, outcome: Outcome) -> Score:
        wanted, got = self._wanted(case), found(outcome.output, self._settings.field)
        if got == wanted and isinstance(got, bool) == isinstance(wanted, bool):
            return Score(self.name, passed=True)
        said = "nothing" if got is MISSING else repr(got)
        reason = f"expected {wanted!r}, got {said}"
        return Score(self.name, passed=False, category=self._settings.category or self.name, reason=reason)

    def _wanted(self, case: Case) -> Any:
        if self._settings.value is not None:
            return self._settings.value
        return MISSING if case.expected is None else found(case.expected, self._settings.field)
