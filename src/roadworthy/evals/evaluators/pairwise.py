"""`pairwise`: a prompt of the project says which of two outputs is better, for comparisons.

Both orders are asked, since models prefer a place: it prefers an output only when it does so in both.
"""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pydantic import Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.evaluators.values import MISSING, found
from roadworthy.evals.target import Outcome
from roadworthy.settings.rules import Text

Source = Literal["input", "first", "second", "expected", "case"]
Side = Literal["first", "second", "tie"]


def _usual() -> dict[str, Source]:
    return {"input": "input", "first": "first", "second": "second", "expected": "expected"}


class PairwiseSettings(Common):
    """`kind = "pairwise"`: a prompt says which of two outputs is better; only `--compare` asks it.

    It is asked in both orders, and prefers an output only when it does in both.
    """

    kind: Literal["pairwise"]
    """Which evaluator."""
    prompt: Text
    """The prompt that is asked. It answers with `better`: `first`, `second` or `tie`."""
    inputs: dict[str, Source] = Field(default_factory=_usual)
    """What each input of that prompt is: the case's inputs (`input`), the `first` output, the `second`, what
    is `expected`, or the whole `case`."""

    @property
    def title(self) -> str:
        """How reports call it."""
        return self.name or f"pairwise {self.prompt}"

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        return Pairwise(self, workshop)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two outputs is better."""

    better: Side
    """`tie` also where the two orders disagree."""
    said: tuple[Side | None, Side | None]
    """What it said when the first stood first, and when it stood second; None where it said nothing."""
    cost_usd: Decimal = Decimal(0)
    """What it cost now."""
    saved_usd: Decimal = Decimal(0)
    """What came from the tape cost when it was recorded."""

    @property
    def flipped(self) -> bool:
        """Whether its word depends on the order."""
        return self.said[0] != self.said[1]


class Pairwise(Plain[PairwiseSettings]):
    """Asks a prompt in both orders. It informs; a comparison asks it by `prefer`."""

    def __init__(self, settings: PairwiseSettings, workshop: Workshop) -> None:
        super().__init__(settings, made_of=workshop.digest_of(settings.prompt))
        self._ask = workshop.ask
        self.blocks = False

    def applies(self, case: Case) -> bool:
        """Never to one outcome alone."""
        del case
        return False

    def score(self, case: Case, outcome: Outcome) -> Score:
        """One outcome alone cannot be judged."""
        del case, outcome
        return self.cannot("it compares two outputs")

    def compares(self, case: Case) -> bool:
        """Whether it is asked of pairs of answers to a case: by its tags."""
        return super().applies(case)

    async def prefer(self, case: Case, first: Outcome, second: Outcome) -> Preference:
        """Which of two outcomes of a case is better."""
        answers = await asyncio.gather(
            self._ask(self.settings.prompt, self._inputs(case, first, second), 0),
            self._ask(self.settings.prompt, self._inputs(case, second, first), 0),
            return_exceptions=True,  # what is under way comes to its end, for it is paid
        )
        for one in answers:
            if isinstance(one, BaseException):
                raise one
        ahead, behind = (one for one in answers if isinstance(one, Outcome))
        said = (_side(ahead), _turned(_side(behind)))
        agreed = said[0] if said[0] == said[1] else None
        paid, saved = (
            sum((one.cost_usd for one in (ahead, behind) if one.taped is taped), Decimal(0))
            for taped in (False, True)
        )
        return Preference(agreed or "tie", said, paid, saved)

    def _inputs(self, case: Case, first: Outcome, second: Outcome) -> dict[str, object]:
        outputs = [found(one.output, self.settings.field) for one in (first, second)]
        outputs = [None if one is MISSING else one for one in outputs]
        given = {
            "input": case.inputs,
            "first": outputs[0],
            "second": outputs[1],
            "expected": case.expected,
            "case": case.as_json(),
        }
        return {name: given[source] for name, source in self.settings.inputs.items()}


def _side(answer: Outcome) -> Side | None:
    better = found(answer.output, "better") if answer.answered else None
    return better if better in ("first", "second", "tie") else None


def _turned(side: Side | None) -> Side | None:
    return "second" if side == "first" else "first" if side == "second" else side
