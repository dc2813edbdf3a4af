"""The way of one call, from top to bottom: `Pipeline.call`.

    render     the prompt's version and inputs become messages
    route      models in order; each with its time, retries by kind of error, repair of invalid answers
    answer     the checked value with its call, rung, version, usage, cost and time
    record     the call and every attempt, in the transaction that ends the step, or in one of its own

Each is one line, and so is whatever joins them: it takes the call and its progress, and either returns or
raises; what it raises is on record like any other failure.
"""

import asyncio
from typing import TypeVar

from roadworthy.calls.answer import Answer
from roadworthy.calls.call import Call, Progress
from roadworthy.calls.record import Recorder
from roadworthy.calls.route import Router
from roadworthy.db import Database
from roadworthy.models import Message, Models
from roadworthy.prompts import render
from roadworthy.records import Clock, Ids
from roadworthy.settings import Settings
from roadworthy.telemetry import Span, Telemetry

T = TypeVar("T")


class Pipeline:
    """Makes calls. One for a project."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._settings = settings
        self._models = models
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids
        self._record = Recorder(database=database, telemetry=telemetry, clock=clock)
        self._router = Router(
            settings=settings, models=models, telemetry=telemetry, clock=clock, record=self._record
        )

    async def call(self, call: Call[T]) -> Answer[T]:
        """The checked answer, on record with everything that led to it.

        Raises:
            RenderError: The inputs do not fit the prompt; nothing was sent, and nothing is recorded.
            NotFound: The settings have no such route.
            ProviderError: No model of the route answered.
            InvalidAnswer: No model gave an answer of the declared type.
            DatabaseError: The record cannot be stored.
        """
        rendered = render(call.version, call.inputs)
        progress = self._begin(call)
        await self._record.sweep()
        with self._span(call, progress) as span:
            try:
                messages = tuple(Message(role, text) for role, text in rendered.messages)
                value = await self._router.answer(call, messages, progress)
            except (Exception, asyncio.CancelledError) as error:
                await self._record.failed(progress, error)
                span.set(attempts=len(progress.attempts), usage=progress.usage, cost_usd=progress.cost_usd)
                raise
            answer = self._answer(value, call, progress)
            await self._record.succeeded(progress, answer)
            self._describe(span, answer, progress)
            span.capture(messages=rendered.messages, answer=_said(progress))
        return answer

    def _begin(self, call: Call[T]) -> Progress:
        self._models.route(call.route)
        seconds = self._settings.routes[call.route].timeout_seconds
        if call.seconds_left is not None:
            seconds = min(seconds, call.seconds_left)
        return Progress(call, self._ids.new("call"), self._settings.environment, self._clock, seconds)

    def _span(self, call: Call[T], progress: Progress) -> Span:
        return self._telemetry.call_span(
            call_id=progress.id,
            prompt_id=call.version.prompt_id,
            prompt_version=call.version.label,
            prompt_hash=call.version.content_hash,
            route=call.route,
        )

    def _answer(self, value: T, call: Call[T], progress: Progress) -> Answer[T]:
        return Answer(
            value=value,
            call_id=progress.id,
            rung=progress.last.target.name,
            prompt_version=call.version.name,
            prompt_hash=call.version.content_hash,
            model=progress.last.served_model,
            usage=progress.usage,
            cost_usd=progress.cost_usd,
            cost_known=progress.cost_known,
            latency_seconds=progress.duration_seconds,
            attempts=len(progress.attempts),
        )

    def _describe(self, span: Span, answer: Answer[T], progress: Progress) -> None:
        span.set(
            rung=answer.rung,
            model=answer.rung,
            provider=progress.last.target.provider,
            response_model=answer.model,
            usage=answer.usage,
            cost_usd=answer.cost_usd,
            attempts=answer.attempts,
        )


def _said(progress: Progress) -> str | None:
    response = progress.last.response
    return None if response is None else response.text
