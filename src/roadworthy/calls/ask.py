"""One model, asked until it answers or is given up: `Asker.ask`.

    gate       the model's breaker, the pace its provider asked for, its number of open requests
    admit      budgets, throttles and rates: what the request may cost and take up is set aside
    retry      the same again after a pause, where the kind of error may pass and there is time left for it
    repair     its invalid answer again, with what is wrong with it

A request that ended is stored, and settled, before the next one is made.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from roadworthy.calls.admit import Admissions
from roadworthy.calls.attempt import Attempt, Reason
from roadworthy.calls.call import Call, Progress, Skip
from roadworthy.calls.conversation import continued
from roadworthy.calls.failure import correction
from roadworthy.calls.output import Output
from roadworthy.calls.record import Recorder
from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models import (
    DEFAULT_MAX_TOKENS,
    Gates,
    Message,
    Pass,
    Request,
    Response,
    RetryBudget,
    Target,
    price,
)
from roadworthy.records import Clock, Usage
from roadworthy.settings import RouteSettings
from roadworthy.telemetry import Telemetry

T = TypeVar("T")

_GRACE_SECONDS = 0.5
"""A provider keeps its time by itself and knows best what was exchanged; this is for one that does not."""
_LONG = 200_000
"""Characters: a longer answer is checked in a thread, so that other calls go on meanwhile."""
_HERE = frozenset({ErrorKind.CIRCUIT_OPEN, ErrorKind.RATE_LIMITED_HERE})


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """A checked answer of a model."""

    value: T
    attempt: Attempt
    signals: dict[str, float] = field(default_factory=dict[str, float])
    """How sure one may be of it, by each signal, 0 to 1."""

    @property
    def escalated(self) -> bool:
        """Whether it was asked for because another model's answer was not good enough."""
        return self.attempt.reason == "escalate"

    @property
    def confidence(self) -> float | None:
        """The least of the signals, not calibrated: an answer is as sure as what is least sure about it."""
        return min(self.signals.values()) if self.signals else None


class Asker:
    """Asks models. One for a project."""

    def __init__(
        self,
        *,
        telemetry: Telemetry,
        clock: Clock,
        record: Recorder,
        gates: Gates,
        retries: RetryBudget,
        admissions: Admissions,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._record = record
        self._gates = gates
        self._retries = retries
        self._admissions = admissions
        self._uniform = uniform
        self._priced: set[str] = set()

    async def ask(
        self,
        call: Call[T],
        route: RouteSettings,
        target: Target,
        messages: tuple[Message, ...],
        progress: Progress,
        *,
        reason: Reason,
        seconds: float,
    ) -> Said[T] | None:
        """Its valid answer, within so many seconds; None: ask the next model.

        Raises:
            Throttled: The call's user, tenant or workflow asks too often.
            ProviderError: It broke off after the caller had pieces of its answer.
            InvalidAnswer: The same, and the whole is not valid.
        """
        give_up = self._clock.monotonic() + seconds
        failures = repairs = 0
        asked = messages
        while (left := min(give_up - self._clock.monotonic(), progress.seconds_left)) > 0:
            try:
                return await self._once(call, target, asked, progress, reason, left)
            except _NotSent:
                return None
            except InvalidAnswer as error:
                attempt = _newest(progress, target)
                await self._record.so_far(progress)
                if call.begun:
                    raise
                if repairs >= route.repairs:
                    return None
                repairs += 1
                reason, asked = "repair", (*messages, *correction(attempt.response, error))
            except ProviderError as error:
                await self._record.so_far(progress)
                if call.begun:
                    raise
                failures += 1
                pause = pause_seconds(route, failures, error, self._uniform)
                left = min(give_up - self._clock.monotonic(), progress.seconds_left)
                if not error.kind.retryable or failures >= route.attempts or pause >= left:
                    return None
                if not self._retries.allow():
                    progress.skip(
                        Skip(target.name, "retry_budget", "too many requests are being repeated just now")
                    )
                    return None
                await asyncio.sleep(pause)
                reason = "retry"
        return None

    async def _once(
        self,
        call: Call[T],
        target: Target,
        messages: tuple[Message, ...],
        progress: Progress,
        reason: Reason,
        left: float,
    ) -> Said[T]:
        """One request, if it may be sent. Raises `_NotSent`, `InvalidAnswer`, `ProviderError`."""
        left = await self._prepared(target, left)
        if left <= 0:
            progress.skip(
                Skip(target.name, "time", "its share of the time was over before it could be asked")
            )
            raise _NotSent
        try:
            gate = await self._gates.of(target).enter(tenant=call.tenant, seconds_left=left)
        except ProviderError as error:
            if error.kind not in _HERE:
                raise
            progress.skip(Skip(target.name, error.kind, error.message, error.retry_after_seconds))
            raise _NotSent from None
        with gate:
            await self._read_prices(target)
            attempt = self.attempt(call, target, messages, progress, reason, left)
            try:
                admitted = await self._admissions.admit(call, progress, attempt, left)
            except BaseException:
                gate.cancelled()  # nothing was sent, which says nothing about the model
                raise
            if isinstance(admitted, Skip):
                gate.cancelled()
                progress.skip(admitted)
                raise _NotSent
            attempt.admission = admitted
            if reason not in ("retry", "repair"):
                self._retries.request()
            attempt.begin()
            progress.attempts.append(attempt)
            return await self._try(call, attempt, progress, gate)

    def attempt(
        self,
        call: Call[Any],
        target: Target,
        messages: tuple[Message, ...],
        progress: Progress,
        reason: Reason,
        left: float,
    ) -> Attempt:
        """A request that is not made yet."""
        wanted = call.version.settings
        max_tokens = wanted.max_tokens
        if max_tokens is None and self._admissions.caps_output:
            most = min(DEFAULT_MAX_TOKENS, target.settings.context_tokens or DEFAULT_MAX_TOKENS)
            max_tokens = target.settings.max_tokens or most
        request = Request(
            messages=messages,
            timeout_seconds=min(left, target.settings.timeout_seconds),
            output_schema=call.output.schema,
            output_name=call.output.name,
            temperature=wanted.temperature,
            max_tokens=max_tokens,
            seed=wanted.seed,
            stop=wanted.stop,
            inputs=call.inputs,
        )
        if call.conversation is not None:
            request = continued(request, call.conversation, target)
        return Attempt(progress.next_number(), reason, target, request, self._clock)

    async def _try(self, call: Call[T], attempt: Attempt, progress: Progress, gate: Pass) -> Said[T]:
        """Make the request and check its answer; afterwards the attempt has its end, whatever that is."""
        target = attempt.target
        with self._telemetry.attempt_span(
            number=attempt.number,
            reason=attempt.reason,
            provider=target.provider,
            model=target.name,
            request_model=target.model,
            rung=target.name,
        ) as span:
            try:
                response = await self._request(attempt, progress)
                attempt.answered(response)
                gate.answered(response, attempt.seconds)
                said = await self.checked(call, response, attempt)
                attempt.succeeded()
            except Exception as error:
                attempt.failed(error)
                if isinstance(error, ProviderError) and attempt.response is None:
                    gate.failed(error, attempt.duration_seconds)
                raise
            except BaseException:
                attempt.cancelled()
                raise
            finally:
                self._admissions.overrun(attempt)
                self._record.attempt_ended(progress, attempt, span)
            return said

    async def _request(self, attempt: Attempt, progress: Progress) -> Response:
        seconds = attempt.request.timeout_seconds
        limit = asyncio.timeout(seconds + min(_GRACE_SECONDS, max(0.0, progress.seconds_left - seconds)))
        try:
            async with limit:
                return await attempt.target.request(attempt.request, tenant=progress.call.tenant)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ProviderError(
                f"Model {attempt.target.name!r} was not ready within the call's time.",
                kind=ErrorKind.TIMEOUT,
                hint="Raise timeout_seconds of the route, or load the model before it is needed.",
                may_be_billed=True,
            ) from None

    async def checked(self, call: Call[T], response: Response, attempt: Attempt) -> Said[T]:
        """The answer as the declared type, past its checks. Raises `ProviderError` or `InvalidAnswer`."""
        value = await _parsed(call.output, response)
        rules = call.rules
        if rules.checks:
            faults = await rules.faults(value, call.inputs)
            if faults:
                raise InvalidAnswer(
                    f"The answer does not pass its checks: {'; '.join(faults)}.", details={"faults": faults}
                )
        return Said(value, attempt, await rules.confidence(value, call.inputs))

    async def _prepared(self, target: Target, left: float) -> float:
        """Have the model's client made, which takes seconds at first; what is left of the time then.

        That time is nobody's fault: no request, no failure of the model's. What goes wrong is said by the
        request.
        """
        began = self._clock.monotonic()
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(left):
                await target.prepare()
        return left - (self._clock.monotonic() - began)

    async def _read_prices(self, target: Target) -> None:
        """Read the table of prices in a thread before it is first needed: that takes half a second of CPU."""
        if target.name not in self._priced:
            await asyncio.to_thread(price, target, Usage(), self._clock.now_ms())
            self._priced.add(target.name)


def pause_seconds(
    route: RouteSettings, failures: int, error: ProviderError, uniform: Callable[[float, float], float]
) -> float:
    """How long to wait before the same model is asked again."""
    backoff = route.backoff
    pause = min(backoff.initial_seconds * backoff.factor ** (failures - 1), backoff.max_seconds)
    pause *= uniform(1 - backoff.jitter, 1 + backoff.jitter)
    return max(pause, error.retry_after_seconds or 0.0)


class _NotSent(Exception):
    """The request was not sent; why is noted."""


def _newest(progress: Progress, target: Target) -> Attempt:
    """The last attempt at this model; beside it another one may be under way."""
    return next(attempt for attempt in reversed(progress.attempts) if attempt.target is target)


async def _parsed(output: Output[T], response: Response) -> T:
    if response.finish_reason == "content_filter":
        raise ProviderError("The provider's filter declined to answer.", kind=ErrorKind.REFUSED)
    if len(response.text) > _LONG:
        return await asyncio.to_thread(output.read, response)
    return output.read(response)
