"""A batch of requests at a provider: the record and its states (drawn in `docs/states.md`)."""

from dataclasses import dataclass
from enum import StrEnum

from roadworthy.models.provider_batch import BatchHandle


class BatchStatus(StrEnum):
    """Where a provider's batch stands."""

    SUBMITTING = "submitting"
    """On its way to the provider, or there already and we do not know."""
    RUNNING = "running"
    """With the provider; also until all its results are stored."""
    DONE = "done"
    """All results are stored."""
    FAILED = "failed"
    """The provider did not take it, or gave it up; the calls go on live."""
    EXPIRED = "expired"
    """The provider did not finish it in its time; what it had not run goes on live."""
    CANCELLED = "cancelled"
    """Ended by us, because nobody waited for it any more."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of requests at a provider."""

    id: str
    """Our name for it, by which it is found at the provider."""
    environment: str
    model: str
    state: BatchStatus
    count: int
    handle: BatchHandle | None
    made_at: int
    tried_at: int | None
    """When it was first sent, whatever became of that."""
    submitted_at: int | None
    cancelled_at: int | None
    """When its end was asked for."""
