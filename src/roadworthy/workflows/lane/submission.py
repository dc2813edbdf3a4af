"""A batch's way to its provider: `Submission.submit`."""

import logging
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from roadworthy.calls.lane import Batch, BatchStatus, LaneRequest, LaneStatus, Results
from roadworthy.calls.lane.store import batches, requests
from roadworthy.errors import ProviderError
from roadworthy.models.provider_batch import BatchHandle, BatchItem, BatchProvider, BatchResult, BatchTooLarge
from roadworthy.workflows.context import Parts
from roadworthy.workflows.lane.claims import Claims
from roadworthy.workflows.lane.results import Collector, Tally, in_chunks

_log = logging.getLogger("roadworthy.workflows")


class Submission:
    """Brings batches to providers, each once."""

    def __init__(self, parts: Parts, lane: Results, claims: Claims, results: Collector) -> None:
        self._parts = parts
        self._lane = lane
        self._claims = claims
        self._results = results

    async def submit(self, batch: Batch, provider: BatchProvider) -> None:
        """Bring the batch to the provider, once, or what is asked in it to the live lane."""
        unanswered = await self._parts.database.read(lambda tx: requests.requests_of(tx, batch.id))
        handle = await self._find(batch, provider, unanswered)
        if handle is not None:
            await self._submitted(batch, provider, handle, len(unanswered))
            return
        late = [one for one in unanswered if one.status is LaneStatus.LATE]
        wanted = [one for one in unanswered if one.status is LaneStatus.SUBMITTED]
        if late:
            await self._claims.write(lambda tx: self._never_sent(tx, late))
        if not wanted:
            await self._claims.write(
                lambda tx: batches.close(tx, batch.id, BatchStatus.CANCELLED, self._claims.now_ms, None)
            )
            return
        if not await self._claims.write(
            lambda tx: batches.trying(tx, batch.id, self._claims.worker_id, self._claims.now_ms)
        ):
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
                await self._claims.write(lambda tx: batches.not_sent(tx, batch.id, self._claims.worker_id))
            raise
        else:
            await self._submitted(batch, provider, handle, len(wanted))

    async def _find(
        self, batch: Batch, provider: BatchProvider, requests: Sequence[LaneRequest]
    ) -> BatchHandle | None:
        """The batch at the provider, where it may be already."""
        if batch.tried_at is None:
            return None
        known = await self._parts.database.read(lambda tx: batches.others_at_provider(tx, batch))
        return await provider.find(
            batch.id, list(self._items(requests)), since_ms=batch.tried_at, known=known
        )

    async def _submitted(
        self, batch: Batch, provider: BatchProvider, handle: BatchHandle, count: int
    ) -> None:
        now_ms = self._claims.now_ms
        first_look = now_ms + self._claims.poll_ms
        if await self._claims.write(
            lambda tx: batches.submitted(tx, batch.id, self._claims.worker_id, handle, now_ms, first_look)
        ):
            self._parts.telemetry.emit(
                "lane.submitted",
                provider_batch_id=batch.id,
                model=batch.model,
                provider=self._claims.provider(batch),
                requests=count,
                waited_seconds=(now_ms - batch.made_at) / 1000,
            )
            return
        other = await self._parts.database.read(lambda tx: batches.handle_of(tx, batch.id))
        if other is not None and other != handle:  # this worker stood still, and another one submitted too
            _log.warning("batch %s was submitted twice; the second one is cancelled", batch.id)
            await provider.cancel(handle)

    async def _too_large(self, batch: Batch, wanted: Sequence[LaneRequest], error: BatchTooLarge) -> None:
        """The rest waits for a batch of its own; one that does not fit alone goes on live."""
        if not error.fits:
            await self._results.store(wanted[:1], [BatchResult(wanted[0].id, error=error)])
        ids = [one.id for one in wanted[max(1, error.fits) :]] if error.fits else []
        await self._claims.write(lambda tx: batches.put_back(tx, batch.id, ids))
        await self._claims.write(lambda tx: batches.not_sent(tx, batch.id, self._claims.worker_id))
        await self._claims.write(
            lambda tx: batches.look_again(tx, batch.id, self._claims.worker_id, self._claims.now_ms)
        )

    async def _refused(self, batch: Batch, wanted: Sequence[LaneRequest], error: ProviderError) -> None:
        """Nothing was sent, and nothing will be: the calls go on live."""
        tally = Tally()
        for chunk in in_chunks(wanted):
            await self._results.store(chunk, [BatchResult(one.id, error=error) for one in chunk], tally)
        await self._results.close(batch, BatchStatus.FAILED, tally, error.kind)

    def _items(self, requests: Sequence[LaneRequest]) -> Iterator[BatchItem]:
        return (BatchItem(one.id, self._lane.request_of(one)) for one in requests)

    def _never_sent(self, tx: sa.Connection, late: Sequence[LaneRequest]) -> None:
        for request in late:
            self._lane.never_sent(tx, request, self._claims.now_ms)
