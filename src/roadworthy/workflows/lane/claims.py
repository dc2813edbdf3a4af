"""What one worker holds of the lane: `Claims`."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import sqlalchemy as sa

from roadworthy.calls.lane import Batch
from roadworthy.calls.lane.store import batches
from roadworthy.errors import DatabaseError, ProviderError
from roadworthy.models import Models
from roadworthy.workflows.context import Parts

T = TypeVar("T")


class Claims:
    """The claims of a worker on batches of the lane, and how it writes what it does with them."""

    def __init__(self, parts: Parts, models: Models, worker_id: str) -> None:
        self._parts = parts
        self._models = models
        self._settings = parts.settings.provider_batch
        self.worker_id = worker_id

    async def take(self) -> Batch | None:
        """A batch that has to be looked after now; None: there is none."""
        return await self.write(
            lambda tx: batches.claim(
                tx, self._parts.settings.environment, self.worker_id, self.now_ms, self._claim_until
            )
        )

    @asynccontextmanager
    async def held(self, batch: Batch) -> AsyncGenerator[None]:
        """Keep the claim while the block runs, however long that takes."""
        renewing = asyncio.create_task(self._renew(batch), name=f"roadworthy-claim-{batch.id}")
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, batch: Batch) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.workers.heartbeat_seconds)
            with suppress(DatabaseError):  # then it is tried again, or the claim is lost
                await self._parts.database.write(
                    lambda tx: batches.renew(tx, batch.id, self.worker_id, self._claim_until)
                )

    async def later(self, batch: Batch, error: ProviderError | None = None) -> None:
        """Leave a batch until its next poll, or until the provider wants to be asked again."""
        pause = max(self._settings.poll_seconds, (error and error.retry_after_seconds) or 0.0)
        next_at = self.now_ms + int(pause * 1000)
        await self.write(lambda tx: batches.look_again(tx, batch.id, self.worker_id, next_at))

    def provider(self, batch: Batch) -> str:
        """The kind of provider of its model."""
        return self._models.target(batch.model).provider

    @property
    def now_ms(self) -> int:
        """The time."""
        return self._parts.clock.now_ms()

    @property
    def poll_ms(self) -> int:
        """How long a batch is left alone between two polls."""
        return int(self._settings.poll_seconds * 1000)

    @property
    def _claim_until(self) -> int:
        return self.now_ms + int(self._parts.settings.workers.dead_after_seconds * 1000)

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Write, also while being stopped: whoever looks after the batch next builds on what was begun."""
        return await asyncio.shield(self._parts.database.write(work))
