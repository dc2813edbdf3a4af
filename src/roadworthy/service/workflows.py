"""`/v1/workflows`: which workflows there are, and what they take."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path

from roadworthy.access import Permission
from roadworthy.errors import NotFound
from roadworthy.service.principal import Reader, route
from roadworthy.service.run_model import Shown
from roadworthy.service.runs import sees
from roadworthy.service.strict import StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.workflows import Workflow


class WorkflowOut(Shown):
    """A workflow of the project."""

    name: str
    description: str
    """The first line of its docstring."""
    tags: list[str]
    business_owner: str | None
    technical_owner: str | None
    on_call: str | None
    runbook: str | None


class WorkflowDetail(WorkflowOut):
    """A workflow with what goes in and comes out."""

    input_schema: dict[str, Any]
    """JSON Schema of the input, by name."""
    output_schema: dict[str, Any]
    """JSON Schema of the result."""


class WorkflowList(Shown):
    """The workflows that the caller may see."""

    workflows: list[WorkflowOut]


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["workflows"], route_class=StrictRoute)

    def fields(workflow: "Workflow[..., Any]") -> dict[str, Any]:
        settings = app.settings.workflows.get(workflow.name)
        owners = ("business_owner", "technical_owner", "on_call", "runbook")
        told = (workflow.__doc__ or "").strip().splitlines()
        return {
            "name": workflow.name,
            "description": told[0] if told else "",
            "tags": list(settings.tags) if settings else [],
            **{name: getattr(settings, name, None) for name in owners},
        }

    @made.get("/v1/workflows", summary="List workflows", **route(Permission.RUNS_READ))
    async def find(caller: Reader) -> WorkflowList:
        shown = [one for name, one in sorted(app.workflows.items()) if sees(caller, name)]
        return WorkflowList(workflows=[WorkflowOut(**fields(one)) for one in shown])

    @made.get("/v1/workflows/{name}", summary="Show a workflow", **route(Permission.RUNS_READ, 404))
    async def show(
        caller: Reader,
        name: Annotated[str, Path(max_length=200)],
    ) -> WorkflowDetail:
        workflow = app.workflows.get(name)
        if workflow is None or not sees(caller, name):
            raise NotFound(f"There is no workflow {name!r}.")
        return WorkflowDetail(
            **fields(workflow),
            input_schema=workflow.signature.input_schema(),
            output_schema=workflow.signature.output_schema(),
        )

    return made
