"""What is asked about costs: of which calls, over which time, grouped by what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from roadworthy.errors import InvalidInput
from roadworthy.monitoring.days import zone_of

Key = tuple[str, ...]
"""What tells a row apart: one text for each dimension; empty where a call has none."""


class Dimension(StrEnum):
    """What costs are grouped by."""

    WORKFLOW = "workflow"
    STEP = "step"
    PROMPT = "prompt"
    """The prompt's version, such as `draft-reply@v2`."""
    MODEL = "model"
    """The model's name in the settings."""
    TENANT = "tenant"
    USER = "user"
    TASK = "task"
    DAY = "day"
    """By the wall clock of the query's time zone."""
    RUNG = "rung"
    """What answered: a model's name in the settings, `cache`, `rule`, `review`."""
    LANE = "lane"
    """`live`, or `provider-batch`."""
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls; what is None does not restrict."""

    environment: str | None = None
    workflow: str | None = None
    tenant: str | None = None
    prompt: str | None = None
    """A prompt's id, or one of its versions: `draft-reply`, `draft-reply@v2`."""
    model: str | None = None
    """The model's name in the settings. Only what was asked of this model is counted then."""
    within: Callable[[sa.ColumnElement[str], sa.ColumnElement[str]], sa.ColumnElement[bool]] | None = None
    """A condition on workflow and tenant: what whoever asks may see."""

    @property
    def is_about_calls(self) -> bool:
        """Whether it says something that a run without a call has not."""
        return self.prompt is not None or self.model is not None


@dataclass(frozen=True, slots=True)
class Query:
    """Which costs, and how they are grouped. Raises `InvalidInput`."""

    since_ms: int
    """Calls that began at or after this time."""
    until_ms: int
    """Calls that began before."""
    by: tuple[Dimension, ...] = ()
    where: Filter = field(default_factory=Filter)
    timezone: str = "UTC"
    """Whose days are meant."""

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        if self.until_ms <= self.since_ms:
            raise InvalidInput("The time that is asked for ends before it begins.")
        twice = next((one for one in self.by if self.by.count(one) > 1), None)
        if twice is not None:
            raise InvalidInput(f"{twice.value!r} is given twice: costs are grouped by it once.")

    @property
    def by_attempt(self) -> bool:
        """Whether money is told apart by model, so that it has to be counted from the attempts."""
        return Dimension.MODEL in self.by or self.where.model is not None

    @property
    def by_run_or_user(self) -> bool:
        """Whether it tells apart what roll-ups do not know."""
        return Dimension.RUN in self.by or Dimension.USER in self.by
