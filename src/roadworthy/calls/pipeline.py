"""The way of one call, from top to bottom: `Pipeline.call`.

    render     the prompt's version and inputs become messages
    plan       which models may answer it, in which order
    rule       code that knows the answer ends the call here, at no cost
    cache      an identical, still valid answer ends the call here, at no cost; equal calls wait for the first
    route      models in order, each with its gate, its admission, its time, retries and repairs
    rungs      an older answer, a fallback in code, a promise for later, a person
    answer     the checked value with its call, rung, version, usage, cost and time
    record     the call and every attempt, in the transaction that ends the step, or in one of its own

Each is one line, and so is whatever joins them: it takes the call and its progress, and either returns or
raises; what it raises is on record like any other failure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, TypeVar

from roadworthy.calls.admit import Admissions
from roadworthy.calls.answer import Answer
from roadworthy.calls.ask import Asker, Said
from roadworthy.calls.calibrated import Calibrations
from roadworthy.calls.call import Call, Progress
from roadworthy.calls.lane import PROVIDER_BATCH, Lane, Taken
from roadworthy.calls.plan import LoadRouter, Plan, Planner
from roadworthy.calls.record import Recorder
from roadworthy.calls.reuse import Reuse
from roadworthy.calls.route import Router, escalates
from roadworthy.calls.rungs import Given, PutOff, Rungs, by_code
from roadworthy.db import Database
from roadworthy.errors import BudgetSpent, InvalidAnswer, NotPermitted, ProviderError, TryLater
from roadworthy.models import AnswerCache, Gates, Message, Models, RetryBudget
from roadworthy.prompts import Version, render
from roadworthy.records import Clock, Ids, from_micro_usd
from roadworthy.settings import Settings
from roadworthy.telemetry import Span, Telemetry

T = TypeVar("T")

_MOVES_ON = (BudgetSpent, InvalidAnswer, NotPermitted, ProviderError)
"""After these the rungs below the models have their turn."""


class Pipeline:
    """Makes calls. One for a project."""

    def __init__(
        self,
        *,
        settings: Settings,
        models: Models,
        gates: Gates,
        cache: AnswerCache,
        database: Database,
        telemetry: Telemetry,
        clock: Clock,
        ids: Ids,
        load_router: LoadRouter,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._ids = ids
        self.admissions = Admissions(
            settings=settings, database=database, telemetry=telemetry, clock=clock, ids=ids
        )
        self._record = Recorder(
            database=database, telemetry=telemetry, clock=clock, admissions=self.admissions
        )
        self._planner = Planner(settings=settings, models=models, load_router=load_router)
        self._calibrations = Calibrations(settings)
        self._reuse = Reuse(cache=cache, clock=clock, calibrated=self._calibrations.digest)
        self._rungs = Rungs(cache=cache, clock=clock)
        asker = Asker(
            telemetry=telemetry,
            clock=clock,
            record=self._record,
            gates=gates,
            retries=RetryBudget(settings.resilience, clock),
            admissions=self.admissions,
        )
        self._router = Router(planner=self._planner, asker=asker)
        self.lane = Lane(
            settings=settings,
            models=models,
            database=database,
            telemetry=telemetry,
            clock=clock,
            admissions=self.admissions,
            asker=asker,
        )

    async def call(self, call: Call[T], *, call_id: str | None = None) -> Answer[T]:
        """The checked answer, on record, under `call_id` or a new id, with everything that led to it.

        Raises:
            RenderError: The inputs do not fit the prompt; nothing was sent, and nothing is recorded.
            InvalidInput: The request is too long; nothing was sent, and nothing is recorded.
            NotFound: The settings have no such route.
            ProviderError: No model of the route answered.
            InvalidAnswer: No model gave an answer of the declared type that passes its checks.
            BudgetSpent: No budget has room for what the models may cost.
            Throttled: The call's user, tenant or workflow asks too often.
            NotPermitted: No model may see data of this kind.
            TryLater: The route says `later`, and nothing can wait here.
            CallPutOff: The run has to wait; only where the call says that it may.
            DatabaseError: What has to be stored cannot be.
        """
        return await self._carried_out(call, self._begin(call, call_id), self._answered)

    async def collected(self, call: Call[T], request_id: str) -> Answer[T]:
        """Go on with a call that waited for the provider's batch: with what came of it, or live.

        Raises what `call` does.
        """
        taken = await self.lane.exit.take(request_id)
        if taken is None:  # its time on record is over
            return await self.call(call)
        call = replace(call, lane=PROVIDER_BATCH, collect_until=None)
        progress = self._begin(call, taken.request.call_id)
        self.lane.exit.resume(progress, taken)
        return await self._carried_out(call, progress, partial(self._after_batch, taken))

    async def _carried_out(
        self,
        call: Call[T],
        progress: Progress,
        answered: "Callable[[Call[T], tuple[Message, ...], Progress], Awaitable[Given[T] | PutOff]]",
    ) -> Answer[T]:
        messages = _messages(call)
        self._calibrations.file(call.version.prompt_id)  # told before anything is sent
        await self._record.sweep()
        with self._span(call, progress) as span:
            try:
                given = await answered(call, messages, progress)
            except (Exception, asyncio.CancelledError) as error:
                await self._record.failed(progress, error)
                span.set(attempts=len(progress.attempts), usage=progress.usage, cost_usd=progress.cost_usd)
                raise
            if isinstance(given, PutOff):
                await self._record.put_off(progress, given)
                raise CallPutOff(given, progress, messages)
            answer = self._answer(given, call, progress)
            await self._record.succeeded(progress, answer, given)
            self._reuse.recorded(given)
            self._describe(span, answer, given)
            span.capture(messages=[(one.role, one.text) for one in messages], answer=_said(given))
        return answer

    async def close(self) -> None:
        """Store what was still to be stored."""
        await self._record.flush()
        await self.admissions.close()

    async def _answered(
        self, call: Call[T], messages: tuple[Message, ...], progress: Progress
    ) -> Given[T] | PutOff:
        for rule in call.rules.before:
            value = await by_code(call, rule, progress)
            if value is not None:
                saved = await self._record.usual_cost_micro_usd(call)
                return Given(value, "rule", rule=rule.name, saved_micro_usd=saved)
        plan = self._planner.plan(call, messages, progress)
        key = self._reuse.key(call, plan, messages)
        if key is None or not self._reuse.gives_fresh(plan):
            return await self._asked(call, plan, messages, progress, key)
        return await self._reuse.once(
            call,
            key,
            progress,
            lambda: self._asked(call, plan, messages, progress, key),
            lambda error: self._rungs.after(call, plan, progress, key, error),
        )

    async def _asked(
        self,
        call: Call[T],
        plan: Plan,
        messages: tuple[Message, ...],
        progress: Progress,
        key: str | None,
    ) -> Given[T] | PutOff:
        """What a model says, or what a rung after the models gives."""
        collected = await self.lane.entry.collect(call, plan, messages, progress)
        if collected is not None:
            return collected
        try:
            said = await self._router.answer(call, plan, messages, progress)
        except _MOVES_ON as error:
            if call.begun:
                raise
            return await self._rungs.after(call, plan, progress, key, error)
        return self._given(call, plan, said, progress, key)

    async def _after_batch(
        self, taken: Taken, call: Call[T], messages: tuple[Message, ...], progress: Progress
    ) -> Given[T] | PutOff:
        """The batch's answer; the models of the route where it has none that is good enough."""
        plan = self._planner.plan(call, messages, progress)
        key = self._reuse.key(call, plan, messages)
        said = await self.lane.exit.said(call, taken, progress)
        if said is None:
            return await self._asked(call, plan, messages, progress, key)
        others = tuple(one for one in plan.targets if one is not said.attempt.target)
        if not others or not escalates(plan, said):
            return self._given(call, plan, said, progress, key)
        try:
            better = await self._router.answer(
                call, replace(plan, targets=others), messages, progress, reason="escalate"
            )
        except _MOVES_ON:
            better = said
        return self._given(call, plan, better, progress, key)

    def _given(
        self, call: Call[T], plan: Plan, said: Said[T], progress: Progress, key: str | None
    ) -> Given[T]:
        given = Given(
            said.value,
            said.attempt.target.name,
            attempt=said.attempt,
            confidence=self._calibrations.confidence(call, said),
            signals=said.signals,
            degraded=progress.degraded or not _as_planned(plan, said),
        )
        return self._reuse.keep(call, plan, key, given, progress)

    def _begin(self, call: Call[T], call_id: str | None = None) -> Progress:
        seconds = (
            self._settings.routes[call.route].timeout_seconds if call.route in self._settings.routes else 0
        )
        if call.seconds_left is not None:
            seconds = min(seconds, call.seconds_left)
        call_id = call_id or self._ids.new("call")
        return Progress(call, call_id, self._settings.environment, self._clock, seconds)

    def _span(self, call: Call[T], progress: Progress) -> Span:
        return self._telemetry.call_span(
            call_id=progress.id,
            prompt_id=call.version.prompt_id,
            prompt_version=call.version.label,
            prompt_hash=call.version.content_hash,
            route=call.route,
        )

    def _answer(self, given: Given[T], call: Call[T], progress: Progress) -> Answer[T]:
        attempt = given.attempt
        served = attempt.served_model if attempt is not None else given.cached.model if given.cached else ""
        return Answer(
            value=given.value,
            call_id=progress.id,
            rung=given.rung,
            prompt_version=call.version.name,
            prompt_hash=call.version.content_hash,
            model=served,
            usage=progress.usage,
            cost_usd=progress.cost_usd,
            cost_known=progress.cost_known,
            latency_seconds=progress.duration_seconds,
            attempts=len(progress.attempts),
            confidence=given.confidence,
            degraded=given.degraded,
            stale=given.stale,
            saved_usd=from_micro_usd(given.saved_micro_usd) if given.saved_micro_usd else _NOTHING,
        )

    def _describe(self, span: Span, answer: Answer[T], given: Given[T]) -> None:
        span.set(
            rung=answer.rung,
            model=answer.rung if given.attempt is not None else None,
            provider=given.attempt.target.provider if given.attempt is not None else None,
            response_model=answer.model or None,
            usage=answer.usage,
            cost_usd=answer.cost_usd,
            attempts=answer.attempts,
            degraded=answer.degraded or None,
            saved_usd=answer.saved_usd or None,
        )


_NOTHING = Decimal(0)
_REPEATED = 8_000
"""Characters: of longer inputs, messages are not kept for those who ask the same."""


def _as_planned(plan: Plan, said: Said[Any]) -> bool:
    """Whether an answer is what the route gives on a good day."""
    wanted = plan.settings.escalate_below
    unsure = wanted is not None and said.confidence is not None and said.confidence < wanted
    if plan.settings.choose == "difficulty":
        return said.escalated or (said.attempt.target is plan.targets[0] and not unsure)
    return said.attempt.target is plan.targets[0]


class CallPutOff(TryLater):
    """The call has no answer now, and its run waits. Only a call that says it may wait gets this."""

    def __init__(self, put_off: PutOff, progress: Progress, messages: tuple[Message, ...]) -> None:
        super().__init__(put_off.error.message, retry_after_seconds=0.0)
        self.put_off = put_off
        self.progress = progress
        self.messages = messages


def _messages(call: Call[Any]) -> tuple[Message, ...]:
    if call.conversation is not None:
        return call.conversation.messages
    texts = call.inputs
    if all(type(text) is str for text in texts.values()) and sum(map(len, texts.values())) <= _REPEATED:
        return _repeated(call.version, tuple(texts.items()))
    return _rendered(call.version, texts)


def _rendered(version: Version, inputs: Mapping[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(role, text) for role, text in render(version, inputs).messages)


@lru_cache(maxsize=512)
def _repeated(version: Version, texts: tuple[tuple[str, str], ...]) -> tuple[Message, ...]:
    """The same messages again for the same texts: what is asked twice is then found among the answers."""
    return _rendered(version, dict(texts))


def _said(given: Given[Any]) -> str | None:
    response = given.attempt.response if given.attempt is not None else None
    return None if response is None else response.text
