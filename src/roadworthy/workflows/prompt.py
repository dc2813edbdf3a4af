"""A prompt as a function: in a workflow its call is a step, elsewhere it is the call alone."""

from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

from roadworthy.calls import Answer, Call, Output, Pipeline
from roadworthy.prompts import Version
from roadworthy.records import Json, Usage
from roadworthy.workflows.context import RunContext, StepContext, current_run, current_step
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.signature import as_json
from roadworthy.workflows.step import Spec, execute

T = TypeVar("T")


class Prompt(Generic[T]):
    """Made by `app.prompt`. Call it with the prompt's inputs by name; the result is an `Answer`.

    A call that no model answers raises `StepFailed` inside a workflow, and the cause itself outside of one.
    """

    def __init__(
        self,
        prompt_id: str,
        output: Output[T],
        *,
        pipeline: Callable[[], Pipeline],
        version: Callable[[], Version],
        route: Callable[[str | None], str],
    ) -> None:
        self.id = prompt_id
        self.output = output
        self._pipeline = pipeline
        self._version = version
        self._route = route

    async def __call__(self, **inputs: Any) -> Answer[T]:
        """Ask, with the prompt's inputs by name."""
        context = current_run.get()
        if context is None:
            return await self._pipeline().call(self._request(self._version(), inputs, None))
        step = current_step.get()
        if step is not None:  # inside another step: part of it, on record in its own transaction
            return await self._pipeline().call(self._request(self._version(), inputs, step))
        return await self._as_step(context, inputs)

    async def _as_step(self, context: RunContext, inputs: dict[str, Any]) -> Answer[T]:
        version = self._version()

        async def work(step: StepContext) -> Json:
            request = self._request(version, inputs, step, commit=True)
            return _dump(await self._pipeline().call(request), self.output)

        recorded: Json = {
            "prompt": version.name,
            "inputs": as_json(inputs, f"An input of prompt {self.id!r}"),
        }
        return _load(await execute(context, Spec(self.id, StepKind.CALL), recorded, work), self.output)

    def _request(
        self, version: Version, inputs: dict[str, Any], step: StepContext | None, *, commit: bool = False
    ) -> Call[T]:
        if step is None:
            return Call(version, inputs, self.output, self._route(None))
        run = step.run.run
        left = None
        if run.deadline_at is not None:
            left = max(0.0, (run.deadline_at - step.run.parts.clock.now_ms()) / 1000)
        return Call(
            version,
            inputs,
            self.output,
            self._route(run.workflow),
            run_id=run.id,
            step_id=step.step_id,
            step_attempt=step.attempt,
            tenant=run.tenant,
            user_id=run.user_id,
            seconds_left=left,
            commit=step.effects.append if commit else None,
        )


def _dump(answer: Answer[T], output: Output[T]) -> Json:
    stored = {field.name: getattr(answer, field.name) for field in fields(answer)}
    stored["value"] = output.dump(answer.value)
    stored["usage"] = {field.name: getattr(answer.usage, field.name) for field in fields(answer.usage)}
    stored["cost_usd"] = str(answer.cost_usd)
    return cast("Json", stored)


def _load(stored: Json, output: Output[T]) -> Answer[T]:
    values = dict(cast("dict[str, Any]", stored))
    values["value"] = output.load(values["value"])
    values["usage"] = Usage(**values["usage"])
    values["cost_usd"] = Decimal(values["cost_usd"])
    return Answer(**values)
