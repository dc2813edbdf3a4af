"""The record of a call: its rows in the database, its events, and what its spans say.

A failed attempt is stored at once; a valid answer in the transaction that ends its step, or in its own.
What was set aside for a request is settled in the transaction that stores its end. An answer that cost
nothing, outside of a step, is stored with others a moment later.
Texts of providers and models are cleaned before they become a column; secrets are removed from what a failure
left behind.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from roadworthy.calls import store
from roadworthy.calls.admit import Admissions
from roadworthy.calls.answer import Answer
from roadworthy.calls.attempt import Attempt, AttemptStatus
from roadworthy.calls.call import Call, CallStatus, Progress, Recording
from roadworthy.calls.rungs import Given, PutOff
from roadworthy.db import Database
from roadworthy.errors import DatabaseError, RoadworthyError
from roadworthy.records import Clock, Usage
from roadworthy.releases import exposure
from roadworthy.telemetry import Span, Telemetry
from roadworthy.telemetry.failures import kind_of

_SWEEP_SECONDS, _OWED_SECONDS = 60.0, 5.0
_CANCELLED_SECONDS = 5.0
"""How long a cancelled call waits for its record; the write itself goes on."""
_GATHER_SECONDS = 0.05
"""For so long records of answers that cost nothing are gathered into one transaction."""
_USUAL_SECONDS = 300.0

_log = logging.getLogger("roadworthy.calls")


class Recorder:
    """Stores calls and reports their events. One for a project."""

    def __init__(
        self, *, database: Database, telemetry: Telemetry, clock: Clock, admissions: Admissions
    ) -> None:
        self._database = database
        self._telemetry = telemetry
        self._clock = clock
        self._admissions = admissions
        self._swept: float | None = None
        self._usual: dict[str, tuple[float, int]] = {}
        self._storing = asyncio.Lock()
        self._gathered: list[Callable[[sa.Connection], None]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def sweep(self) -> None:
        """Close calls whose process died, now and then, and charge what was set aside for their requests."""
        now = self._clock.monotonic()
        every = _OWED_SECONDS if self._admissions.owes else _SWEEP_SECONDS
        if self._swept is None or now - self._swept >= every:
            self._swept = now
            await self._admissions.expire()
            await self._database.write(lambda tx: store.close_overdue(tx, self._clock.now_ms()))

    async def usual_cost_micro_usd(self, call: Call[Any]) -> int:
        """What a call of this prompt usually costs: the mean of those on record; 0 while none is."""
        prompt_id, now = call.version.prompt_id, self._clock.monotonic()
        known = self._usual.get(prompt_id)
        if known is None or now - known[0] > _USUAL_SECONDS:
            usual = await self._database.read(lambda tx: store.usual_cost_micro_usd(tx, prompt_id))
            known = self._usual[prompt_id] = (now, usual)
        return known[1]

    async def flush(self) -> None:
        """Store what was gathered; what another task is just storing is stored as well when this is over."""
        async with self._storing:
            while self._gathered:
                gathered, self._gathered = self._gathered, []
                await asyncio.shield(self._database.write(lambda tx, works=gathered: _all(tx, works)))

    def attempt_ended(self, progress: Progress, attempt: Attempt, span: Span) -> None:
        """Report an attempt that has just ended."""
        response, error = attempt.response, attempt.error
        kind = attempt.error_kind
        span.set(
            status=attempt.status,
            error_kind=kind,
            http_status=attempt.http_status,
            response_model=attempt.served_model if response is not None else None,
            response_id=attempt.provider_request_id,
            finish_reason=response.finish_reason if response is not None else None,
            usage=attempt.usage,
            cost_usd=attempt.cost_usd,
            cost_source=attempt.cost_source or None,
            temperature=attempt.request.temperature,
            max_tokens=attempt.request.max_tokens,
            seed=attempt.request.seed,
        )
        about: dict[str, Any] = {
            "call_id": progress.id,
            "run_id": progress.call.run_id,
            "step_id": progress.call.step_id,
            "number": attempt.number,
            "reason": attempt.reason,
            "model": attempt.target.name,
            "provider": attempt.target.provider,
            "duration_seconds": attempt.duration_seconds,
            "cost_usd": attempt.cost_usd,
            **_tokens(attempt.usage),
        }
        if attempt.status is AttemptStatus.SUCCEEDED and response is not None:
            about |= {"provider_model": attempt.served_model, "finish_reason": response.finish_reason}
            self._telemetry.emit("attempt.finished", **about)
        else:
            about |= {"error_kind": kind, "http_status": attempt.http_status}
            self._telemetry.emit("attempt.failed", error=error, **about)

    async def so_far(self, progress: Progress) -> None:
        """Store what has ended; the call itself goes on."""
        fresh = [attempt for attempt in progress.ended if not attempt.stored]
        writing = asyncio.ensure_future(self._database.write(self._rows(progress)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:  # how the call ends is stored next, and must not be overtaken by this
            await asyncio.wait([writing], timeout=_CANCELLED_SECONDS)
            raise
        progress.touched = True
        for attempt in fresh:
            attempt.stored = True
        self._admissions.settled(fresh)

    async def succeeded(self, progress: Progress, answer: Answer[Any], given: Given[Any]) -> None:
        """Store a call that has its answer, or have it stored with the step."""
        progress.status = CallStatus.SUCCEEDED
        write = self._rows(progress, answer, given)
        if progress.call.commit is not None:
            progress.call.commit(self._recording(progress, write))
        elif progress.attempts:
            await self._write(progress, write)
        else:
            self._gather(write)
        self._telemetry.emit(
            "call.finished",
            **_about(progress),
            rung=answer.rung,
            model=answer.model or None,
            provider=given.attempt.target.provider if given.attempt is not None else None,
            duration_seconds=answer.latency_seconds,
            degraded=answer.degraded,
            saved_usd=answer.saved_usd,
        )

    async def put_off(self, progress: Progress, put_off: PutOff) -> None:
        """Store a call that waits for better times, for a person, or for the provider's batch."""
        progress.status = CallStatus.PUT_OFF
        collected = put_off.rung == "batch"
        write = self._rows(progress, error=None if collected else put_off.error, rung=put_off.rung)
        if progress.call.commit is not None:
            progress.call.commit(self._recording(progress, write, put_off.collected))
        else:
            await self._write(progress, write)
        if collected:
            return
        self._telemetry.emit(
            "call.put_off",
            error=put_off.error,
            **_about(progress),
            rung=put_off.rung,
            error_kind=_kind(put_off.error),
            duration_seconds=progress.duration_seconds,
        )

    async def failed(self, progress: Progress, error: BaseException) -> None:
        """Store a call that ends without an answer."""
        cancelled = isinstance(error, asyncio.CancelledError)
        progress.status = CallStatus.CANCELLED if cancelled else CallStatus.FAILED
        write = self._rows(progress, error=error)
        if cancelled:
            await self._write_on_leaving(progress, write)
        elif isinstance(error, DatabaseError):  # which has waited for the database long enough
            self._owe(progress, CallStatus.FAILED, error)
        else:
            await self._write(progress, write)
        self._telemetry.emit(
            "call.failed",
            error=error,
            **_about(progress),
            error_kind=_kind(error),
            duration_seconds=progress.duration_seconds,
        )

    def _rows(
        self,
        progress: Progress,
        answer: Answer[Any] | None = None,
        given: Given[Any] | None = None,
        *,
        error: BaseException | None = None,
        rung: str | None = None,
    ) -> Callable[[sa.Connection], None]:
        """The write that brings the database up to where the call is now."""
        call, now_ms = progress.call, self._clock.now_ms()
        scrub = self._telemetry.scrubber.scrub
        ended = progress.status is not CallStatus.RUNNING
        attempt = given.attempt if given is not None else None
        row = store.CallRow(
            progress,
            status=progress.status,
            rung=answer.rung if answer is not None else rung,
            rule=given.rule if given is not None else None,
            model=(answer.model or None) if answer is not None else None,
            provider=attempt.target.provider if attempt is not None else None,
            stale=answer.stale if answer is not None else False,
            degraded=answer.degraded if answer is not None else progress.degraded,
            confidence=answer.confidence if answer is not None else None,
            signals=given.signals if given is not None else None,
            saved_micro_usd=given.saved_micro_usd if given is not None else 0,
            error_kind=_kind(error) if error is not None else None,
            error_message=scrub(_text(error)) if error is not None else None,
            finished_at=now_ms if ended else None,
        )
        attempts = progress.ended
        fresh = [one for one in attempts if not one.stored]
        first, keep = not progress.touched, progress.keep

        def write(tx: sa.Connection) -> None:
            stored_at = self._clock.now_ms()  # with its step, which may end hours after the call
            if first and call.step_id is not None and (call.step_attempt or 0) > 1:
                store.close_of_earlier(tx, progress.call, stored_at)
            store.record(tx, row, attempts, fresh, scrub, stored_at)
            _expose(tx, progress)
            for one in fresh:
                self._admissions.settle(tx, one, now_ms)
            if keep is not None:
                keep(tx)
            if progress.also is not None:
                progress.also(tx)

        return write

    def _gather(self, write: Callable[[sa.Connection], None]) -> None:
        self._gathered.append(write)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_GATHER_SECONDS)
        await self.flush()

    async def _write(self, progress: Progress, work: Callable[[sa.Connection], None]) -> None:
        async def written() -> None:
            try:
                await self._database.write(work)
            except DatabaseError as error:
                given_up = progress.status is CallStatus.CANCELLED
                self._owe(progress, CallStatus.CANCELLED if given_up else CallStatus.FAILED, error)
                raise
            self._admissions.settled(progress.ended)

        # A transaction that was begun is waited for: its outcome must be known before the call goes on.
        await asyncio.shield(written())

    def _recording(
        self,
        progress: Progress,
        write: Callable[[sa.Connection], None],
        collected: Attempt | None = None,
    ) -> Recording:
        attempts = [*progress.ended, collected] if collected is not None else progress.ended

        async def refused(error: BaseException) -> None:
            self._owe(progress, CallStatus.LOST)
            if not isinstance(error, DatabaseError):  # then it is tried now, else when the database is back
                with suppress(DatabaseError):
                    await self._admissions.pay()

        return Recording(write, lambda: self._admissions.settled(attempts), refused)

    def _owe(self, progress: Progress, status: CallStatus, error: BaseException | None = None) -> None:
        """Have stored what a call has cost whose record was refused, or could not be written."""
        now_ms, fresh = self._clock.now_ms(), [one for one in progress.ended if not one.stored]
        kind = None if error is None else _kind(error)
        row = store.CallRow(progress, status, error_kind=kind, finished_at=now_ms)

        def write(tx: sa.Connection) -> None:
            store.record_left(tx, row, fresh, self._telemetry.scrubber.scrub, self._clock.now_ms())
            _expose(tx, progress)
            for one in fresh:
                self._admissions.settle(tx, one, now_ms)

        self._admissions.owe(write)

    async def _write_on_leaving(self, progress: Progress, work: Callable[[sa.Connection], None]) -> None:
        """The same for a call that is cancelled, which nothing may turn into another error."""
        try:
            async with asyncio.timeout(_CANCELLED_SECONDS):
                await self._write(progress, work)
        except (DatabaseError, TimeoutError) as error:
            _log.warning("cancelled call %s could not be recorded in time", progress.id, exc_info=error)


def _all(tx: sa.Connection, works: list[Callable[[sa.Connection], None]]) -> None:
    for work in works:
        work(tx)


def _expose(tx: sa.Connection, progress: Progress) -> None:
    call = progress.call
    if call.exposures:
        exposure.add(tx, call.exposures, progress.started_at, call_id=progress.id, run_id=call.run_id)


def _kind(error: BaseException) -> str:
    return "cancelled" if isinstance(error, asyncio.CancelledError) else kind_of(error)


def _text(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "The call was cancelled: its run was stopped, or its time was up."
    return error.message if isinstance(error, RoadworthyError) else f"{type(error).__name__}: {error}"


def _about(progress: Progress) -> dict[str, Any]:
    call = progress.call
    return {
        "call_id": progress.id,
        "run_id": call.run_id,
        "step_id": call.step_id,
        "prompt_id": call.version.prompt_id,
        "prompt_version": call.version.label,
        "prompt_hash": call.version.content_hash,
        "route": call.route,
        "attempts": len(progress.attempts),
        "cost_usd": progress.cost_usd,
        **_tokens(progress.usage),
    }


def _tokens(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }
