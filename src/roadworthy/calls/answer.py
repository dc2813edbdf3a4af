"""What a model said, and what the organisation stands behind.

An `Answer` is checked for form, priced and traced, but it is only what a model said. A `Decision` is made by
a rule or a person; irreversible actions take nothing else.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar, cast, overload

from roadworthy.errors import InvalidInput
from roadworthy.records import Usage

T_co = TypeVar("T_co", covariant=True)
D_co = TypeVar("D_co", covariant=True)
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """The validated answer to one call."""

    value: T_co
    """The answer as the declared type."""
    call_id: str
    rung: str
    """Which rung of the route answered: a model's name in the settings, or `cache`, `rule`, `review`."""
    prompt_version: str
    """For example `draft-reply@v2`."""
    prompt_hash: str
    """The content hash of that version: the version's true name."""
    model: str
    """The model as its provider named it."""
    usage: Usage
    """Tokens over all attempts, failed ones included."""
    cost_usd: Decimal
    """Over all attempts. Where a price is unknown this is what is known; `cost_known` says so."""
    cost_known: bool
    latency_seconds: float
    attempts: int
    confidence: float | None = None
    """How sure one may be of it, 0 to 1: the least of its signals; None without any."""
    degraded: bool = False
    """Whether it is not what the route would give on a good day: an older answer, a cheaper route, a rule."""
    stale: bool = False
    """Whether it is an older answer whose time is over."""
    saved_usd: Decimal = Decimal(0)
    """What a model was not paid because the answer was known already, or code knew it."""


@dataclass(frozen=True, slots=True)
class Decision(Generic[D_co]):
    """A value that somebody stands behind: a named rule in code, or a person."""

    value: D_co
    by: Literal["rule", "person"]
    name: str
    """The rule's or the person's name."""
    reason: str = ""
    call_id: str | None = None
    """The call whose answer was decided on, where there was one."""

    @overload
    @staticmethod
    def by_rule(value: Answer[D], *, rule: str, reason: str = "") -> "Decision[D]": ...
    @overload
    @staticmethod
    def by_rule(value: D, *, rule: str, reason: str = "") -> "Decision[D]": ...
    @staticmethod
    def by_rule(value: object, *, rule: str, reason: str = "") -> "Decision[Any]":
        """A decision made by code: `rule` names the deterministic check that the value has passed.

        Raises `InvalidInput` without a rule's name.
        """
        if not rule.strip():
            raise InvalidInput(
                "A decision by a rule needs the rule's name.", hint="Say which check stands behind it."
            )
        if isinstance(value, Answer):
            answer = cast("Answer[Any]", value)
            return Decision(answer.value, "rule", rule, reason, answer.call_id)
        return Decision(value, "rule", rule, reason)
