"""What is to be done in the lane, and by which part: `LaneKeeper`."""

import asyncio
import logging

import sqlalchemy as sa

from roadworthy.calls.lane import Batch, BatchStatus, Lane
from roadworthy.calls.lane.store import batches, requests
from roadworthy.errors import NotFound, ProviderError
from roadworthy.models import Models
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.lane.claims import Claims
from roadworthy.workflows.lane.results import Collector
from roadworthy.workflows.lane.submission import Submission
from roadworthy.workflows.store import runs

_AT_ONCE = 200
_BATCHES_AT_ONCE = 4
_MOST_TICK_SECONDS, _LEAST_TICK_SECONDS = 5.0, 0.02
_GIVE_UP_MS = 3 * 86_400_000
"""A provider ends a batch within a day, Google within two. One that cannot be read for so long never will."""

_log = logging.getLogger("roadworthy.workflows")


class LaneKeeper:
    """The lane of a project, looked after by one worker."""

    def __init__(self, parts: Parts, models: Models, lane: Lane, doorbell: Doorbell, worker_id: str) -> None:
        self._parts = parts
        self._models = models
        self._lane = lane
        self._settings = parts.settings.provider_batch
        self._environment = parts.settings.environment
        self._claims = Claims(parts, models, worker_id)
        self._results = Collector(parts, lane.results, self._claims, doorbell)
        self._submission = Submission(parts, lane.results, self._claims, self._results)

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
            batch = await self._claims.take()
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
            requests.give_up_of_ended_runs(tx, environment)
            unwanted = requests.to_withdraw(tx, environment, self._claims.now_ms, _AT_ONCE)
            for request in unwanted:
                self._lane.results.withdraw(tx, request, self._claims.now_ms)
            runs.wake(tx, [one.run_id for one in unwanted], self._claims.now_ms)
            return len(unwanted)

        if await self._parts.database.read(
            lambda tx: requests.is_untidy(tx, environment, self._claims.now_ms)
        ):
            while await self._claims.write(tidy) == _AT_ONCE:
                pass

    # Submitting

    async def _group(self) -> None:
        now_ms, most = self._claims.now_ms, self._settings.max_requests
        for model, count, since in await self._parts.database.read(
            lambda tx: requests.waiting(tx, self._environment)
        ):
            if count < most and now_ms < since + self._settings.submit_after_seconds * 1000:
                continue
            await self._make(model)

    async def _make(self, model: str) -> None:
        batch_id = self._parts.ids.new("pbatch")
        await self._claims.write(
            lambda tx: batches.group(
                tx,
                batch_id,
                self._environment,
                model,
                most=self._settings.max_requests,
                now_ms=self._claims.now_ms,
            )
        )

    async def _look_after(self, batch: Batch) -> None:
        try:
            target = self._models.target(batch.model)
            provider = await target.batch()
            if provider is None:
                _log.warning("batch %s cannot be looked after: %s has no batches now", batch.id, batch.model)
                await self._claims.later(batch)
                return
            async with self._claims.held(batch):
                if batch.state is BatchStatus.SUBMITTING:
                    await self._submission.submit(batch, provider)
                else:
                    await self._results.poll(batch, provider)
        except ProviderError as error:
            if self._claims.now_ms > batch.made_at + _GIVE_UP_MS:
                await self._results.lost(batch, error)
                return
            _log.warning("batch %s is looked at again later: %s", batch.id, error)
            await self._claims.later(batch, error)
        except NotFound as error:
            _log.warning("batch %s cannot be looked after: %s", batch.id, error)
            await self._claims.later(batch)
