"""`/v1/audit`: who did what. The chain is verified from the command line, beside the database."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query

from roadworthy.access import Permission
from roadworthy.audit import Filter
from roadworthy.db.tables.audit import audit_entries
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.run_model import Shown, When, milliseconds
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

_MOST = 200
Auditor = Annotated[Caller, Depends(needs(Permission.AUDIT_READ))]


class EntryOut(Shown):
    """One entry of the audit log."""

    seq: int
    """Its place in the log."""
    id: str
    at: datetime
    environment: str
    actor_kind: str
    actor: str
    actor_name: str
    action: str
    subject: str
    workflow: str
    tenant: str
    outcome: str
    request_id: str
    detail: dict[str, Any]
    hash: str


class EntryList(Shown):
    """A page of the log, newest first."""

    entries: list[EntryOut]
    next: int | None


def router(app: "App") -> APIRouter:
    """The route."""
    made = APIRouter(tags=["audit"], route_class=StrictRoute)

    @made.get("/v1/audit", summary="Who did what, newest first", **route(Permission.AUDIT_READ))
    async def find(
        caller: Auditor,
        action: Annotated[
            Line | None, Query(description="Or the beginning of some, with a dot: `run.`.")
        ] = None,
        actor: Annotated[Line | None, Query(description="An id, or a name.")] = None,
        subject: Annotated[Line | None, Query()] = None,
        outcome: Annotated[Line | None, Query()] = None,
        since: When = None,
        until: When = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
        after: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> EntryList:
        where = Filter(
            action=action,
            actor=actor,
            subject=subject,
            outcome=outcome,
            environment=app.settings.environment,
            from_ms=milliseconds(since),
            before_ms=milliseconds(until),
        )
        visible = caller.scope.condition(audit_entries.c.workflow, audit_entries.c.tenant)
        found = await app.audit.find(where, limit=limit + 1, after=after, visible=visible)
        shown = [EntryOut.model_validate(one.as_json()) for one in found[:limit]]
        return EntryList(entries=shown, next=shown[-1].seq if len(found) > limit else None)

    return made
