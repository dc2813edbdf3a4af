"""The way into the lane: `Entry.collect`."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from roadworthy.calls.admission import Collected
from roadworthy.calls.admit import Admissions
from roadworthy.calls.ask import Asker
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.lane.packing import dump_request
from roadworthy.calls.lane.request import PROVIDER_BATCH, LaneRequest, LaneStatus
from roadworthy.calls.lane.store import requests
from roadworthy.calls.plan import Plan
from roadworthy.calls.rungs import PutOff
from roadworthy.db import Database, pack
from roadworthy.errors import ErrorKind, ProviderError, TryLater
from roadworthy.models import Message, Target
from roadworthy.records import Clock
from roadworthy.settings import Settings

_SETTLED_WITHIN_SECONDS = 176_400
"""A provider ends a batch within a day, Google within two; what is set aside for it stays an hour longer."""
_FULL_SECONDS = 0.2


class Entry:
    """Collects calls that can wait."""

    def __init__(
        self, *, settings: Settings, database: Database, clock: Clock, admissions: Admissions, asker: Asker
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._admissions = admissions
        self._asker = asker
        self._full: tuple[float, bool] = (float("-inf"), False)

    async def collect(
        self, call: Call[Any], plan: Plan, messages: tuple[Message, ...], progress: Progress
    ) -> PutOff | None:
        """Have the call wait for the provider's batch; None: ask it live.

        What is stored for it goes with the transaction that records the call.
        """
        until, now_ms = call.collect_until, self._clock.now_ms()
        if until is None or until <= now_ms or call.run_id is None or call.step_id is None:
            return None
        target = await self._with_batches(plan, progress)
        if target is None or await self._is_full():
            return None
        seconds = (until - now_ms) / 1000 + _SETTLED_WITHIN_SECONDS
        attempt = self._asker.attempt(call, target, messages, progress, "first", seconds)
        attempt.lane = PROVIDER_BATCH
        own = call.step_id.partition("_")[2]  # whoever does the step again after a crash makes the same one
        needed = self._admissions.for_batch(call, progress, attempt, seconds, f"hold_{own}")
        if isinstance(needed, Skip):
            progress.skip(needed)
            return None
        request = LaneRequest(
            id=f"lane_{own}",
            environment=progress.environment,
            model=target.name,
            run_id=call.run_id,
            step_id=call.step_id,
            call_id=progress.id,
            made_at=attempt.started_at,
            due_at=until,
            hold=needed.admission if needed is not None else None,
            request=pack(dump_request(attempt.request)),
        )
        progress.call = replace(call, lane=PROVIDER_BATCH)
        progress.keep = lambda tx: _add(tx, request, needed, now_ms)
        waits = TryLater("The call waits in the provider's batch.", retry_after_seconds=0.0)
        return PutOff("batch", waits, promised_until=until, request_id=request.id, collected=attempt)

    async def _with_batches(self, plan: Plan, progress: Progress) -> Target | None:
        """The first model of the plan whose provider has a batch API."""
        for target in plan.targets:
            try:
                if await target.batch() is not None:
                    return target
            except ProviderError as error:
                progress.skip(Skip(f"batch:{target.name}", error.kind, error.message))
        return None

    async def _is_full(self) -> bool:
        now, environment = self._clock.monotonic(), self._settings.environment
        if now - self._full[0] > _FULL_SECONDS:
            most = self._settings.provider_batch.max_waiting
            full = await self._database.read(lambda tx: requests.is_full(tx, environment, most))
            self._full = (now, full)
        return self._full[1]


def _add(tx: sa.Connection, request: LaneRequest, needed: Collected | None, now_ms: int) -> None:
    """Store a request with what is set aside for it: neither is ever there without the other.

    Where a budget has no room, its call goes on live at once, and meets the answer of its route to that.
    """
    if requests.add(tx, request) and needed is not None and not needed.take(tx):
        refused: dict[str, Any] = {"ended_at": now_ms, "error_kind": ErrorKind.OVER_BUDGET.value}
        refused |= {"request": None, "hold": None}
        requests.move(tx, request.id, LaneStatus.WAITING, LaneStatus.WITHDRAWN, **refused)
