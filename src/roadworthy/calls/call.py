"""What is asked, and how far it has come: `Call` is the question, `Progress` its state until the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from roadworthy.calls.attempt import Attempt
from roadworthy.calls.output import Output
from roadworthy.prompts import Version
from roadworthy.records import Clock, Usage

T = TypeVar("T")


class CallStatus(StrEnum):
    """Where a call stands."""

    RUNNING = "running"
    """An attempt failed and was stored; another one is under way."""
    SUCCEEDED = "succeeded"
    """With a valid answer."""
    FAILED = "failed"
    """No model of the route gave a valid answer."""
    CANCELLED = "cancelled"
    """Left by us, because the run was stopped or its time was up."""
    LOST = "lost"
    """The process died while it was running."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What is asked: one prompt, one set of inputs, one type of answer, and for whom."""

    version: Version
    inputs: Mapping[str, Any]
    output: Output[T]
    route: str
    run_id: str | None = None
    step_id: str | None = None
    step_attempt: int | None = None
    """Which attempt of the step asks; calls that an earlier one left open are closed as lost."""
    tenant: str = ""
    user_id: str = ""
    seconds_left: float | None = None
    """What run and step leave for this call; None where they set no limit."""
    commit: Callable[[Callable[[sa.Connection], None]], None] | None = None
    """Takes the write that records the answer into the caller's own transaction; None writes at once."""


@dataclass(slots=True)
class Progress:
    """What has happened in a call so far."""

    call: Call[Any]
    id: str
    environment: str
    clock: Clock
    seconds: float
    """How long the call may take in all."""
    status: CallStatus = CallStatus.RUNNING
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    stored: int = 0
    """How many of `attempts` are in the database."""
    started_at: int = 0
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.started_at, self._began = self.clock.now_ms(), self.clock.monotonic()

    @property
    def duration_seconds(self) -> float:
        """Time since the call began."""
        return self.clock.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        """Time until the call has to end; zero or less when it is up."""
        return self.seconds - self.duration_seconds

    @property
    def deadline_at(self) -> int:
        """When the call has to end."""
        return self.started_at + int(self.seconds * 1000)

    @property
    def last(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[-1]

    @property
    def usage(self) -> Usage:
        """Tokens over all attempts."""
        if len(self.attempts) == 1:
            return self.attempts[0].usage
        return sum((attempt.usage for attempt in self.attempts), Usage())

    @property
    def cost_usd(self) -> Decimal:
        """Cost over all attempts, as far as it is known."""
        return sum((attempt.cost_usd for attempt in self.attempts), Decimal(0))

    @property
    def cost_known(self) -> bool:
        """Whether `cost_usd` is all that it cost."""
        return all(attempt.cost_known for attempt in self.attempts)
