"""`acts`: which actions a workflow would have done, which it must not, and with what arguments."""

from typing import Any, Literal, cast

from pydantic import Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common, Value
from roadworthy.evals.evaluators.values import MISSING, found, items_of, same, shown
from roadworthy.evals.target import Outcome
from roadworthy.settings.model import Section
from roadworthy.settings.rules import Name


class ActSettings(Section):
    """`must` and `must_not` of `acts`."""

    action: Name
    """The action's name."""
    arguments: dict[str, Value] = Field(default_factory=dict[str, Any])
    """Arguments that it has; others may be there, too."""


class ActsSettings(Common):
    """`kind = "acts"`: a workflow's actions. A case may expect some: a list of names, or of such tables."""

    kind: Literal["acts"]
    """Which evaluator."""
    must: list[ActSettings] = Field(default_factory=list[ActSettings])
    """What has to happen in every case."""
    must_not: list[ActSettings] = Field(default_factory=list[ActSettings])
    """What may happen in no case."""
    expected_field: str = "acts"
    """Where in the case's `expected` stands what has to happen, too. An empty list: nothing may happen."""
    others: bool = True
    """Whether more may happen than has to."""
    in_order: bool = False
    """Whether what has to happen has to happen in this order."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Acts(self)


class _Acts(Plain[ActsSettings]):
    def applies(self, case: Case) -> bool:
        fixed = self.settings.must or self.settings.must_not
        return super().applies(case) and (bool(fixed) or self._expected(case) is not None)

    def score(self, case: Case, outcome: Outcome) -> Score:
        expected = self._expected(case)
        wanted = [*self.settings.must, *(expected or ())]
        left, start = list(outcome.acts), 0
        for one in wanted:
            at = next((n for n in range(start, len(left)) if _fits(left[n], one)), None)
            if at is None:
                happened = [str(act.get("action")) for act in outcome.acts]
                return self.no(f"{_told(one)} did not happen; {_listed(happened)}", category="missing action")
            left.pop(at)
            start = at if self.settings.in_order else 0
        for one in self.settings.must_not:
            if any(_fits(act, one) for act in outcome.acts):
                return self.no(f"{_told(one)} happened", category="forbidden action")
        if left and (not self.settings.others or expected == []):
            names = [str(act.get("action")) for act in left]
            return self.no(f"more happened: {_listed(names)}", category="unexpected action")
        return self.yes()

    def _expected(self, case: Case) -> list[ActSettings] | None:
        """What the case expects; None where it says nothing."""
        wanted = MISSING if case.expected is None else found(case.expected, self.settings.expected_field)
        items = items_of(wanted)
        return None if items is None else [_act(one) for one in items]


def _act(said: Any) -> ActSettings:
    if not isinstance(said, dict):  # what is no text is the name of no action, and fails
        return ActSettings.model_construct(action=said, arguments={})
    told = cast("dict[str, Any]", said)
    arguments = told.get("arguments")
    given = cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
    return ActSettings.model_construct(action=told.get("action"), arguments=given)


def _fits(act: dict[str, Any], wanted: ActSettings) -> bool:
    if act.get("action") != wanted.action:
        return False
    return not wanted.arguments or same(act.get("arguments"), wanted.arguments, partial=True)


def _told(act: ActSettings) -> str:
    return f"{shown(act.action)} with {shown(act.arguments)}" if act.arguments else shown(act.action)


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) if names else "nothing did"
