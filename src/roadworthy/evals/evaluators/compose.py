"""`all_of`, `any_of`, `none_of`: several evaluators as one.

Those that do not apply to a case, and numbers without a yes or no, do not count. One that could not judge
leaves the whole undecided, unless the others decide it whatever it would have said.
"""

import inspect
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, cast

from pydantic import Field

from roadworthy.evals.case import Case, digest
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.target import Outcome

if TYPE_CHECKING:
    from roadworthy.evals.evaluators import EvaluatorSettings


class _Several(Common):
    of: Annotated[list["EvaluatorSettings"], Field(min_length=1)]
    """The evaluators, as tables with a `kind` each."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        members = [one.build(workshop) for one in self.of]
        waits = any(inspect.iscoroutinefunction(one.score) for one in members)
        return _Waiting(self, members) if waits else _Composed(self, members)


class AllOfSettings(_Several):
    """`kind = "all_of"`: all of them say yes."""

    kind: Literal["all_of"]
    """Which evaluator."""


class AnyOfSettings(_Several):
    """`kind = "any_of"`: one of them says yes."""

    kind: Literal["any_of"]
    """Which evaluator."""


class NoneOfSettings(_Several):
    """`kind = "none_of"`: each of them says no."""

    kind: Literal["none_of"]
    """Which evaluator."""


class _Composed(Plain[_Several]):
    def __init__(self, settings: _Several, members: Sequence[Evaluator]) -> None:
        super().__init__(settings, made_of=digest([one.version for one in members])[:16])
        self._members = members
        self._kind: str = getattr(settings, "kind", "")
        self.blocks = self.blocks and all(one.blocks for one in members)
        self.judges_failures = any(one.judges_failures for one in members)

    def applies(self, case: Case) -> bool:
        return super().applies(case) and any(one.applies(case) for one in self._members)

    def score(self, case: Case, outcome: Outcome) -> Score | Awaitable[Score]:
        said = [cast("Score", one.score(case, outcome)) for one in self._asked(case, outcome)]
        return self.together(said, outcome)

    def _asked(self, case: Case, outcome: Outcome) -> list[Evaluator]:
        """Those that have something to say."""
        every = (one for one in self._members if outcome.answered or one.judges_failures)
        return [one for one in every if one.applies(case)]

    def together(self, scores: list[Score], outcome: Outcome) -> Score:
        """What they say as one."""
        yes = [one for one in scores if one.passed is True]
        no = [one for one in scores if one.passed is False]
        errors = [one for one in scores if one.error]
        against = yes if self._kind == "none_of" else no
        if self._kind == "any_of":
            if yes:
                return self.yes(reason=_told(yes[:1]))
        elif against:
            category = "" if self._kind == "none_of" else against[0].category
            return self.no(_told(against), category=category)
        if errors:
            return self.cannot(_told(errors))
        if not yes and not no and not outcome.answered:
            return Score(self.name, reason=_told(scores))
        if not yes and not no:
            return self.cannot("none of its evaluators says yes or no: give them `at_least`")
        return self.no(_told(no), category=no[0].category) if self._kind == "any_of" else self.yes()


class _Waiting(_Composed):
    async def score(self, case: Case, outcome: Outcome) -> Score:
        said = [one.score(case, outcome) for one in self._asked(case, outcome)]
        return self.together([one if isinstance(one, Score) else await one for one in said], outcome)


def _told(scores: Sequence[Score]) -> str:
    said = [f"{one.evaluator}: {one.reason}" if one.reason else one.evaluator for one in scores[:3]]
    return "; ".join(said)
