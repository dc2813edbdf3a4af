"""What a model said: checked for form, priced and traced. What stands behind it is a `Decision`'s to say."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from roadworthy.records import Usage

T_co = TypeVar("T_co", covariant=True)


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
