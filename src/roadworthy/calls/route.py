"""The way through the models of a route, until one gives a valid answer: `Router.answer`.

    retry      the same model after a pause, where the kind of error may pass and there is time left for it
    repair     the same model with its invalid answer and what is wrong with it
    fallback   the next model, for every other kind of error and when the tries are used up

A failed attempt is stored before the next one is made. Nothing waits longer than the call may take.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from roadworthy.calls.attempt import Attempt, Reason
from roadworthy.calls.call import Call, Progress
from roadworthy.calls.failure import correction, nobody_answered
from roadworthy.calls.output import Output
from roadworthy.calls.record import Recorder
from roadworthy.errors import ErrorKind, InvalidAnswer, ProviderError
from roadworthy.models import Message, Models, Request, Response, Target, price
from roadworthy.records import Clock, Usage
from roadworthy.settings import RouteSettings, Settings
from roadworthy.telemetry import Telemetry

T = TypeVar("T")

_GRACE_SECONDS = 0.5
"""A provider keeps its time by itself and knows best what was exchanged; this is for one that does not."""
_LONG = 200_000
"""Characters: a longer answer is checked in a thread, so that other calls go on meanwhile."""


class Router:
    """Asks the models of a route. One for a project."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        telemetry: Telemetry,
        clock: Clock,
        record: Recorder,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._settings = settings
        self._models = models
        self._telemetry = telemetry
        self._clock = clock
        self._record = record
        self._uniform = uniform
        self._priced: set[str] = set()

    async def answer(self, call: Call[T], messages: tuple[Message, ...], progress: Progress) -> T:
        """The first valid answer; the attempt that gave it is the last of `progress`.

        Raises:
            ProviderError: No model answered.
            InvalidAnswer: The last one did, but not with what was asked for.
        """
        route, targets = self._settings.routes[call.route], self._models.route(call.route)
        for target in targets:
            if progress.seconds_left <= 0:
                break
            answered = await self._ask(call, route, target, messages, progress)
            if answered is not None:
                return answered[0]
        raise nobody_answered(progress, [target.name for target in targets])

    async def _ask(
        self,
        call: Call[T],
        route: RouteSettings,
        target: Target,
        messages: tuple[Message, ...],
        progress: Progress,
    ) -> tuple[T] | None:
        """Ask one model, again and with corrections as the route allows; None: ask the next one."""
        failures = repairs = 0
        asked = messages
        reason: Reason = "fallback" if progress.attempts else "first"
        while progress.seconds_left > 0:
            attempt = self._begin(call, target, asked, progress, reason)
            try:
                return (await self._try(call.output, attempt, progress),)
            except InvalidAnswer as error:
                await self._record.so_far(progress)
                if repairs >= route.repairs:
                    return None
                repairs += 1
                reason, asked = "repair", (*messages, *correction(attempt.response, error))
            except ProviderError as error:
                await self._record.so_far(progress)
                failures += 1
                pause = self._pause_seconds(route, failures, error)
                if not error.kind.retryable or failures >= route.attempts or pause >= progress.seconds_left:
                    return None
                await asyncio.sleep(pause)
                reason = "retry"
        return None

    def _begin(
        self,
        call: Call[T],
        target: Target,
        messages: tuple[Message, ...],
        progress: Progress,
        reason: Reason,
    ) -> Attempt:
        wanted, left = call.version.settings, progress.seconds_left
        request = Request(
            messages=messages,
            timeout_seconds=min(left, target.settings.timeout_seconds),
            output_schema=call.output.schema,
            output_name=call.output.name,
            temperature=wanted.temperature,
            max_tokens=wanted.max_tokens,
            seed=wanted.seed,
            stop=wanted.stop,
            inputs=call.inputs,
        )
        attempt = Attempt(len(progress.attempts) + 1, reason, target, request, self._clock)
        progress.attempts.append(attempt)
        return attempt

    async def _try(self, output: Output[T], attempt: Attempt, progress: Progress) -> T:
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
                response = await self._request(attempt, progress.seconds_left)
                attempt.answered(response)
                value = await _checked(output, response)
                attempt.succeeded()
            except Exception as error:
                attempt.failed(error)
                raise
            except BaseException:
                attempt.cancelled()
                raise
            finally:
                self._record.attempt_ended(progress, attempt, span)
            return value

    async def _request(self, attempt: Attempt, seconds_left: float) -> Response:
        limit = asyncio.timeout(seconds_left + _GRACE_SECONDS)
        try:
            async with limit:
                await self._read_prices(attempt)
                return await attempt.target.request(attempt.request)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ProviderError(
                f"Model {attempt.target.name!r} was not ready within the call's time.",
                kind=ErrorKind.TIMEOUT,
                hint="Raise timeout_seconds of the route, or load the model before it is needed.",
                may_be_billed=True,
            ) from None

    async def _read_prices(self, attempt: Attempt) -> None:
        """Read the table of prices in a thread before it is first needed: that takes half a second of CPU."""
        if attempt.target.name not in self._priced:
            await asyncio.to_thread(price, attempt.target, Usage(), attempt.started_at)
            self._priced.add(attempt.target.name)

    def _pause_seconds(self, route: RouteSettings, failures: int, error: ProviderError) -> float:
        backoff = route.backoff
        pause = min(backoff.initial_seconds * backoff.factor ** (failures - 1), backoff.max_seconds)
        pause *= self._uniform(1 - backoff.jitter, 1 + backoff.jitter)
        return max(pause, error.retry_after_seconds or 0.0)


async def _checked(output: Output[T], response: Response) -> T:
    """The answer as the declared type. Raises `ProviderError` (refused) or `InvalidAnswer`."""
    if response.finish_reason == "content_filter":
        raise ProviderError("The provider's filter declined to answer.", kind=ErrorKind.REFUSED)
    if response.finish_reason == "length":
        raise InvalidAnswer(
            "The answer was cut off at max_tokens.",
            hint="Raise max_tokens in the prompt's settings.",
            details={"faults": ["the answer was cut off because it was too long: answer more briefly"]},
        )
    if len(response.text) > _LONG:
        return await asyncio.to_thread(output.parse, response.text)
    return output.parse(response.text)
