"""`latency`, `cost` and `tokens`: what an answer took, or took when it was recorded."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from roadworthy.evals.case import Case
from roadworthy.evals.evaluator import Evaluator, Score, Workshop
from roadworthy.evals.evaluators.plain import Plain
from roadworthy.evals.evaluators.settings import Common
from roadworthy.evals.target import Outcome
from roadworthy.settings.means import Money
from roadworthy.settings.rules import Seconds


class LatencySettings(Common):
    """`kind = "latency"`: how long the answer took."""

    kind: Literal["latency"]
    """Which evaluator."""
    at_most_seconds: Seconds
    """The longest that it may take."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Latency(self)


class _Latency(Plain[LatencySettings]):
    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        took, most = outcome.latency_seconds, self.settings.at_most_seconds
        if took <= most:
            return self.yes(took)
        return self.no(f"{took:.3g} seconds, at most {most:g} are allowed", value=took)


class CostSettings(Common):
    """`kind = "cost"`: what the answer cost."""

    kind: Literal["cost"]
    """Which evaluator."""
    at_most_usd: Money
    """US dollars that it may cost at most."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Cost(self)


class _Cost(Plain[CostSettings]):
    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        cost: Decimal = outcome.cost_usd
        if cost <= self.settings.at_most_usd:
            return self.yes(float(cost))
        return self.no(f"{cost} USD, at most {self.settings.at_most_usd} are allowed", value=float(cost))


class TokensSettings(Common):
    """`kind = "tokens"`: how many tokens were read and written."""

    kind: Literal["tokens"]
    """Which evaluator."""
    at_most: Annotated[int, Field(ge=0)]
    """The most."""
    of: Literal["input", "output", "all"] = "all"
    """Which of them count."""

    def build(self, workshop: Workshop) -> Evaluator:
        """The evaluator of these settings."""
        del workshop
        return _Tokens(self)


class _Tokens(Plain[TokensSettings]):
    def score(self, case: Case, outcome: Outcome) -> Score:
        del case
        usage, most = outcome.usage, self.settings.at_most
        counted = {"input": usage.input_tokens, "output": usage.output_tokens, "all": usage.total_tokens}
        tokens = counted[self.settings.of]
        if tokens <= most:
            return self.yes(tokens)
        return self.no(f"{tokens:,} tokens, at most {most:,} are allowed", value=tokens)
