"""What one provider's batch API has to do for `network`: say a line, create, look, list, cancel, delete.

A `Service` knows paths and fields. It does not know what a request or an answer means.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from roadworthy.errors import ErrorKind
from roadworthy.models.provider_batch import BatchState
from roadworthy.models.providers.batches.manifest import Manifest
from roadworthy.models.providers.batches.spool import Spool
from roadworthy.records import Json

CLOCKS_DIFFER_MS = 600_000
"""So much earlier than ours a provider's clock may say that something was created."""


@dataclass(frozen=True, slots=True)
class Created:
    """A batch as the provider names it."""

    id: str
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the service needs of it later."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the provider says about a batch."""

    state: BatchState
    batch: Mapping[str, Json]
    """Its words."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an item of a batch has no answer."""

    kind: ErrorKind
    says: str
    """What happened to the request, for example `was not run: its batch expired`."""
    may_be_billed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the results: an answer, or the cause that there is none."""

    custom_id: str
    status: int = 0
    """The HTTP status that a live request would have got."""
    body: Json = None
    """The body that a live request would have got."""
    request_id: tuple[str, str] | None = None
    """The header that a live request would have got its id in, and the id."""
    cause: Cause | None = None


class Service(Protocol):
    """One provider's batch API."""

    most_items: int
    """In one batch."""
    most_bytes: int
    """Of one batch's body."""
    opening: bytes
    between: bytes
    closing: bytes
    """What stands before, between and behind the lines."""

    def line(self, custom_id: str, body: bytes, key: str) -> bytes:
        """The line that asks for one request.

        Raises:
            ProviderError: The body would have the whole batch refused.
        """
        ...

    async def create(self, spool: Spool, key: str, betas: Collection[str]) -> Created:
        """Submit the body. `betas` are the features that the requests ask for in a header."""
        ...

    async def find(
        self, key: str, *, most_items: int | None, since_ms: int, known: Collection[str]
    ) -> Created | None:
        """The batch of this key, which has not more than so many items."""
        ...

    async def look(self, id_: str) -> Look:
        """How far the batch is."""
        ...

    def lines(self, look: Look) -> AsyncGenerator[Line]:
        """The results, as they come. What cannot be understood is left out."""
        ...

    async def manifest(self, look: Look) -> Manifest | None:
        """What the batch holds, where the provider can be asked for it."""
        ...

    def cause(self, look: Look, number: int) -> Cause | None:
        """Why the item of this number, from 1, was not run; None when the batch ran."""
        ...

    async def cancel(self, id_: str) -> None:
        """Ask for its end."""
        ...

    async def forget(self, look: Look) -> None:
        """Delete what is kept of it."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
