"""A call's request in the lane: the record and its states (drawn in `docs/states.md`)."""

from dataclasses import dataclass
from enum import StrEnum

from roadworthy.calls.admission import Admission

PROVIDER_BATCH = "provider-batch"
"""The lane's name."""


class LaneStatus(StrEnum):
    """Where a request of the lane stands."""

    WAITING = "waiting"
    """Collected, and in no batch yet."""
    SUBMITTED = "submitted"
    """In a batch, which is with the provider or on its way there."""
    ANSWERED = "answered"
    """The answer is here; its run has not taken it yet."""
    FAILED = "failed"
    """The batch gave no answer to it; its call goes on live."""
    TAKEN = "taken"
    """Its run has gone on with what came of it."""
    LATE = "late"
    """Its call was asked live while the batch was on its way; an answer is paid for, and not used."""
    WITHDRAWN = "withdrawn"
    """Its call was asked live, and it was never submitted."""


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """One call's request in the lane."""

    id: str
    environment: str
    model: str
    """The model's name in the settings."""
    run_id: str
    step_id: str
    call_id: str
    made_at: int
    due_at: int
    """When its call is asked live."""
    status: LaneStatus = LaneStatus.WAITING
    batch_id: str | None = None
    ended_at: int | None = None
    error_kind: str | None = None
    hold: Admission | None = None
    """What is set aside for it."""
    request: bytes | None = None
    """What is asked, packed; None once it has ended."""
    result: bytes | None = None
    """What came back, packed; None once it is taken."""
