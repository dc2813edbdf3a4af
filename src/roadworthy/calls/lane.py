"""The provider-batch lane of calls: what a call leaves there, and what it takes up again.

    collect    a call that can wait becomes a row: the request, what is set aside for it, its deadline
    record     what a batch brought is an attempt of its call: priced as a batch, settled, on record at once
    take       the run goes on with it; what has not come by the deadline is asked live

Between the first and the last, the call is held by no process. An answer is paid for when the batch brings
it, so that is when it is recorded, also if nobody takes it any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from roadworthy.calls import lane_store, store
from roadworthy.calls.admit import Admissions
from roadworthy.calls.ask import Asker, Said
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.call import Call, CallStatus, Progress, Skip
from roadworthy.calls.lane_store import LaneRequest, LaneStatus
from roadworthy.calls.plan import Plan
from roadworthy.calls.rungs import PutOff
from roadworthy.db import Database, pack, unpack
from roadworthy.errors import (
    ErrorKind,
    InvalidAnswer,
    NotFound,
    ProviderError,
    RoadworthyError,
    TryLater,
)
from roadworthy.models import Message, Models, Request, Response, Target
from roadworthy.models.provider_batch import BatchResult
from roadworthy.records import Clock, Json, Usage, from_micro_usd
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry
from roadworthy.telemetry.failures import kind_of

T = TypeVar("T")

PROVIDER_BATCH = "provider-batch"
"""The lane's name."""

_SETTLED_WITHIN_SECONDS = 90_000
"""A provider ends a batch within a day; what is set aside for it stays an hour longer."""
_FULL_SECONDS = 0.2
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
        if status in (LaneStatus.LATE, LaneStatus.WITHDRAWN):
            return "deadline"
        return self.request.error_kind or "missing"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a batch brought for one request, ready to be stored."""

    request: LaneRequest
    attempt: Attempt
    result: bytes | None


class Lane:
    """The lane of a project's calls."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        admissions: Admissions,
        asker: Asker,
    ) -> None:
        self._settings = settings
        self._models = models
        self._database = database
        self._telemetry = telemetry
        self._clock = clock
        self._admissions = admissions
        self._asker = asker
        self._full: tuple[float, bool] = (float("-inf"), False)

    # Into the lane

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
        hold = await self._admissions.admit(call, progress, attempt, seconds, hold_id=f"hold_{own}")
        if isinstance(hold, Skip):
            progress.skip(hold)
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
            hold=hold,
            request=pack(_dump_request(attempt.request)),
        )
        progress.call = replace(call, lane=PROVIDER_BATCH)
        progress.keep = lambda tx: lane_store.add(tx, request)
        waits = TryLater("The call waits in the provider's batch.", retry_after_seconds=0.0)
        return PutOff("batch", waits, promised_until=until, request_id=request.id)

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
            full = await self._database.read(lambda tx: lane_store.is_full(tx, environment, most))
            self._full = (now, full)
        return self._full[1]

    # What a batch brought

    def ended(self, request: LaneRequest, result: BatchResult) -> Ended:
        """The attempt that a result is. Reads the table of prices: call it in a thread."""
        target = self._models.target(request.model)
        attempt = Attempt(1, "first", target, _load_request(request.request), self._clock)
        attempt.lane, attempt.admission = PROVIDER_BATCH, request.hold
        waited = (attempt.started_at - request.made_at) / 1000
        attempt.started_at = request.made_at
        packed = None
        if result.response is not None:
            response = replace(result.response, sent=_dump_request(attempt.request))
            attempt.answered(response)
            attempt.succeeded()
            packed = pack(_dump_response(response))
        else:
            attempt.failed(result.error or _nothing(request))
        attempt.duration_seconds = max(0.0, waited)
        return Ended(request, attempt, packed)

    def record(self, tx: sa.Connection, ended: Sequence[Ended], now_ms: int) -> dict[str, LaneStatus]:
        """Store what came of requests and settle it, each once; the states of those that were stored now."""
        stored: dict[str, LaneStatus] = {}
        scrub = self._telemetry.scrubber.scrub
        settled: list[Attempt] = []
        for one in ended:
            attempt, request = one.attempt, one.request
            answered = attempt.response is not None
            status = LaneStatus.ANSWERED if answered else LaneStatus.FAILED
            became = lane_store.end(tx, request.id, status, one.result, attempt.error_kind, now_ms)
            if became is None:
                continue
            stored[request.id] = became
            if became is LaneStatus.LATE and answered:
                attempt.status = AttemptStatus.CANCELLED  # paid for, and nobody's answer
            store.add_attempt(tx, request.call_id, request.run_id, attempt, scrub)
            store.add_up(tx, request.call_id)
            settled.append(attempt)
        self._admissions.settle_together(tx, settled, now_ms)
        return stored

    def report(self, ended: Ended) -> None:
        """Report an attempt that is stored."""
        attempt, request = ended.attempt, ended.request
        about: dict[str, Any] = {
            "call_id": request.call_id,
            "run_id": request.run_id,
            "step_id": request.step_id,
            "number": attempt.number,
            "reason": attempt.reason,
            "model": attempt.target.name,
            "provider": attempt.target.provider,
            "duration_seconds": attempt.duration_seconds,
            "cost_usd": attempt.cost_usd,
            "input_tokens": attempt.usage.input_tokens,
            "output_tokens": attempt.usage.output_tokens,
            "cache_read_tokens": attempt.usage.cache_read_tokens,
            "cache_write_tokens": attempt.usage.cache_write_tokens,
        }
        self._admissions.overrun(attempt)
        if attempt.response is not None:
            reason = attempt.response.finish_reason
            self._telemetry.emit(
                "attempt.finished", **about, provider_model=attempt.served_model, finish_reason=reason
            )
        else:
            self._telemetry.emit(
                "attempt.failed",
                error=attempt.error,
                **about,
                error_kind=attempt.error_kind or "unknown",
                http_status=attempt.http_status,
            )

    def withdraw(self, tx: sa.Connection, request: LaneRequest, now_ms: int) -> bool:
        """Take a request back that was never submitted; what is set aside for it is free again."""
        return self._withdraw(tx, request, LaneStatus.WAITING, now_ms)

    def never_sent(self, tx: sa.Connection, request: LaneRequest, now_ms: int) -> bool:
        """The same for one whose batch turned out not to be at the provider, and that nobody waits for."""
        return self._withdraw(tx, request, LaneStatus.LATE, now_ms)

    def _withdraw(self, tx: sa.Connection, request: LaneRequest, came_from: LaneStatus, now_ms: int) -> bool:
        gone = lane_store.move(
            tx, request.id, came_from, LaneStatus.WITHDRAWN, ended_at=now_ms, request=None, batch_id=None
        )
        if gone and request.hold is not None:
            self._admissions.withdraw(tx, request.hold, now_ms)
        return gone

    def request_of(self, request: LaneRequest) -> Request:
        """What is asked of the model."""
        return _load_request(request.request)

    # Out of the lane

    async def take(self, request_id: str) -> Taken | None:
        """What came of a request; from now on its call is asked live, if nothing has. None: not on record."""
        now_ms = self._clock.now_ms()

        def take(tx: sa.Connection) -> Taken | None:
            request = lane_store.get(tx, request_id)
            if request is None:
                return None
            withdrawn = request.status is LaneStatus.WAITING and self.withdraw(tx, request, now_ms)
            if not withdrawn and request.status in (LaneStatus.WAITING, LaneStatus.SUBMITTED):
                lane_store.move(tx, request_id, LaneStatus.SUBMITTED, LaneStatus.LATE)
            began_at = lane_store.began_at(tx, request.call_id)
            attempts = tuple(lane_store.attempts_of(tx, request.call_id))
            again = lane_store.get(tx, request_id)
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
            store.add_up(tx, progress.id)
            if progress.status is not CallStatus.RUNNING:
                lane_store.move(tx, taken.request.id, LaneStatus.ANSWERED, LaneStatus.TAKEN, result=None)

        progress.also = also

    async def said(self, call: Call[T], taken: Taken, progress: Progress) -> Said[T] | None:
        """The batch's answer, checked as a live one is; None: the call goes on live."""
        fell_back = taken.why_live
        attempt = next((one for one in progress.attempts if one.lane == PROVIDER_BATCH), None)
        if fell_back is None and attempt is not None:
            attempt.response = _load_response(taken.request.result)
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
        await self._database.write(
            lambda tx: lane_store.not_valid(tx, progress.id, attempt.number, kind, message)
        )

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


def _nothing(request: LaneRequest) -> ProviderError:
    return ProviderError(
        f"A request to model {request.model!r} is not among its batch's results.",
        kind=ErrorKind.MALFORMED,
        may_be_billed=True,
    )


def _dump_request(request: Request) -> Json:
    return {
        "messages": [[one.role, one.text] for one in request.messages],
        "output_schema": cast("Json", request.output_schema),
        "output_name": request.output_name,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "stop": list(request.stop),
    }


def _load_request(packed: bytes | None) -> Request:
    told: dict[str, Any] = cast("Any", unpack(packed)) if packed is not None else {}
    messages = tuple(Message(role, text) for role, text in told.pop("messages", ()))
    stop = tuple(told.pop("stop", ()))
    return Request(messages, timeout_seconds=0, stop=stop, **told)


def _dump_response(response: Response) -> Json:
    """What the checks look at; the rest is with the attempt."""
    return {
        "text": response.text,
        "model": response.model,
        "finish_reason": response.finish_reason,
        "provider_request_id": response.provider_request_id,
    }


def _load_response(packed: bytes | None) -> Response:
    told: dict[str, Any] = cast("Any", unpack(packed or pack({})))
    return Response(**told, usage=Usage(), sent=None, received=None)
