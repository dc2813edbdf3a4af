"""What is evaluated: the contract `Target`, and the `Outcome` that it gives for a case.

targets/prompt.py      one version of a prompt, by a route or a model
targets/workflow.py    a whole workflow, its actions recorded and not performed
targets/function.py    any function of the project
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from roadworthy.evals.case import Case
from roadworthy.records import Json, Usage

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case, once."""

    output: Json = None
    """The answer, or the workflow's result, as JSON; None when there was none."""
    error: str = ""
    """The kind of failure, such as `provider` or `invalid_answer`; empty when there is an output."""
    message: str = ""
    """What the failure said, for people."""
    cost_usd: Decimal = _NOTHING
    """What it cost, or cost when it was recorded."""
    latency_seconds: float = 0.0
    """How long it took, or took when it was recorded."""
    usage: Usage = field(default_factory=Usage)
    rung: str = ""
    """Which rung of the route answered."""
    model: str = ""
    confidence: float | None = None
    record_id: str = ""
    """The call or the run on record."""
    taped: bool = False
    """Whether it comes from the tape: nothing was asked, and nothing was paid now."""
    acts: tuple[dict[str, Any], ...] = ()
    """A workflow's actions, in order: `action`, `irreversible`, `key`, `arguments`."""

    @property
    def answered(self) -> bool:
        """Whether there is an output to be scored."""
        return not self.error


class Target(Protocol):
    """What answers cases. One for a variant of an experiment; used by many tasks at once."""

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of, by name, each as a digest or an exact name: `prompt`, `models`, `code`.

        Two targets with the same parts are the same combination.
        """
        ...

    async def answer(self, case: Case, repeat: int) -> Outcome:
        """What comes of a case. A failure of what is evaluated is an outcome too, not an exception."""
        ...
