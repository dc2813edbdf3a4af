"""The contract with a provider's batch API: many requests at once, answered in a day or two at a lower price.

    submit ──► BatchHandle ──► poll … poll ──► results: one BatchResult for each item, in any order

`providers/batches/` holds the implementations. A handle is all that has to be kept between two of the steps:
it is JSON, and any process with the same model in its settings goes on with it. A request of a batch is what
the live provider would have sent, written by its own code, and its answer is read by that code too; only the
price differs.

A `submit` that fails with `may_be_billed` may have succeeded at the provider. Ask `find` before submitting
the same again: two batches are paid twice.
"""

import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from roadworthy.errors import InvalidInput, ProviderError
from roadworthy.models.provider import Request, Response
from roadworthy.records import Json

BatchState = Literal["running", "done", "failed", "expired", "cancelled"]
"""`running` is the only one that changes. In all others `results` accounts for every item."""

_CUSTOM_ID = re.compile(r"[A-Za-z0-9_-]{1,46}")
"""The narrowest rule of all providers (64 characters), less what an implementation puts in front."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One request of a batch."""

    custom_id: str
    """Our name for it, unique within the batch: 1 to 46 letters, digits, `_` and `-`."""
    request: Request
    """Its `timeout_seconds` is not used."""

    def __post_init__(self) -> None:
        if not _CUSTOM_ID.fullmatch(self.custom_id):
            raise InvalidInput(
                f"{self.custom_id!r} cannot name a request of a batch.",
                hint="Use 1 to 46 letters, digits, '_' and '-'.",
            )


@dataclass(frozen=True, slots=True)
class BatchHandle:
    """A batch that was submitted. Holds no secret and no text of a request."""

    provider: str
    """The provider's name in the settings."""
    id: str
    """The provider's id of the batch."""
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the provider's implementation needs to go on: its own business."""

    def to_json(self) -> dict[str, Json]:
        """The handle as JSON."""
        return {"provider": self.provider, "id": self.id, "extra": dict(self.extra)}

    @classmethod
    def from_json(cls, value: Json) -> "BatchHandle":
        """The handle that `to_json` wrote.

        Raises:
            InvalidInput: It did not write this.
        """
        match value:
            case {"provider": str(provider), "id": str(id_), "extra": dict(extra)}:
                return cls(provider, id_, cast("dict[str, Any]", extra))
            case _:
                raise InvalidInput("This is no handle of a batch.", hint="Pass what `to_json` returned.")


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one item: a response or an error, never both."""

    custom_id: str
    response: Response | None = None
    error: ProviderError | None = None
    """By kind, as a live request would have raised it. `TIMEOUT` when the batch ended before it was run."""


class BatchTooLarge(ProviderError):
    """More than the provider takes in one batch. Nothing was sent."""

    fits: int = 0
    """So many items, from the first on, fit into one. 0 when not even the first does."""


class BatchProvider(Protocol):
    """One model's batches. Belongs to one event loop and is closed there."""

    async def submit(self, items: Iterable[BatchItem], *, key: str) -> BatchHandle:
        """Submit the items as one batch. They are taken one at a time and not kept.

        An item that cannot be said to this model is left out, and is an error among the results.

        Args:
            items: At least one, with different ids.
            key: Names this batch for `find`: unique, at most 512 characters, no secret.

        Raises:
            BatchTooLarge: The items do not fit into one batch.
            InvalidInput: Two items have the same id, or there is none.
            ProviderError: by kind. With `may_be_billed`, the batch may exist: see `find`.
        """
        ...

    async def find(
        self, key: str, items: Sequence[BatchItem] = (), *, since_ms: int = 0, known: Collection[str] = ()
    ) -> BatchHandle | None:
        """The batch that was submitted under this key; None when there is certainly none.

        A provider may list a batch some seconds after it has taken it: do not ask at once.

        Args:
            key: What `submit` was given.
            items: What it was given, so that `results` can tell which ones have none.
            since_ms: When it was first submitted; older batches are not looked at.
            known: Ids of batches that are known to be others, which is needed where a provider keeps no key.

        Raises:
            ProviderError: `UNAVAILABLE`, with `retry_after_seconds`, when that cannot be told yet: Anthropic
                keeps no key, and shows what a batch holds only once it has ended.
        """
        ...

    async def poll(self, handle: BatchHandle) -> BatchState:
        """How far it is.

        Raises:
            ProviderError: by kind; says nothing about the batch.
        """
        ...

    def results(
        self, handle: BatchHandle, requests: Mapping[str, Request] | None = None
    ) -> AsyncIterator[BatchResult]:
        """Every item's result, in any order, one at a time from the wire.

        An item without one is an error too: `MALFORMED` when the batch ran and left it out (it may have been
        billed), `TIMEOUT` when the batch ended before. May be called again; the results are the same.

        Args:
            handle: Of a batch that runs no longer.
            requests: Those still at hand, by id, to fill `Response.sent` and the notes on them.

        Raises:
            ProviderError: by kind, also in the middle, after some results: call again, expect those again.
                `UNAVAILABLE` while the batch runs.
        """
        ...

    async def cancel(self, handle: BatchHandle) -> None:
        """Ask for the end; `poll` until it comes. What has run by then is billed. Too late is no error.

        Raises:
            ProviderError: by kind.
        """
        ...

    async def forget(self, handle: BatchHandle) -> None:
        """Have the provider delete the texts it keeps (for 30 days else), once the results are on record.

        Raises:
            ProviderError: by kind; what is deleted already is no error.
        """
        ...

    async def close(self) -> None:
        """Close connections. The batches go on."""
        ...
