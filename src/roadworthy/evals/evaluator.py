"""How an outcome is judged: the contract `Evaluator`, and the `Score` that it gives.

A case passes when every evaluator that applies to it and says yes or no says yes. An evaluator that raises,
or does not end, has not judged: its score is an error, and the case did not pass.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from roadworthy.evals.case import Case
from roadworthy.evals.target import Outcome
from roadworthy.records import Json


@dataclass(frozen=True, slots=True)
class Score:
    """What one evaluator says of one outcome."""

    evaluator: str
    passed: bool | None = None
    """Yes or no; None where it gives a number only."""
    value: float | None = None
    """By its own measure, mostly 0 to 1; None where it says yes or no only."""
    category: str = ""
    """What kind of failure it is, in a few words; empty when it passed."""
    reason: str = ""
    """What it saw, for people."""
    error: bool = False
    """Whether it could not judge: it raised, or took too long."""
    informs: bool = False
    """Whether it is told only: neither its yes nor its no decides whether the case passed."""
    cost_usd: Decimal = Decimal(0)
    """What judging cost, where a model judged."""
    label: str = ""
    """The word that it has for what it saw, where it gives words; for people, and programs."""

    def as_json(self) -> dict[str, Json]:
        """For records and reports; what is empty is left out."""
        told: dict[str, Json] = {"evaluator": self.evaluator, "passed": self.passed}
        if self.value is not None:
            told["value"] = self.value
        told |= {name: said for name in ("label", "category", "reason") if (said := getattr(self, name))}
        if self.cost_usd:
            told["cost_usd"] = str(self.cost_usd)
        told |= {name: True for name in ("error", "informs") if getattr(self, name)}
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Score":
        """What `as_json` gave."""
        its: dict[str, Any] = {**told, "cost_usd": Decimal(told.get("cost_usd", 0))}
        return cls(**its)


class Evaluator(Protocol):
    """Judges outcomes. One for a suite; used by many tasks at once."""

    @property
    def name(self) -> str:
        """Unique in its suite; reports show it."""
        ...

    @property
    def version(self) -> str:
        """A digest that changes with its settings and its code: what it said before no longer counts then."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether its no fails a case. A judge that was not calibrated only informs."""
        ...

    @property
    def judges_failures(self) -> bool:
        """Whether it is asked about outcomes without an output too: a failure may be what is expected."""
        ...

    def applies(self, case: Case) -> bool:
        """Whether it has anything to say of a case, by its tags and by what it expects."""
        ...

    def score(self, case: Case, outcome: Outcome) -> Score | Awaitable[Score]:
        """Judge an outcome. What waits for something is an `async def`, and is given a time."""
        ...


@dataclass(frozen=True, slots=True)
class Calibrated:
    """That a judge was compared with people, and is good enough to decide."""

    labels: int
    """Cases that people labelled."""
    kappa: float
    """How far it agrees with them beyond chance (Cohen); at most 1."""


def _nobody_is(name: str, version: str) -> Calibrated | None:
    del name, version
    return None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What evaluators are built with."""

    functions: Mapping[str, Callable[..., Any]]
    """Evaluators that the project declared with `@app.evaluator`, by name."""
    ask: Callable[[str, Mapping[str, Any], int], Awaitable[Outcome]]
    """Asks a prompt of the project, as a judge is: its id, its inputs, and which repeat it is."""
    digest_of: Callable[[str], str]
    """Changes with what would answer that prompt: its text, route and models."""
    suite: str = ""
    """Whose evaluators they are."""
    folder: Path = field(default_factory=Path)
    """The suite's folder; files that evaluators name lie there."""
    calibrated: Callable[[str, str], Calibrated | None] = _nobody_is
    """What people's labels said of a judge: its name, its version."""
