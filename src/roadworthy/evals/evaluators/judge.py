"""`judge`: a prompt of the project says whether an output is good.

Its answer is an object with `passed` (true or false), `score` (0 to 1) or `label`, and perhaps `reason`.
Until people's labels have shown how far it can be trusted (`roadworthy evals calibrate`), it only informs.
"""

import asyncio
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Characters, Common, Share
from roadworthy.evals.evaluators.values import MISSING, found, readable, shown
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import RuleError, Text

Source = Literal["input", "output", "expected", "case"]
_NOT_CALIBRATED = "informs only: not calibrated (roadworthy evals calibrate {suite})"


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise RuleError("must be odd, so that there is a majority")
    return value


def _usual() -> dict[str, Source]:
    return {"input": "input", "output": "output", "expected": "expected"}


class JudgeSettings(Common):
    """`kind = "judge"`: a prompt of the project judges. Until it is calibrated, it only informs."""

    kind: Literal["judge"]
    """Which evaluator."""
    prompt: Text
    """The prompt that is asked. It answers with `passed`, `score` or `label`, and `reason`."""
    inputs: dict[str, Source] = Field(default_factory=_usual)
    """What each input of that prompt is: the case's inputs (`input`), the `output`, what is `expected`, or
    the whole `case`."""
    at_least: Share = 0.5
    """From which `score` on it passes, 0 to 1."""
    passing: list[Characters] = Field(default_factory=lambda: ["pass", "yes", "good", "correct"])
    """Labels that pass, in any capital letters."""
    repeats: Annotated[int, Field(ge=1, le=15), AfterValidator(_odd)] = 1
    """How often it is asked; the majority decides. Odd, 1 to 15."""

    @property
    def title(self) -> str:
        """How reports call it."""
        return self.name or f"judge {self.prompt}"

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        return Judge(self, workshop)


class Judge(Plain[JudgeSettings]):
    """Asks a prompt."""

    def __init__(self, settings: JudgeSettings, workshop: Workshop) -> None:
        super().__init__(settings, made_of=workshop.digest_of(settings.prompt))
        self._ask = workshop.ask
        self._note = ""
        if workshop.calibrated(self.name, self.version) is None:
            self.blocks = False
            self._note = _NOT_CALIBRATED.format(suite=workshop.suite)

    async def score(self, case: Case, outcome: Outcome) -> Score:
        """The majority of its verdicts."""
        inputs = inputs_of(self.settings, case, outcome)
        asked = (self._ask(self.settings.prompt, inputs, repeat) for repeat in range(self.settings.repeats))
        answers = await asyncio.gather(*asked)
        cost_usd = sum((one.cost_usd for one in answers), Decimal(0))
        return self._priced(self._majority([self._verdict(one) for one in answers]), cost_usd)

    def _majority(self, said: list[Score]) -> Score:
        votes = [one for one in said if one.passed is not None]
        if not votes:
            return said[0]
        yes = [one for one in votes if one.passed]
        no = [one for one in votes if not one.passed]
        if len(yes) == len(no):
            return self.cannot("it is of two minds, and one of its answers cannot be used")
        side = yes if len(yes) > len(no) else no
        values = [one.value for one in votes if one.value is not None]
        first = side[0]
        value = sum(values) / len(values) if values else None
        if len(said) == 1:
            return first
        reason = f"{len(side)} of {len(said)}{first.reason and f': {first.reason}'}"
        return self.yes(value, reason) if first.passed else self.no(reason, value=value)

    def _verdict(self, answer: Outcome) -> Score:
        """What one answer says."""
        if not answer.answered:
            return self.cannot(f"the judge did not answer ({answer.error})")
        reason = found(answer.output, "reason")
        told = readable(reason) if isinstance(reason, str) else ""
        passed, score, label = (found(answer.output, name) for name in ("passed", "score", "label"))
        value = float(score) if _is_share(score) else None
        if isinstance(label, str) and not isinstance(passed, bool):
            passed = label.strip().casefold() in {one.casefold() for one in self.settings.passing}
            told = told or readable(label)
        if not isinstance(passed, bool):
            if value is None:
                return self.cannot(f"the judge gave no verdict: {shown(answer.output)}")
            passed = value >= self.settings.at_least
        return self.yes(value, told) if passed else self.no(told, value=value)

    def _priced(self, score: Score, cost_usd: Decimal) -> Score:
        reason = "; ".join(part for part in (score.reason, self._note) if part)
        return Score(
            score.evaluator,
            score.passed,
            score.value,
            score.category,
            reason,
            score.error,
            score.informs,
            cost_usd,
        )


def inputs_of(settings: JudgeSettings, case: Case, outcome: Outcome) -> dict[str, Any]:
    """What the judge's prompt is given."""
    output = found(outcome.output, settings.field)
    given = {
        "input": case.inputs,
        "output": None if output is MISSING else output,
        "expected": case.expected,
        "case": case.as_json(),
    }
    return {name: given[source] for name, source in settings.inputs.items()}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
