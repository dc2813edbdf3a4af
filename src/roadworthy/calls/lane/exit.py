"""The way out of the lane: `Exit.take` and what follows, with an answer or without."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa

from roadworthy.calls import hours, store
from roadworthy.calls.ask import Asker, Said
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.call import Call, CallStatus, Progress
from roadworthy.calls.lane.packing import load_response
from roadworthy.calls.lane.request import PROVIDER_BATCH, LaneRequest, LaneStatus
from roadworthy.calls.lane.results import Results
from roadworthy.calls.lane.store import calls, requests
from roadworthy.db import Database
from roadworthy.errors import ErrorKind, InvalidAnswer, NotFound, ProviderError, RoadworthyError
from roadworthy.models import Models, Request
from roadworthy.records import Clock, Usage, from_micro_usd
from roadworthy.telemetry import Telemetry
from roadworthy.telemetry.failures import kind_of

T = TypeVar("T")

_KINDS = frozenset(kind.value for kind in ErrorKind)
_NUMBERS = 100
"""Attempts of a call are counted on from the next hundred when a worker died in it: what it was doing then
may still be recorded."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that its run goes on with."""

    request: LaneRequest
    attempts: tuple[Any, ...]
    """The rows of what its call has tried."""
    began_at: int

    @property
    def why_live(self) -> str | None:
        """Why its call is asked live; None when there is an answer to look at."""
        status = self.request.status
        if status in (LaneStatus.ANSWERED, LaneStatus.TAKEN) and self.request.result is not None:
            return None
        if status is LaneStatus.WITHDRAWN:
            return self.request.error_kind or "deadline"
        if status is LaneStatus.LATE:
            return "deadline"
        return self.request.error_kind or "missing"


class Exit:
    """Has runs go on with what came of their requests."""

    def __init__(
        self,
        *,
        models: Models,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        asker: Asker,
        results: Results,
    ) -> None:
        self._models = models
        self._database = database
        self._telemetry = telemetry
        self._clock = clock
        self._asker = asker
        self._results = results

    async def take(self, request_id: str) -> Taken | None:
        """What came of a request; from now on its call is asked live, if nothing has. None: not on record."""
        now_ms = self._clock.now_ms()

        def take(tx: sa.Connection) -> Taken | None:
            request = requests.get(tx, request_id)
            if request is None:
                return None
            withdrawn = request.status is LaneStatus.WAITING and self._results.withdraw(tx, request, now_ms)
            if not withdrawn and request.status in (LaneStatus.WAITING, LaneStatus.SUBMITTED):
                requests.move(tx, request_id, LaneStatus.SUBMITTED, LaneStatus.LATE)
            began_at = calls.began_at(tx, request.call_id)
            attempts = tuple(calls.attempts_of(tx, request.call_id))
            again = requests.get(tx, request_id)
            return Taken(again or request, attempts, now_ms if began_at is None else began_at)

        return await self._database.write(take)

    def resume(self, progress: Progress, taken: Taken) -> None:
        """Bring a call to where it was: the batch, and what was tried live before a worker died."""
        step_attempt = progress.call.step_attempt or 1
        numbers = max([1, *(row.number for row in taken.attempts), _NUMBERS * (step_attempt - 1)])
        progress.go_on(taken.began_at, numbers)
        progress.touched = True
        progress.attempts += [
            attempt for row in taken.attempts if (attempt := self._attempt(row)) is not None
        ]

        def also(tx: sa.Connection) -> None:
            """The batch may bring its answer, and what that cost, at any moment."""
            store.add_up(tx, progress.id, self._clock.now_ms())
            if progress.status is not CallStatus.RUNNING:
                requests.move(tx, taken.request.id, LaneStatus.ANSWERED, LaneStatus.TAKEN, result=None)

        progress.also = also

    async def said(self, call: Call[T], taken: Taken, progress: Progress) -> Said[T] | None:
        """The batch's answer, checked as a live one is; None: the call goes on live."""
        fell_back = taken.why_live
        attempt = next((one for one in progress.attempts if one.lane == PROVIDER_BATCH), None)
        if fell_back is None and attempt is not None:
            attempt.response = load_response(taken.request.result)
            try:
                return await self._asker.checked(call, attempt.response, attempt)
            except (InvalidAnswer, ProviderError) as error:
                fell_back = kind_of(error)
                await self._not_valid(progress, attempt, error)
        self._telemetry.emit(
            "lane.fell_back",
            request_id=taken.request.id,
            call_id=progress.id,
            run_id=call.run_id,
            model=taken.request.model,
            reason=fell_back or "missing",
        )
        return None

    async def _not_valid(self, progress: Progress, attempt: Attempt, error: RoadworthyError) -> None:
        attempt.status, attempt.error = AttemptStatus.INVALID, error
        message = self._telemetry.scrubber.scrub(error.message)
        kind = kind_of(error)

        def note(tx: sa.Connection) -> None:
            calls.not_valid(tx, progress.id, attempt.number, kind, message)
            hours.changed(tx, progress.started_at, self._clock.now_ms())

        await self._database.write(note)

    def _attempt(self, row: Any) -> Attempt | None:
        """An attempt as it is on record; None of a model that the settings have no more."""
        try:
            target = self._models.target(row.model)
        except NotFound:
            return None
        empty = Request((), timeout_seconds=0)
        attempt = Attempt(row.number, row.reason, target, empty, self._clock)
        attempt.started_at, attempt.finished_at = row.started_at, row.finished_at
        attempt.status, attempt.lane, attempt.stored = AttemptStatus(row.status), row.lane, True
        attempt.usage = Usage(
            row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens
        )
        attempt.cost_usd, attempt.cost_source = from_micro_usd(row.cost_micro_usd), row.cost_source
        attempt.saved_usd = Decimal(row.saved_micro_usd) / 1_000_000
        if row.error_kind in _KINDS:
            attempt.error = ProviderError(row.error_message or "", kind=ErrorKind(row.error_kind))
        elif row.error_kind is not None:
            attempt.error = InvalidAnswer(row.error_message or "")
        return attempt
