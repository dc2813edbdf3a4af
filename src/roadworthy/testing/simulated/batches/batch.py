"""One batch of the simulated provider: its entries, how far it is, and what became of each entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from roadworthy.testing.simulated.batches.faults import BatchFault
from roadworthy.testing.simulated.dialects import Dialect

Stage = Literal["validating", "in_progress", "finalizing"]
"""How far a batch is that has not ended. Anthropic says `in_progress` for all of them."""
End = Literal["completed", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry."""

    kind: Literal["answered", "errored", "expired", "cancelled"]
    status: int = 0
    """The HTTP status that a live request would have got; 0 when it was not run."""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    number: int = 0
    """The number of its `Received`."""


@dataclass(slots=True)
class Entry:
    """One request in a batch."""

    custom_id: str
    body: Mapping[str, Any]
    outcome: Outcome | None = None
    """None until the batch has ended."""


@dataclass(slots=True)
class Batch:
    """One batch, as it was submitted and as it went."""

    id: str
    dialect: Dialect
    """The wire format of its requests."""
    path: str
    """Where each of them would have been sent by itself."""
    entries: list[Entry]
    created_ms: int
    due_ms: int
    """It does not end before."""
    stage: Stage | Literal["cancelling"]
    held: bool
    fault: BatchFault | None
    headers: Mapping[str, str]
    """Of the call that submitted it: lower-case names, none that carries a key."""
    metadata: Mapping[str, str] | None = None
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the path of each of its requests says of it, where that is not in its body."""
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    deleted: bool = False
    written: bool = False
    """Whether the files of its results are there."""
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What is wrong with the file that was submitted; with any, the batch fails."""
    end: End | None = None
    ended_ms: int | None = None
    cancelled_ms: int | None = None
    """When its end was asked for."""

    @property
    def status(self) -> str:
        """In OpenAI's words."""
        return self.end or self.stage

    @property
    def custom_ids(self) -> tuple[str, ...]:
        """The ids of its requests, in order."""
        return tuple(entry.custom_id for entry in self.entries)

    def count(self, *kinds: str) -> int:
        """How many entries ended in one of these ways."""
        return sum(1 for entry in self.entries if entry.outcome and entry.outcome.kind in kinds)
