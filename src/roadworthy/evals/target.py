"""What is evaluated: the contract `Target`, and the `Outcome` that it gives for a case.

targets/prompt.py      one version of a prompt, by a route or a model
targets/workflow.py    a whole workflow, its actions recorded and not performed
targets/function.py    any function of the project
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol, TypeAlias, cast

from roadworthy.evals.case import Case
from roadworthy.records import Json, Usage

NOT_ON_TAPE: Final = "not_on_tape"
"""The failure of a case that is on no tape, where nothing may be asked."""

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

    def as_json(self) -> dict[str, Json]:
        """For records and tapes; what is empty is left out."""
        told: dict[str, Json] = {name: said for name in _PLAIN if (said := getattr(self, name))}
        if self.confidence is not None:
            told["confidence"] = self.confidence
        if self.cost_usd:
            told["cost_usd"] = str(self.cost_usd)
        if self.usage != _NO_USAGE:
            told["usage"] = {name: said for name in _USAGE if (said := getattr(self.usage, name))}
        if self.acts:
            told["acts"] = list(self.acts)
        return {"output": self.output, **told}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Outcome":
        """What `as_json` gave. Raises `KeyError`, `TypeError`, `ValueError` for anything else."""
        rest: dict[str, Any] = {
            name: told[name] for name in (*_PLAIN, "output", "confidence") if name in told
        }
        return cls(
            **rest,
            cost_usd=Decimal(told.get("cost_usd", 0)),
            usage=Usage(**told["usage"]) if "usage" in told else _NO_USAGE,
            acts=tuple(cast("list[dict[str, Any]]", told.get("acts", ()))),
        )


_PLAIN = ("error", "message", "latency_seconds", "rung", "model", "record_id", "taped")
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NO_USAGE = Usage()

Asked: TypeAlias = tuple[Case, int]
"""A case, and which repeat of it."""


class Target(Protocol):
    """What answers cases. One for a variant of an experiment; used by many tasks at once."""

    @property
    def parts(self) -> dict[str, str]:
        """What it is made of, by name, each as a digest or an exact name: `prompt`, `models`, `code`.

        Two targets with the same parts are the same combination.
        """
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """What it needs is there for as long as the block lasts; outside of it, nothing is answered."""
        ...

    async def recall(self, asked: Sequence[Asked]) -> Mapping[tuple[str, int], Outcome]:
        """What the tape knows of these, by the case's id and repeat; nothing is asked, nothing is paid."""
        ...

    async def answer(self, case: Case, repeat: int) -> Outcome:
        """What comes of a case. A failure of what is evaluated is an outcome too, not an exception."""
        ...
