"""What is asked, and how far it has come: `Call` is the question, `Progress` its state until the answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from roadworthy.budgets import Amount
from roadworthy.calls.attempt import Attempt
from roadworthy.calls.conversation import Conversation
from roadworthy.calls.output import Output
from roadworthy.calls.rules import Rules
from roadworthy.errors import ErrorKind
from roadworthy.prompts import Version
from roadworthy.records import Clock, Usage
from roadworthy.releases import Exposure

T = TypeVar("T")

_NO_RULES = Rules()


class CallStatus(StrEnum):
    """Where a call stands."""

    RUNNING = "running"
    """An attempt failed and was stored; another one is under way."""
    SUCCEEDED = "succeeded"
    """With a valid answer."""
    FAILED = "failed"
    """No rung of the route gave a valid answer."""
    PUT_OFF = "put_off"
    """No model answered; the run waits for better times, for the provider's batch, or for a person."""
    CANCELLED = "cancelled"
    """Left by us, because the run was stopped or its time was up."""
    LOST = "lost"
    """The process died while it was running, or another worker had its run by the time it ended."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A call that has ended, for whoever stores it together with what was asked for."""

    write: Callable[[sa.Connection], None]
    """Stores the call, in that transaction."""
    stored: Callable[[], None]
    """Called when it was committed."""
    refused: Callable[[BaseException], Awaitable[None]]
    """Awaited when it was not: what the call has cost is stored all the same."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What is asked: one prompt, one set of inputs, one type of answer, and for whom."""

    version: Version
    inputs: Mapping[str, Any]
    output: Output[T]
    route: str
    rules: Rules = _NO_RULES
    """What code says before, about, and instead of a model's answer."""
    run_id: str | None = None
    step_id: str | None = None
    step_attempt: int | None = None
    """Which attempt of the step asks; calls that an earlier one left open are closed as lost."""
    workflow: str = ""
    step: str = ""
    task: str = ""
    """What it is for, in a word; the prompt's id where nothing else is said."""
    tenant: str = ""
    user_id: str = ""
    tags: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    """Kinds of data in its inputs, beyond what the settings say: names of `[residency]`."""
    permissions: tuple[str, ...] = ()
    """What the asker may see; a cached answer is given only to who may see the same."""
    lane: str = "live"
    """`live`, or `provider-batch` when it was collected for the provider's batch."""
    seconds_left: float | None = None
    """What run and step leave for this call; None where they set no limit."""
    collect_until: int | None = None
    """Until when it may wait in the provider's batch; None: it is asked now."""
    may_wait: bool = False
    """Whether the run can wait for an answer that comes later; else the caller gets an error that says so."""
    run_deadline_at: int | None = None
    """When its run ends in any case."""
    put_off: int = 0
    """How often it was put off before."""
    promised_until: int | None = None
    """By when a call that was put off is answered, or goes to the next rung."""
    commit: Callable[[Recording], None] | None = None
    """Takes the record of the answer into the caller's own transaction; None writes at once."""
    conversation: Conversation | None = None
    """The client's own messages, in the place of the version's and the inputs."""
    exposures: tuple[Exposure, ...] = ()
    """The arms of splits by which version and route were drawn; stored with the call."""

    @property
    def begun(self) -> bool:
        """Whether the caller has pieces of the answer already."""
        sink = self.conversation.sink if self.conversation is not None else None
        return sink is not None and sink.begun


@dataclass(frozen=True, slots=True)
class Skip:
    """A model, or a rung, that was not asked, and why."""

    name: str
    kind: ErrorKind | str
    why: str
    """A sentence for people; no text of a provider's."""
    retry_after_seconds: float | None = None
    budget: str | None = None
    """The budget that has no room, where that is the reason."""
    resets_at_ms: int | None = None
    """When that budget begins anew."""
    degrades: bool = False
    """Whether that budget asks for a cheaper route."""
    may_give_back: bool = False
    """Whether that budget may have room as soon as requests under way have ended."""


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
    skipped: list[Skip] = field(default_factory=list[Skip])
    degraded: bool = False
    """Whether a cheaper route was taken because a budget is spent."""
    touched: bool = False
    """Whether the call has a row in the database."""
    throttled: bool = False
    """Whether its throttles were asked: they count calls, not requests."""
    setting_aside: dict[int, Amount] = field(default_factory=dict[int, Amount])
    """What requests that are waiting for their admission may cost, by their numbers."""
    keep: Callable[[sa.Connection], None] | None = None
    """What else is stored in the transaction that records the call: the answer for others, or a hit."""
    also: Callable[[sa.Connection], None] | None = None
    """What follows every time that the call is stored."""
    started_at: int = 0
    _began: float = 0.0
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.started_at, self._began = self.clock.now_ms(), self.clock.monotonic()

    def go_on(self, started_at: int, numbers: int) -> None:
        """Count from an earlier beginning, and from attempts that are on record; the time begins anew."""
        waited = max(0.0, (self.clock.now_ms() - started_at) / 1000)
        self.seconds += waited
        self.started_at, self._began, self._numbers = started_at, self._began - waited, numbers

    def next_number(self) -> int:
        """A number for another attempt; one that is not sent after all leaves a gap."""
        self._numbers += 1
        return self._numbers

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
    def ended(self) -> list[Attempt]:
        """The attempts that are over; hedged ones may still be under way."""
        return [attempt for attempt in self.attempts if attempt.finished_at is not None]

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

    def skip(self, skipped: Skip) -> None:
        """Note that a rung was passed over; once for each reason."""
        if skipped not in self.skipped:
            self.skipped.append(skipped)
