"""What a batch at its provider comes to: `Collector.poll`, and how it is stored."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from decimal import Decimal
from typing import cast

import sqlalchemy as sa

from roadworthy.calls.lane import Batch, BatchStatus, LaneRequest, LaneStatus, Results
from roadworthy.calls.lane.store import batches, requests
from roadworthy.errors import ErrorKind, ProviderError
from roadworthy.models.provider_batch import BatchHandle, BatchProvider, BatchResult, BatchState
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.lane.claims import Claims
from roadworthy.workflows.store import runs

_AT_ONCE = 200
_ENDS: Mapping[BatchState, BatchStatus] = {
    "done": BatchStatus.DONE,
    "failed": BatchStatus.FAILED,
    "expired": BatchStatus.EXPIRED,
    "cancelled": BatchStatus.CANCELLED,
}


class Tally:
    """What a batch came to."""

    def __init__(self) -> None:
        self.counts: Counter[LaneStatus] = Counter()
        self.cost_usd = Decimal(0)

    def add(self, status: LaneStatus, cost_usd: Decimal) -> None:
        """Count one request."""
        self.counts[status] += 1
        self.cost_usd += cost_usd


class Collector:
    """Reads what batches bring, and stores it."""

    def __init__(self, parts: Parts, lane: Results, claims: Claims, doorbell: Doorbell) -> None:
        self._parts = parts
        self._lane = lane
        self._claims = claims
        self._doorbell = doorbell

    async def poll(self, batch: Batch, provider: BatchProvider) -> None:
        """See whether the provider is done, and store what it has."""
        handle = batch.handle
        assert handle is not None  # noqa: S101 - it is stored with the state
        state = await provider.poll(handle)
        if state == "running":
            await self._still_runs(batch, provider, handle)
            return
        tally = Tally()
        await self._read(batch, provider, handle, tally)
        await self._left_out(batch, tally)
        await self.close(batch, _ENDS[state], tally, None)
        with suppress(ProviderError):  # it deletes them by itself in time
            await provider.forget(handle)

    async def _still_runs(self, batch: Batch, provider: BatchProvider, handle: BatchHandle) -> None:
        cancelled_at: int | None = None
        wanted = await self._parts.database.read(lambda tx: batches.is_wanted(tx, batch.id))
        if not wanted and batch.cancelled_at is None:
            await provider.cancel(handle)
            cancelled_at = self._claims.now_ms
        next_at = self._claims.now_ms + self._claims.poll_ms
        await self._claims.write(
            lambda tx: batches.look_again(
                tx, batch.id, self._claims.worker_id, next_at, cancelled_at=cancelled_at
            )
        )

    async def _read(self, batch: Batch, provider: BatchProvider, handle: BatchHandle, tally: Tally) -> None:
        """Store the results as they come; what came before an error is kept."""
        chunk: list[BatchResult] = []
        try:
            results = cast("AsyncGenerator[BatchResult]", provider.results(handle))
            async with aclosing(results):
                async for result in results:
                    chunk.append(result)
                    if len(chunk) >= _AT_ONCE:
                        full, chunk = chunk, []
                        await self._store_some(batch, full, tally)
        finally:
            await self._store_some(batch, chunk, tally)

    async def _store_some(self, batch: Batch, results: Sequence[BatchResult], tally: Tally) -> None:
        ids = [one.custom_id for one in results]
        if ids:
            found = await self._parts.database.read(lambda tx: requests.some_of(tx, batch.id, ids))
            known = [one for one in results if one.custom_id in found]
            await self.store([found[one.custom_id] for one in known], known, tally)

    async def _left_out(self, batch: Batch, tally: Tally) -> None:
        """What the results do not account for at all, although they should."""
        rest = await self._parts.database.read(lambda tx: requests.requests_of(tx, batch.id))
        for chunk in in_chunks(rest):
            await self.store(chunk, [BatchResult(one.id) for one in chunk], tally)

    async def lost(self, batch: Batch, error: ProviderError) -> None:
        """The provider has not been able to say anything about the batch for days; it may have billed it."""
        tally = Tally()
        await self._left_out(batch, tally)
        await self.close(batch, BatchStatus.FAILED, tally, error.kind)

    async def store(
        self,
        requests: Sequence[LaneRequest],
        results: Sequence[BatchResult],
        tally: Tally | None = None,
    ) -> None:
        """Everything that came of these requests, in one transaction, and their runs are due."""
        if not requests:
            return
        ended = await asyncio.to_thread(
            lambda: [self._lane.ended(one, result) for one, result in zip(requests, results, strict=True)]
        )
        ended.sort(key=lambda one: one.request.run_id)  # rows are locked in the same order by all
        now_ms = self._claims.now_ms

        def store(tx: sa.Connection) -> dict[str, LaneStatus]:
            stored = self._lane.record(tx, ended, now_ms)
            runs.wake(tx, [one.request.run_id for one in ended if one.request.id in stored], now_ms)
            return stored

        stored = await self._claims.write(store)
        self._doorbell.work.set()
        for one in ended:
            if one.request.id in stored:
                self._lane.report(one)
                if tally is not None:
                    tally.add(stored[one.request.id], one.attempt.cost_usd)

    async def close(
        self, batch: Batch, state: BatchStatus, tally: Tally, error_kind: ErrorKind | None
    ) -> None:
        """End the batch, and report what it came to."""
        now_ms, kind = self._claims.now_ms, None if error_kind is None else str(error_kind)
        if await self._claims.write(lambda tx: batches.close(tx, batch.id, state, now_ms, kind)):
            self._parts.telemetry.emit(
                "lane.finished",
                provider_batch_id=batch.id,
                model=batch.model,
                provider=self._claims.provider(batch),
                state=str(state),
                error_kind=kind,
                duration_seconds=(now_ms - batch.made_at) / 1000,
                answered=tally.counts[LaneStatus.ANSWERED],
                failed=tally.counts[LaneStatus.FAILED],
                late=tally.counts[LaneStatus.LATE],
                cost_usd=tally.cost_usd,
            )


def in_chunks(requests: Sequence[LaneRequest]) -> Iterator[Sequence[LaneRequest]]:
    """Some hundred at a time."""
    return (requests[start : start + _AT_ONCE] for start in range(0, len(requests), _AT_ONCE))
