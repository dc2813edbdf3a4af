"""`/v1/events` and `/v1/runs/{run_id}/events`: what changed, as it changes, as server-sent events."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Request

from roadworthy.access import Permission
from roadworthy.errors import RoadworthyError
from roadworthy.service.changes import Change
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import Caller, Reader, route
from roadworthy.service.runs import Desk, RunId
from roadworthy.service.streams import EventStream, Streams
from roadworthy.service.strict import StrictRoute
from roadworthy.workflows import FINISHED

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.service.principal import Authentication

LastEvent = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=r"^[0-9]{1,15}$",
        description="The id of the last event that was received: what changed since comes first.",
    ),
]
_READS = {"run": Permission.RUNS_READ, "step": Permission.RUNS_READ, "review": Permission.REVIEWS_READ}
_SHOWN = """retry: 5000
: following

id: 1772357400250
event: run.changed
data: {"id": "run_019a2b3c4d5e7f608192a3b4c5d6e7f8", "topic": "run"}

event: closing
data: {"reason": "the service shuts down"}

"""
_STREAM: dict[int, dict[str, Any]] = {
    200: {
        "description": "Events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _SHOWN}},
    }
}


def router(app: "App", streams: Streams, authentication: "Authentication") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["events"], route_class=StrictRoute)
    desk = Desk(app, streams)

    @made.get(
        "/v1/events",
        summary="What changes",
        response_model=None,
        **route(Permission.RUNS_READ, replies=_STREAM),
    )
    async def everything(
        caller: Reader,
        request: Request,
        last_event_id: LastEvent = None,
    ) -> EventStream:
        return EventStream(
            streams,
            caller.principal.id,
            wants=_visible(caller),
            still_allowed=_still_allowed(request, authentication, caller),
            after_ms=None if last_event_id is None else int(last_event_id),
        )

    @made.get(
        "/v1/runs/{run_id}/events",
        summary="What changes of a run, until it ends",
        response_model=None,
        **route(Permission.RUNS_READ, 404, replies=_STREAM),
    )
    async def of_run(
        caller: Reader,
        request: Request,
        run_id: RunId,
        last_event_id: LastEvent = None,
    ) -> EventStream:
        run = await desk.get(caller, run_id)
        return EventStream(
            streams,
            caller.principal.id,
            wants=lambda change: change.id == run_id,
            still_allowed=_still_allowed(request, authentication, caller),
            run_id=run_id,
            after_ms=None if last_event_id is None else int(last_event_id),
            ended=run.status in FINISHED,
        )

    return made


def _visible(caller: Caller) -> Callable[[Change], bool]:
    def visible(change: Change) -> bool:
        permission = _READS[change.topic]
        return caller.may(permission, workflow=change.workflow, tenant=change.tenant)

    return visible


def _still_allowed(
    request: Request, authentication: "Authentication", caller: Caller
) -> Callable[[], Awaitable[bool]]:
    """Whether the credentials of the request still hold and still mean the same."""

    async def look() -> bool:
        try:
            principal = await authentication.find(request.scope, exchange_of(request.scope))
        except RoadworthyError:
            return False
        return principal is not None and principal.grants == caller.principal.grants

    return look
