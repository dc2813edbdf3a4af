"""`/v1/runs`: start, find, show, cancel, resume, replay and signal runs.

What is outside of the caller's grants reads like what does not exist: one look, one message, one status.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.access import Permission
from roadworthy.errors import InvalidInput, NotFound
from roadworthy.records import to_micro_usd
from roadworthy.service.principal import Caller, Manager, Reader, Starter, forbidden, route
from roadworthy.service.run_model import (
    RUN_ID,
    RunBody,
    RunDetail,
    RunList,
    RunOut,
    When,
    milliseconds,
    run_out,
    step_out,
)
from roadworthy.service.streams import Streams
from roadworthy.service.strict import Line, StrictRoute
from roadworthy.workflows import Filter, Run, RunStatus

if TYPE_CHECKING:
    from roadworthy.app import App

MOST_RUNS = 200
LONGEST_WAIT_SECONDS = 60
_MOST_CHILDREN_SHOWN = 1000

RunId = Annotated[str, Path(pattern=RUN_ID, description="The run's id.")]
Wait = Annotated[
    float,
    Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Wait so many seconds for its end; it goes on after."),
]


class FromStep(BaseModel):
    """Where to begin again."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    from_step: Line | Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """The name or position of a step: it and all after it are done again."""


class Signal(BaseModel):
    """A signal for a run that waits for it, now or later."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: Annotated[Line, Field(min_length=1)]
    payload: Any = None


def router(app: "App", streams: Streams) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["runs"], route_class=StrictRoute)
    desk = Desk(app, streams)

    @made.post(
        "/v1/workflows/{name}/runs",
        status_code=201,
        summary="Start a run",
        **route(
            Permission.RUNS_START,
            404,
            409,
            body=True,
            replies={200: {"model": RunOut, "description": "The run that was started with this key before."}},
        ),
    )
    async def start(
        caller: Starter,
        response: Response,
        name: Annotated[str, Path(max_length=200)],
        body: RunBody,
        wait: Wait = 0,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=255,
                pattern=r"^[\x20-\x7e]+$",
                description="The same key gives the same run.",
            ),
        ] = None,
    ) -> RunOut:
        run, is_new = await desk.start(caller, name, body, idempotency_key)
        response.status_code = 201 if is_new else 200
        response.headers["location"] = f"/v1/runs/{run.id}"
        return run_out(await desk.waited(caller, run, wait))

    @made.get("/v1/runs", summary="List runs, newest first", **route(Permission.RUNS_READ))
    async def find(
        caller: Reader,
        workflow: Annotated[Line | None, Query()] = None,
        status: Annotated[list[RunStatus] | None, Query(max_length=20)] = None,
        tag: Annotated[Line | None, Query()] = None,
        tenant: Annotated[Line | None, Query()] = None,
        user: Annotated[Line | None, Query()] = None,
        since: When = None,
        until: When = None,
        error: Annotated[Line | None, Query(description="Failed with this kind of error.")] = None,
        min_cost: Annotated[Decimal | None, Query(ge=0, le=1_000_000, description="In US dollars.")] = None,
        min_seconds: Annotated[float | None, Query(ge=0, le=1e9)] = None,
        text: Annotated[Line | None, Query(description="In id, error or reason.")] = None,
        batch: Annotated[Line | None, Query()] = None,
        parent: Annotated[Line | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_RUNS)] = 50,
        after: Annotated[
            str | None, Query(pattern=RUN_ID, description="The last id of the page before.")
        ] = None,
    ) -> RunList:
        where = Filter(
            workflow=workflow,
            status=tuple(status or ()),
            tenant=tenant,
            user_id=user,
            tag=tag,
            batch_id=batch,
            parent_run_id=parent,
            created_from=milliseconds(since),
            created_before=milliseconds(until),
            min_cost_micro_usd=None if min_cost is None else to_micro_usd(min_cost),
            min_seconds=min_seconds,
            error_kind=error,
            text=text,
            within=caller.scope.condition,
        )
        found = await app.runs.find(where, limit=limit + 1, after=after)
        page = found[:limit]
        return RunList(runs=[run_out(run) for run in page], next=page[-1].id if len(found) > limit else None)

    @made.get("/v1/runs/{run_id}", summary="Show a run with its steps", **route(Permission.RUNS_READ, 404))
    async def show(
        caller: Reader,
        run_id: RunId,
        wait: Wait = 0,
    ) -> RunDetail:
        run = await desk.get(caller, run_id)
        if wait:
            await desk.waited(caller, run, wait)
        return await desk.detail(caller, run_id)

    changes = route(Permission.RUNS_MANAGE, 404, 409, body=True)

    @made.post("/v1/runs/{run_id}/cancel", summary="Cancel a run and its children", **changes)
    async def cancel(caller: Manager, run_id: RunId) -> RunOut:
        await desk.get(caller, run_id)
        await app.runs.cancel(run_id)
        return run_out(await app.runs.get(run_id))

    @made.post("/v1/runs/{run_id}/resume", summary="Let a stopped run go on", **changes)
    async def resume(
        caller: Manager,
        run_id: RunId,
        body: FromStep | None = None,
    ) -> RunOut:
        await desk.get(caller, run_id)
        return run_out(await app.runs.resume(run_id, from_step=body.from_step if body else None))

    @made.post(
        "/v1/runs/{run_id}/replay", status_code=201, summary="Run its input again, as a new run", **changes
    )
    async def replay(
        caller: Manager,
        response: Response,
        run_id: RunId,
        body: FromStep | None = None,
    ) -> RunOut:
        await desk.get(caller, run_id)
        handle = await app.runs.replay(run_id, from_step=body.from_step if body else None)
        response.headers["location"] = f"/v1/runs/{handle.id}"
        return run_out(await handle.run())

    @made.post("/v1/runs/{run_id}/signals", status_code=202, summary="Send a signal to a run", **changes)
    async def signal(
        caller: Manager,
        run_id: RunId,
        body: Signal,
    ) -> RunOut:
        await desk.get(caller, run_id)
        await app.runs.signal(run_id, body.name, body.payload)
        return run_out(await app.runs.get(run_id))

    return made


class Desk:
    """What the routes do, for one caller each."""

    def __init__(self, app: "App", streams: Streams) -> None:
        self._app = app
        self._streams = streams

    async def get(self, caller: Caller, run_id: str) -> Run:
        """A run for which the caller has the route's permission. Raises `NotFound`, `Forbidden`."""
        try:
            run = await self._app.runs.get(run_id)
        except NotFound:
            raise missing(run_id) from None
        caller.require(
            workflow=run.workflow, tenant=run.tenant, seen_by=Permission.RUNS_READ, missing=missing(run_id)
        )
        return run

    async def start(self, caller: Caller, name: str, body: RunBody, key: str | None) -> tuple[Run, bool]:
        """Queue a run, or find the one that the key names; whether it is new."""
        tenant = self._tenant(caller, name, body.tenant)
        handle = await self._app.runs.start(
            name,
            body.input,
            idempotency_key=key,
            tenant=tenant,
            user_id=body.user_id,
            tags=body.tags,
            due_at=milliseconds(body.due_at),
        )
        return await handle.run(), handle.is_new

    def _tenant(self, caller: Caller, workflow: str, asked: str | None) -> str:
        """Whose the run is: what was asked, else what the caller's grants leave no choice about."""
        if workflow not in self._app.workflows or not sees(caller, workflow):
            raise NotFound(f"There is no workflow {workflow!r}.")
        allowed = {
            one for one in caller.tenants if caller.may(caller.permission, workflow=workflow, tenant=one)
        }
        if asked is not None:
            if not caller.may(caller.permission, workflow=workflow, tenant=asked):
                raise forbidden(caller.permission)
            return asked
        if not allowed:
            raise forbidden(caller.permission)
        if "" in allowed:
            return ""
        if len(allowed) > 1:
            raise InvalidInput("Say for which tenant the run is.", hint='Add "tenant" to the body.')
        return allowed.pop()

    async def waited(self, caller: Caller, run: Run, seconds: float) -> Run:
        """The run after at most so many seconds, or as soon as it has ended."""
        if not seconds:
            return run
        return await self._streams.wait_for_end(
            caller.principal.id, lambda: self._app.runs.get(run.id), run.id, seconds
        )

    async def detail(self, caller: Caller, run_id: str) -> RunDetail:
        """Everything of a run that the caller may see."""
        shown = await self._app.runs.show(run_id)
        run = shown.run
        content = caller.may(Permission.RUNS_CONTENT, workflow=run.workflow, tenant=run.tenant)
        children = [
            one
            for one in shown.children
            if caller.may(caller.permission, workflow=one.workflow, tenant=one.tenant)
        ]
        return RunDetail.model_validate(
            {
                **run.as_json(),
                "content": content,
                "input": shown.input if content else None,
                "output": shown.output if content else None,
                "steps": [step_out(step, content=content) for step in shown.steps],
                "children": [one.as_json() for one in children],
            }
        )


def missing(run_id: str) -> NotFound:
    """That there is no such run, or none that may be seen."""
    return NotFound(f"There is no run {run_id!r}.")


def sees(caller: Caller, workflow: str) -> bool:
    """Whether the caller may know that there is this workflow."""
    wanted = (Permission.RUNS_READ, Permission.RUNS_START)
    return any(
        caller.may(one, workflow=workflow, tenant=tenant) for one in wanted for tenant in caller.tenants
    )
