"""A prompt as a function: in a workflow its call is a step, elsewhere it is the call alone.

    answer = await draft_reply(ticket=ticket)                       Answer[Reply]
    @draft_reply.rule / .check / .signal / .fallback                 what code says before, about and instead
    await draft_reply.using(user_id="u-7", data=["eu"])(ticket=...)  for whom, and with what kind of data

A call that no model answers, on a route that says `later` or `review`, ends its step with that: the run
waits, held by no process, and goes on with another step that asks again, or takes the person's answer.
"""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypedDict, TypeVar, cast

import sqlalchemy as sa

from roadworthy.calls import (
    PROVIDER_BATCH,
    Answer,
    Call,
    CallPutOff,
    Output,
    Pipeline,
    Rules,
    function_of,
)
from roadworthy.calls.lane.store import requests
from roadworthy.errors import ConfigurationError, NeedsPerson
from roadworthy.prompts import Version
from roadworthy.records import Json, Usage
from roadworthy.releases import Exposure
from roadworthy.review import Item, ItemStatus, Question, Reviews, signal_name
from roadworthy.review import store as review_store
from roadworthy.workflows import wait
from roadworthy.workflows.context import RunContext, StepContext, current_run, current_step
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.signature import as_json
from roadworthy.workflows.step import Spec, execute

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Options:
    """For whom a call is made, and with what, beyond what run and settings say."""

    tenant: str | None = None
    user_id: str | None = None
    task: str | None = None
    data: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    key: str | None = None


class Asked(TypedDict):
    """The version that a call which waits was asked with, as its step keeps it."""

    label: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Served:
    """What serves one call."""

    version: Version
    route: str
    exposures: tuple[Exposure, ...] = ()
    """The arms that were drawn."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a prompt is handed by the app; the parts are made when they are first needed."""

    pipeline: Callable[[], Pipeline]
    version: Callable[[], Version]
    """The version that serves, for what code says of its inputs."""
    serve: Callable[[str | None, str, Asked | None], Awaitable[Served]]
    """What serves a call of a workflow for a key; the version that was asked, for one that waited."""
    new_id: Callable[[str], str]
    task: Callable[[], str]
    reviews: Callable[[], Reviews]
    write: Callable[[Callable[[sa.Connection], Any]], Any]
    scrub: Callable[[str], str]


class Prompt(Generic[T]):
    """Made by `app.prompt`. Call it with the prompt's inputs by name; the result is an `Answer`.

    A call that no rung of its route answers raises `StepFailed` inside a workflow, and the cause itself
    outside of one.
    """

    def __init__(self, prompt_id: str, output: Output[T], surroundings: Surroundings) -> None:
        self.id = prompt_id
        self.output = output
        self._parts = surroundings
        self._options = Options()
        self._rules = _Registered()

    # What code says

    def rule(self, function: F) -> F:
        """Answer before any model is asked: return the answer, or None to have it asked.

        The function takes those of the prompt's inputs that it names. Raises `ConfigurationError`.
        """
        self._rules.add(before=self._function(function, 0, "rule"))
        return function

    def check(self, function: F) -> F:
        """Look at an answer and the inputs: return False, or say what is wrong, to have it refused.

        A refused answer is sent back for repair, then the next model is asked.
        """
        self._rules.add(checks=self._function(function, 1, "check"))
        return function

    def signal(self, function: F) -> F:
        """Say how sure one may be of an answer by one measure, 0 to 1. The least of all signals counts."""
        self._rules.add(signals=self._function(function, 1, "signal"))
        return function

    def fallback(self, function: F) -> F:
        """Answer when no model did, on routes whose `then` has `rule`. One for each prompt."""
        if self._rules.made.fallback is not None:
            raise ConfigurationError(f"The prompt {self.id!r} has two fallbacks.", hint="Keep one.")
        self._rules.made = replace(self._rules.made, fallback=self._function(function, 0, "fallback"))
        return function

    @property
    def rules(self) -> Rules:
        """What code says before, about and instead of an answer."""
        return self._rules.made

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of its checks."""
        return tuple(check.name for check in self._rules.made.checks)

    def using(
        self,
        *,
        tenant: str | None = None,
        user_id: str | None = None,
        task: str | None = None,
        data: Sequence[str] = (),
        permissions: Sequence[str] = (),
        timeout_seconds: float | None = None,
        key: str | None = None,
    ) -> "Prompt[T]":
        """The same prompt, asked for somebody, or with a kind of data, or within a time.

        `data` names sections of `[residency]`; `permissions` say what the asker may see, and keep cached
        answers apart; tenant and user of a run hold unless others are named here. Where versions or routes
        share, the same `key` gets the same one; left out, it is the user, else the tenant, else the run.
        """
        made = copy.copy(self)
        old = self._options
        made._options = Options(  # noqa: SLF001 - a copy of ourselves
            tenant if tenant is not None else old.tenant,
            user_id if user_id is not None else old.user_id,
            task or old.task,
            (*old.data, *data),
            tuple(sorted({*old.permissions, *permissions})),
            timeout_seconds or old.timeout_seconds,
            key or old.key,
        )
        return made

    async def __call__(self, **inputs: Any) -> Answer[T]:
        """Ask, with the prompt's inputs by name."""
        context, step = current_run.get(), current_step.get()
        if context is None or step is not None:  # inside another step: part of it, recorded on its own
            call_id = self._parts.new_id("call")
            served = await self._serve(context, call_id)
            try:
                return await self._parts.pipeline().call(self._request(served, inputs, step), call_id=call_id)
            except CallPutOff as waiting:
                raise await self._asked_person(waiting, step, inputs) from waiting
        return await self._as_step(context, inputs)

    async def _as_step(self, context: RunContext, inputs: dict[str, Any]) -> Answer[T]:
        # without the version, which is looked up within the step: another may serve when the run is replayed
        recorded: dict[str, Json] = {
            "prompt": self.id,
            "inputs": as_json(inputs, f"An input of prompt {self.id!r}"),
        }
        times, promised, asked = 0, None, None
        while True:
            work = partial(self._ask, asked, inputs, times, promised)
            stored: Any = await execute(context, Spec(self.id, StepKind.CALL), recorded, work)
            asked = stored.get("asked")  # whoever waited goes on with the version that was asked
            if stored.get("put_off") == "batch":
                recorded = {**recorded, "request_id": stored["request_id"]}
                stored = await self._from_batch(context, asked, inputs, recorded, stored)
            if stored.get("put_off") == "review":
                return await self._from_person(context, stored)
            if stored.get("put_off") != "later":
                return _load(stored, self.output)
            times, promised = times + 1, stored["promised_until"]
            await wait.until(stored["retry_at"], f"later:{self.id}")

    async def _serve(
        self, context: RunContext | None, otherwise: str = "", asked: Asked | None = None
    ) -> Served:
        options, run = self._options, context.run if context is not None else None
        user = options.user_id if options.user_id is not None else run.user_id if run is not None else ""
        tenant = options.tenant if options.tenant is not None else run.tenant if run is not None else ""
        key = options.key or user or tenant or (run.id if run is not None else otherwise)
        return await self._parts.serve(run.workflow if run is not None else None, key, asked)

    async def _ask(
        self,
        asked: Asked | None,
        inputs: dict[str, Any],
        times: int,
        promised: int | None,
        step: StepContext,
    ) -> Json:
        served = await self._serve(step.run, asked=asked)
        request = self._request(served, inputs, step, commit=True)
        alone = asyncio.current_task() is step.run.main_task
        request = replace(request, may_wait=alone, put_off=times, promised_until=promised)
        run = step.run.run
        if alone and not times and run.lane == PROVIDER_BATCH:
            request = replace(request, collect_until=run.lane_until)
        return await self._answered(self._parts.pipeline().call(request), step, served, inputs)

    async def _from_batch(
        self,
        context: RunContext,
        asked: Asked | None,
        inputs: dict[str, Any],
        recorded: dict[str, Json],
        stored: dict[str, Any],
    ) -> dict[str, Any]:
        """Wait for the provider's batch, and go on with what it brought, or live, in a step of its own."""
        request_id: str = stored["request_id"]
        await wait.until_over(
            f"batch:{request_id}", stored["until"], lambda tx: not requests.pending(tx, request_id)
        )

        async def take(step: StepContext) -> Json:
            served = await self._serve(context, asked=asked)
            request = replace(self._request(served, inputs, step, commit=True), step=self.id, may_wait=True)
            answer = self._parts.pipeline().collected(request, request_id)
            return await self._answered(answer, step, served, inputs)

        spec = Spec(f"{self.id} from its batch", StepKind.CALL)
        return cast("dict[str, Any]", await execute(context, spec, recorded, take))

    async def _answered(
        self, asked: Awaitable[Answer[T]], step: StepContext, served: Served, inputs: dict[str, Any]
    ) -> Json:
        """The outcome of a step that asks: the answer, or for what the run has to wait."""
        alone = asyncio.current_task() is step.run.main_task
        try:
            return _dump(await asked, self.output)
        except CallPutOff as waiting:
            put_off = waiting.put_off
            version: Json = {"label": served.version.label, "content_hash": served.version.content_hash}
            if put_off.rung == "batch":
                return {
                    "put_off": "batch",
                    "request_id": put_off.request_id,
                    "until": put_off.promised_until,
                    "call_id": waiting.progress.id,
                    "asked": version,
                }
            if put_off.rung == "later":
                return {
                    "put_off": "later",
                    "retry_at": put_off.retry_at,
                    "promised_until": put_off.promised_until,
                    "call_id": waiting.progress.id,
                    "asked": version,
                }
            item = self._item(waiting, step, inputs, waits=alone)
            step.effects.append(partial(_open, item=item))
            self._parts.reviews().opened(item)
            if not alone:
                raise _needs_person(item) from waiting
            return {
                "put_off": "review",
                "review_id": item.id,
                "call_id": waiting.progress.id,
                "asked": version,
            }

    async def _from_person(self, context: RunContext, stored: dict[str, Any]) -> Answer[T]:
        """Wait for the person's answer, and take it in a step of its own."""
        review_id: str = stored["review_id"]
        await wait.wait_for_signal(signal_name(review_id))
        began_at = context.parts.clock.now_ms()

        async def take(_step: StepContext) -> Json:
            item = await context.parts.database.read(lambda tx: review_store.get(tx, review_id))
            if item.status is not ItemStatus.ANSWERED:
                raise NeedsPerson(
                    f"{item.answered_by or 'Nobody'} gave no answer to {review_id}: {item.status}.",
                    review_id=review_id,
                    hint=f"Why: roadworthy reviews show {review_id}",
                )
            version = (await self._serve(context, asked=stored.get("asked"))).version
            value = self.output.parse(item.answer_text)
            answer = Answer(
                value=value,
                call_id=stored["call_id"],
                rung="review",
                prompt_version=version.name,
                prompt_hash=version.content_hash,
                model="",
                usage=Usage(),
                cost_usd=Decimal(0),
                cost_known=True,
                latency_seconds=max(0.0, (began_at - item.created_at) / 1000),
                attempts=0,
            )
            return _dump(answer, self.output)

        spec = Spec(f"{self.id} by a person", StepKind.WAIT)
        return _load(await execute(context, spec, {"review_id": review_id}, take), self.output)

    async def _asked_person(
        self, waiting: CallPutOff, step: StepContext | None, inputs: dict[str, Any]
    ) -> NeedsPerson:
        item = self._item(waiting, step, inputs, waits=False)
        await self._parts.write(lambda tx: review_store.add(tx, item))
        self._parts.reviews().opened(item)
        return _needs_person(item)

    def _item(
        self, waiting: CallPutOff, step: StepContext | None, inputs: dict[str, Any], *, waits: bool
    ) -> Item:
        progress, call = waiting.progress, waiting.progress.call
        question = Question.of(
            messages=[(message.role, message.text) for message in waiting.messages],
            inputs=as_json(inputs, f"An input of prompt {self.id!r}"),
            schema=self.output.schema,
            attempts=progress.ended,
            skipped=progress.skipped,
            scrub=self._parts.scrub,
        )
        return self._parts.reviews().new(
            question,
            reason=waiting.put_off.error.message,
            workflow=call.workflow,
            tenant=call.tenant,
            user_id=call.user_id,
            prompt_id=self.id,
            prompt_version=call.version.name,
            call_id=progress.id,
            run_id=call.run_id if waits else None,
            step_id=step.step_id if step is not None else None,
        )

    def _request(
        self, served: Served, inputs: dict[str, Any], step: StepContext | None, *, commit: bool = False
    ) -> Call[T]:
        options, version = self._options, served.version
        task = options.task or self._parts.task()
        if step is None:
            return Call(
                version,
                inputs,
                self.output,
                served.route,
                self._rules.made,
                task=task,
                tenant=options.tenant or "",
                user_id=options.user_id or "",
                data=options.data,
                permissions=options.permissions,
                seconds_left=options.timeout_seconds,
                exposures=served.exposures,
            )
        run = step.run.run
        left = options.timeout_seconds
        if run.deadline_at is not None:
            of_run = max(0.0, (run.deadline_at - step.run.parts.clock.now_ms()) / 1000)
            left = of_run if left is None else min(left, of_run)
        return Call(
            version,
            inputs,
            self.output,
            served.route,
            self._rules.made,
            run_id=run.id,
            step_id=step.step_id,
            step_attempt=step.attempt,
            workflow=run.workflow,
            step=step.name,
            task=task,
            tenant=options.tenant if options.tenant is not None else run.tenant,
            user_id=options.user_id if options.user_id is not None else run.user_id,
            tags=run.tags,
            data=options.data,
            permissions=options.permissions,
            seconds_left=left,
            run_deadline_at=run.deadline_at,
            commit=step.recordings.append if commit else None,
            exposures=served.exposures,
        )

    def _function(self, function: Callable[..., Any], answers: int, what: str) -> Any:
        inputs = frozenset(self._parts.version().inputs)
        return function_of(function, answers=answers, inputs=inputs, what=what)


class _Registered:
    """The functions of a prompt, shared by all its copies."""

    def __init__(self) -> None:
        self.made = Rules()

    def add(self, **more: Any) -> None:
        ((name, function),) = more.items()
        self.made = replace(self.made, **{name: (*getattr(self.made, name), function)})


def _open(tx: sa.Connection, item: Item) -> None:
    review_store.add(tx, item)


def _needs_person(item: Item) -> NeedsPerson:
    return NeedsPerson(
        f"No model answered, and a person was asked: {item.id}.",
        review_id=item.id,
        hint=f"Answer it with: roadworthy reviews answer {item.id}",
    )


def _dump(answer: Answer[T], output: Output[T]) -> Json:
    stored = {field.name: getattr(answer, field.name) for field in fields(answer)}
    stored["value"] = output.dump(answer.value)
    stored["usage"] = {field.name: getattr(answer.usage, field.name) for field in fields(answer.usage)}
    stored["cost_usd"] = str(answer.cost_usd)
    stored["saved_usd"] = str(answer.saved_usd)
    return cast("Json", stored)


def _load(stored: Json, output: Output[T]) -> Answer[T]:
    values = dict(cast("dict[str, Any]", stored))
    values["value"] = output.load(values["value"])
    values["usage"] = Usage(**values["usage"])
    values["cost_usd"] = Decimal(values["cost_usd"])
    values["saved_usd"] = Decimal(values.get("saved_usd", 0))
    return Answer(**values)
