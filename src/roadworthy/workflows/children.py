"""Child runs: a sub-workflow is one child, `app.map` is one child for each item.

Starting them is one step: the children's rows and the step's outcome are stored in one transaction, so a
crash can neither lose nor double them. Waiting holds no worker's place. Collecting the results is a step too.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from roadworthy.db import unpack
from roadworthy.errors import InvalidInput, OrderError, Rejected, StepFailed, UserError
from roadworthy.records import Json
from roadworthy.workflows.context import RunContext, StepContext, run_context
from roadworthy.workflows.run import FINISHED, Failure, RunStatus, StepKind
from roadworthy.workflows.signature import as_json, content_hash
from roadworthy.workflows.step import Spec, Step, execute
from roadworthy.workflows.store import find, runs
from roadworthy.workflows.wait import Waiting
from roadworthy.workflows.workflow import Workflow

MAX_DEPTH = 20
"""Children of children, at most: deeper is taken for a recursion without end."""

_HOLD_SECONDS = 60.0
_POLL_SECONDS = 1.0

OnError = Literal["raise", "collect"]


async def call_child(workflow: Workflow[..., Any], arguments: dict[str, Any]) -> Any:
    """Run one sub-workflow to its end; raises `StepFailed` when it could not finish, `Rejected` as it did."""
    return (await _children(workflow, [arguments], "raise"))[0]


async def fan_out(
    target: Workflow[..., Any] | Step[..., Any], items: Sequence[Any], *, limit: int, on_error: OnError
) -> list[Any]:
    """Apply a workflow or a step to each item; results in the order of the items."""
    if isinstance(target, Workflow):
        return await _children(target, [target.signature.bind((item,), {}) for item in items], on_error)
    return await _parallel_steps(target, items, limit, on_error)


async def _parallel_steps(
    target: Step[..., Any], items: Sequence[Any], limit: int, on_error: OnError
) -> list[Any]:
    context = _in_main_task(f"mapping step {target.name!r}")
    places = [context.engine.reserve() for _ in items]  # drawn here, in order, whatever finishes first
    gate = asyncio.Semaphore(limit)

    async def one(place: Any, item: Any) -> Any:
        async with gate:
            return await target.at(context, place, (item,), {})

    tasks = [asyncio.ensure_future(one(place, item)) for place, item in zip(places, items, strict=True)]
    context.in_flight.update(tasks)
    try:
        results = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        context.in_flight.difference_update(tasks)
    return _results(results, on_error)


async def _children(
    workflow: Workflow[..., Any], calls: list[dict[str, Any]], on_error: OnError
) -> list[Any]:
    context = _in_main_task(f"running workflow {workflow.name!r}")
    if not calls:
        return []
    inputs = [as_json(arguments, f"The input of workflow {workflow.name!r}") for arguments in calls]
    for given in inputs:
        workflow.signature.parse(given)
    run_ids = await _start(context, workflow, inputs)
    await _wait(context, run_ids)

    async def collect(_step: StepContext) -> Json:
        rows = {row.id: row for row in await context.read(lambda tx: find.children(tx, run_ids))}
        return [_outcome(rows[run_id]) for run_id in run_ids]

    spec = Spec(f"collect {workflow.name}", StepKind.CHILD)
    outcomes = await execute(
        context, spec, {"runs": list(run_ids)}, _raising(collect, workflow.name, on_error)
    )
    assert isinstance(outcomes, list)  # noqa: S101 - written above
    return _results(
        [_load(workflow, run_id, one) for run_id, one in zip(run_ids, outcomes, strict=True)], on_error
    )


async def _start(context: RunContext, workflow: Workflow[..., Any], inputs: list[Json]) -> list[str]:
    parts, parent = context.parts, context.run
    hashes = [content_hash(given) for given in inputs]

    async def start(step: StepContext) -> Json:
        above = await context.read(lambda tx: find.ancestors(tx, parent.id))
        for row in above:
            if row.workflow == workflow.name and row.input_hash in hashes:
                chain = " → ".join([*(one.workflow for one in reversed(above)), workflow.name])
                raise InvalidInput(
                    f"Workflow {workflow.name!r} would run itself with the same input, without end: {chain}.",
                    hint="Break the cycle.",
                )
        if context.depth + 1 > MAX_DEPTH:
            raise InvalidInput(f"Workflows call each other more than {MAX_DEPTH} deep at {workflow.name!r}.")
        new = [
            runs.NewRun(
                id=parts.ids.new("run"),
                workflow=workflow.name,
                input=given,
                input_hash=input_hash,
                environment=parent.environment,
                fingerprint=workflow.fingerprint,
                tenant=parent.tenant,
                user_id=parent.user_id,
                tags=parent.tags,
                traceparent=parts.telemetry.traceparent() or parent.traceparent,
                parent_run_id=parent.id,
                depth=context.depth + 1,
                lane=parent.lane,
                lane_until=parent.lane_until,
            )
            for given, input_hash in zip(inputs, hashes, strict=True)
        ]

        def create(tx: sa.Connection) -> None:
            now_ms = parts.clock.now_ms()
            for one in new:
                runs.create(tx, one, now_ms)

        step.effects.append(create)
        return [one.id for one in new]

    spec = Spec(f"start {workflow.name}", StepKind.CHILD)
    started = await execute(context, spec, {"workflow": workflow.name, "inputs": inputs}, start)
    context.doorbell.work.set()
    assert isinstance(started, list)  # noqa: S101 - written above
    return [str(run_id) for run_id in started]


async def _wait(context: RunContext, run_ids: list[str]) -> None:
    clock = context.parts.clock
    leave_at = clock.monotonic() + _HOLD_SECONDS

    def over(tx: sa.Connection) -> bool:
        return all(RunStatus(row.status) in FINISHED for row in find.children(tx, run_ids))

    context.idle = True
    context.doorbell.work.set()
    try:
        while True:
            with context.doorbell.listening(run_ids) as ring:
                if await context.read(over):
                    return
                if clock.monotonic() >= leave_at:
                    raise Waiting("children", None, over)
                await ring(_POLL_SECONDS)
            await asyncio.sleep(min(0.2, len(run_ids) / 2000))  # children end in bursts: look once for many
    finally:
        context.idle = False


def _outcome(row: "sa.Row[*tuple[Any, ...]]") -> Json:
    if row.status == RunStatus.SUCCEEDED:
        return {"ok": True, "value": unpack(row.output)}
    if row.status == RunStatus.SKIPPED:
        return {"ok": True, "skipped": row.skip_reason}
    if row.status == RunStatus.REJECTED:
        return {"ok": True, "rejected": row.skip_reason}
    kind = row.error_kind or str(row.status)
    return {"ok": False, "failure": Failure(kind, row.error_message or f"it was {row.status}").as_json()}


def _raising(collect: Any, name: str, on_error: OnError) -> Any:
    """Fail the collecting step itself on the first failed child, so that a resume asks the children again."""

    async def work(step: StepContext) -> Json:
        outcomes = await collect(step)
        failed = [one["failure"] for one in outcomes if not one["ok"]]
        if failed and on_error == "raise":
            first = Failure.from_json(failed[0])
            raise _ChildFailed(
                f"{len(failed)} of {len(outcomes)} runs of {name!r} did not finish: {first.message}"
            )
        return outcomes

    return work


class _ChildFailed(UserError):
    """A child run did not finish."""

    code = "child_failed"


def _load(workflow: Workflow[..., Any], run_id: str, outcome: Any) -> Any:
    if not outcome["ok"]:
        failure = Failure.from_json(outcome["failure"])
        return StepFailed(
            f"Run {run_id} of {workflow.name!r} did not finish: {failure.message}",
            step=workflow.name,
            kind=failure.kind,
            attempts=failure.attempts,
        )
    if "rejected" in outcome:
        return Rejected(outcome["rejected"] or f"Run {run_id} of {workflow.name!r} was rejected.")
    return workflow.signature.load(outcome["value"]) if "value" in outcome else None


def _results(results: list[Any], on_error: OnError) -> list[Any]:
    for result in results:
        expected = isinstance(result, StepFailed | Rejected)
        if isinstance(result, BaseException) and (on_error == "raise" or not expected):
            raise result
    return results


def _in_main_task(what: str) -> RunContext:
    context = run_context(what)
    if asyncio.current_task() is not context.main_task:
        raise OrderError(f"A parallel branch cannot start runs ({what}).", hint="Fan out once, with app.map.")
    return context
