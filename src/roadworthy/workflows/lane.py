"""Looks after the provider-batch lane: `LaneKeeper.keep`, a duty of every worker.

    tidy      what nobody waits for any more is withdrawn, or noted as late
    group     requests that have waited long enough become a batch, together with its row, in one transaction
    submit    the batch goes to the provider under its id; after a crash it is looked for there first
    poll      until the provider is done; a batch that nobody waits for any more is cancelled
    store     results become attempts, are settled, and wake their runs, some hundred in a transaction

A batch is looked after by the worker that claims it and keeps renewing the claim. One that dies leaves it to
the next. Whatever was done already is found done: nothing is submitted, stored or billed twice.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from decimal import Decimal
from typing import TypeVar, cast

import sqlalchemy as sa

from roadworthy.calls import Lane, lane_store
from roadworthy.calls.lane_store import Batch, BatchStatus, LaneRequest, LaneStatus
from roadworthy.errors import DatabaseError, ErrorKind, NotFound, ProviderError
from roadworthy.models import Models
from roadworthy.models.provider_batch import (
    BatchHandle,
    BatchItem,
    BatchProvider,
    BatchResult,
    BatchState,
    BatchTooLarge,
)
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.store import runs

T = TypeVar("T")

_AT_ONCE = 200
_BATCHES_AT_ONCE = 4
_MOST_TICK_SECONDS, _LEAST_TICK_SECONDS = 5.0, 0.02
_GIVE_UP_MS = 3 * 86_400_000
"""A provider ends a batch within a day. One that cannot be read for so long will never be."""
_ENDS: Mapping[BatchState, BatchStatus] = {
    "done": BatchStatus.DONE,
    "failed": BatchStatus.FAILED,
    "expired": BatchStatus.EXPIRED,
    "cancelled": BatchStatus.CANCELLED,
}

_log = logging.getLogger("roadworthy.workflows")


class LaneKeeper:
    """The lane of a project, looked after by one worker."""

    def __init__(self, parts: Parts, models: Models, lane: Lane, doorbell: Doorbell, worker_id: str) -> None:
        self._parts = parts
        self._models = models
        self._lane = lane
        self._doorbell = doorbell
        self._worker_id = worker_id
        self._settings = parts.settings.provider_batch
        self._environment = parts.settings.environment

    @property
    def every_seconds(self) -> float:
        """How often `keep` should be called."""
        shortest = min(self._settings.submit_after_seconds, self._settings.poll_seconds) / 2
        return min(_MOST_TICK_SECONDS, max(_LEAST_TICK_SECONDS, shortest))

    async def keep(self) -> None:
        """Do what is to be done now."""
        await self._tidy()
        await self._group()
        claimed: list[Batch] = []
        while len(claimed) < _BATCHES_AT_ONCE:
            batch = await self._write(
                lambda tx: lane_store.claim(
                    tx, self._environment, self._worker_id, self._now_ms, self._claim_until
                )
            )
            if batch is None:
                break
            claimed.append(batch)
        for outcome in await asyncio.gather(
            *(self._look_after(batch) for batch in claimed), return_exceptions=True
        ):
            if outcome is not None:
                raise outcome

    # What nobody waits for

    async def _tidy(self) -> None:
        environment = self._environment

        def tidy(tx: sa.Connection) -> int:
            lane_store.give_up_of_ended_runs(tx, environment)
            unwanted = lane_store.to_withdraw(tx, environment, self._now_ms, _AT_ONCE)
            for request in unwanted:
                self._lane.withdraw(tx, request, self._now_ms)
            runs.wake(tx, [one.run_id for one in unwanted], self._now_ms)
            return len(unwanted)

        if await self._parts.database.read(lambda tx: lane_store.is_untidy(tx, environment, self._now_ms)):
            while await self._write(tidy) == _AT_ONCE:
                pass

    # Submitting

    async def _group(self) -> None:
        now_ms, most = self._now_ms, self._settings.max_requests
        for model, count, since in await self._parts.database.read(
            lambda tx: lane_store.waiting(tx, self._environment)
        ):
            if count < most and now_ms < since + self._settings.submit_after_seconds * 1000:
                continue
            await self._make(model)

    async def _make(self, model: str) -> None:
        batch_id = self._parts.ids.new("pbatch")
        await self._write(
            lambda tx: lane_store.group(
                tx,
                batch_id,
                self._environment,
                model,
                most=self._settings.max_requests,
                now_ms=self._now_ms,
            )
        )

    async def _look_after(self, batch: Batch) -> None:
        try:
            target = self._models.target(batch.model)
            provider = await target.batch()
            if provider is None:
                _log.warning("batch %s cannot be looked after: %s has no batches now", batch.id, batch.model)
                await self._later(batch)
                return
            async with self._held(batch):
                if batch.state is BatchStatus.SUBMITTING:
                    await self._submit(batch, provider)
                else:
                    await self._poll(batch, provider)
        except ProviderError as error:
            if self._now_ms > batch.made_at + _GIVE_UP_MS:
                await self._lost(batch, error)
                return
            _log.warning("batch %s is looked at again later: %s", batch.id, error)
            await self._later(batch, error)
        except NotFound as error:
            _log.warning("batch %s cannot be looked after: %s", batch.id, error)
            await self._later(batch)

    async def _submit(self, batch: Batch, provider: BatchProvider) -> None:
        requests = await self._parts.database.read(lambda tx: lane_store.requests_of(tx, batch.id))
        handle = await self._find(batch, provider, requests)
        if handle is not None:
            await self._submitted(batch, provider, handle, len(requests))
            return
        late = [one for one in requests if one.status is LaneStatus.LATE]
        wanted = [one for one in requests if one.status is LaneStatus.SUBMITTED]
        if late:
            await self._write(lambda tx: self._never_sent(tx, late))
        if not wanted:
            await self._write(
                lambda tx: lane_store.close(tx, batch.id, BatchStatus.CANCELLED, self._now_ms, None)
            )
            return
        if not await self._write(lambda tx: lane_store.trying(tx, batch.id, self._worker_id, self._now_ms)):
            return  # another worker has taken it over
        try:
            handle = await provider.submit(self._items(wanted), key=batch.id)
        except BatchTooLarge as error:
            await self._too_large(batch, wanted, error)
        except ProviderError as error:
            if not error.may_be_billed and not error.kind.retryable:
                await self._refused(batch, wanted, error)
                return
            if not error.may_be_billed:
                await self._write(lambda tx: lane_store.not_sent(tx, batch.id, self._worker_id))
            raise
        else:
            await self._submitted(batch, provider, handle, len(wanted))

    async def _find(
        self, batch: Batch, provider: BatchProvider, requests: Sequence[LaneRequest]
    ) -> BatchHandle | None:
        """The batch at the provider, where it may be already."""
        if batch.tried_at is None:
            return None
        known = await self._parts.database.read(lambda tx: lane_store.others_at_provider(tx, batch))
        return await provider.find(
            batch.id, list(self._items(requests)), since_ms=batch.tried_at, known=known
        )

    async def _submitted(
        self, batch: Batch, provider: BatchProvider, handle: BatchHandle, count: int
    ) -> None:
        now_ms = self._now_ms
        first_look = now_ms + self._poll_ms
        if await self._write(
            lambda tx: lane_store.submitted(tx, batch.id, self._worker_id, handle, now_ms, first_look)
        ):
            self._parts.telemetry.emit(
                "lane.submitted",
                provider_batch_id=batch.id,
                model=batch.model,
                provider=self._provider(batch),
                requests=count,
                waited_seconds=(now_ms - batch.made_at) / 1000,
            )
            return
        other = await self._parts.database.read(lambda tx: lane_store.handle_of(tx, batch.id))
        if other is not None and other != handle:  # this worker stood still, and another one submitted too
            _log.warning("batch %s was submitted twice; the second one is cancelled", batch.id)
            await provider.cancel(handle)

    async def _too_large(self, batch: Batch, wanted: Sequence[LaneRequest], error: BatchTooLarge) -> None:
        """The rest waits for a batch of its own; one that does not fit alone goes on live."""
        if not error.fits:
            await self._store(wanted[:1], [BatchResult(wanted[0].id, error=error)])
        ids = [one.id for one in wanted[max(1, error.fits) :]] if error.fits else []
        await self._write(lambda tx: lane_store.put_back(tx, batch.id, ids))
        await self._write(lambda tx: lane_store.not_sent(tx, batch.id, self._worker_id))
        await self._write(lambda tx: lane_store.look_again(tx, batch.id, self._worker_id, self._now_ms))

    async def _refused(self, batch: Batch, wanted: Sequence[LaneRequest], error: ProviderError) -> None:
        """Nothing was sent, and nothing will be: the calls go on live."""
        tally = _Tally()
        for chunk in _chunks(wanted):
            await self._store(chunk, [BatchResult(one.id, error=error) for one in chunk], tally)
        await self._close(batch, BatchStatus.FAILED, tally, error.kind)

    def _items(self, requests: Sequence[LaneRequest]) -> Iterator[BatchItem]:
        return (BatchItem(one.id, self._lane.request_of(one)) for one in requests)

    def _never_sent(self, tx: sa.Connection, late: Sequence[LaneRequest]) -> None:
        for request in late:
            self._lane.never_sent(tx, request, self._now_ms)

    # Results

    async def _poll(self, batch: Batch, provider: BatchProvider) -> None:
        handle = batch.handle
        assert handle is not None  # noqa: S101 - it is stored with the state
        state = await provider.poll(handle)
        if state == "running":
            await self._still_runs(batch, provider, handle)
            return
        tally = _Tally()
        await self._read(batch, provider, handle, tally)
        await self._left_out(batch, tally)
        await self._close(batch, _ENDS[state], tally, None)
        with suppress(ProviderError):  # it deletes them by itself in time
            await provider.forget(handle)

    async def _still_runs(self, batch: Batch, provider: BatchProvider, handle: BatchHandle) -> None:
        cancelled_at: int | None = None
        wanted = await self._parts.database.read(lambda tx: lane_store.is_wanted(tx, batch.id))
        if not wanted and batch.cancelled_at is None:
            await provider.cancel(handle)
            cancelled_at = self._now_ms
        next_at = self._now_ms + self._poll_ms
        await self._write(
            lambda tx: lane_store.look_again(
                tx, batch.id, self._worker_id, next_at, cancelled_at=cancelled_at
            )
        )

    async def _read(
        self, batch: Batch, provider: BatchProvider, handle: BatchHandle, tally: "_Tally"
    ) -> None:
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

    async def _store_some(self, batch: Batch, results: Sequence[BatchResult], tally: "_Tally") -> None:
        ids = [one.custom_id for one in results]
        if ids:
            found = await self._parts.database.read(lambda tx: lane_store.some_of(tx, batch.id, ids))
            known = [one for one in results if one.custom_id in found]
            await self._store([found[one.custom_id] for one in known], known, tally)

    async def _left_out(self, batch: Batch, tally: "_Tally") -> None:
        """What the results do not account for at all, although they should."""
        rest = await self._parts.database.read(lambda tx: lane_store.requests_of(tx, batch.id))
        for chunk in _chunks(rest):
            await self._store(chunk, [BatchResult(one.id) for one in chunk], tally)

    async def _lost(self, batch: Batch, error: ProviderError) -> None:
        """The provider has not been able to say anything about the batch for days; it may have billed it."""
        tally = _Tally()
        await self._left_out(batch, tally)
        await self._close(batch, BatchStatus.FAILED, tally, error.kind)

    async def _store(
        self,
        requests: Sequence[LaneRequest],
        results: Sequence[BatchResult],
        tally: "_Tally | None" = None,
    ) -> None:
        """Everything that came of these requests, in one transaction, and their runs are due."""
        if not requests:
            return
        ended = await asyncio.to_thread(
            lambda: [self._lane.ended(one, result) for one, result in zip(requests, results, strict=True)]
        )
        ended.sort(key=lambda one: one.request.run_id)  # rows are locked in the same order by all
        now_ms = self._now_ms

        def store(tx: sa.Connection) -> dict[str, LaneStatus]:
            stored = self._lane.record(tx, ended, now_ms)
            runs.wake(tx, [one.request.run_id for one in ended if one.request.id in stored], now_ms)
            return stored

        stored = await self._write(store)
        self._doorbell.work.set()
        for one in ended:
            if one.request.id in stored:
                self._lane.report(one)
                if tally is not None:
                    tally.add(stored[one.request.id], one.attempt.cost_usd)

    async def _close(
        self, batch: Batch, state: BatchStatus, tally: "_Tally", error_kind: ErrorKind | None
    ) -> None:
        now_ms, kind = self._now_ms, None if error_kind is None else str(error_kind)
        if await self._write(lambda tx: lane_store.close(tx, batch.id, state, now_ms, kind)):
            self._parts.telemetry.emit(
                "lane.finished",
                provider_batch_id=batch.id,
                model=batch.model,
                provider=self._provider(batch),
                state=str(state),
                error_kind=kind,
                duration_seconds=(now_ms - batch.made_at) / 1000,
                answered=tally.counts[LaneStatus.ANSWERED],
                failed=tally.counts[LaneStatus.FAILED],
                late=tally.counts[LaneStatus.LATE],
                cost_usd=tally.cost_usd,
            )

    # The claim

    @asynccontextmanager
    async def _held(self, batch: Batch) -> AsyncGenerator[None]:
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
                    lambda tx: lane_store.renew(tx, batch.id, self._worker_id, self._claim_until)
                )

    async def _later(self, batch: Batch, error: ProviderError | None = None) -> None:
        pause = max(self._settings.poll_seconds, (error and error.retry_after_seconds) or 0.0)
        next_at = self._now_ms + int(pause * 1000)
        await self._write(lambda tx: lane_store.look_again(tx, batch.id, self._worker_id, next_at))

    def _provider(self, batch: Batch) -> str:
        return self._models.target(batch.model).provider

    @property
    def _now_ms(self) -> int:
        return self._parts.clock.now_ms()

    @property
    def _poll_ms(self) -> int:
        return int(self._settings.poll_seconds * 1000)

    @property
    def _claim_until(self) -> int:
        return self._now_ms + int(self._parts.settings.workers.dead_after_seconds * 1000)

    async def _write(self, work: Callable[[sa.Connection], T]) -> T:
        # A transaction that was begun is waited for: whoever looks after the batch next builds on it.
        return await asyncio.shield(self._parts.database.write(work))


class _Tally:
    """What a batch came to."""

    def __init__(self) -> None:
        self.counts: Counter[LaneStatus] = Counter()
        self.cost_usd = Decimal(0)

    def add(self, status: LaneStatus, cost_usd: Decimal) -> None:
        self.counts[status] += 1
        self.cost_usd += cost_usd


def _chunks(requests: Sequence[LaneRequest]) -> Iterator[Sequence[LaneRequest]]:
    return (requests[start : start + _AT_ONCE] for start in range(0, len(requests), _AT_ONCE))
