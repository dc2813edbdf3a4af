"""`/v1/prompts`: the prompts of the project, their versions, and which of them serves."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path

from roadworthy.access import Permission
from roadworthy.errors import NotFound
from roadworthy.prompts import Version
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

PromptReader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]


class VersionOut(Shown):
    """A version of a prompt."""

    prompt: str
    label: str
    serves: bool
    """Whether it is asked here, by everybody or by a share of those who ask."""
    route: str | None
    inputs: list[str]
    content_hash: str
    """SHA-256 of the text."""
    description: str


class VersionDetail(VersionOut):
    """A version with its text."""

    text: str


class PromptList(Shown):
    """Every version of every prompt."""

    prompts: list[VersionOut]


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["prompts"], route_class=StrictRoute)

    def fields(version: Version) -> dict[str, Any]:
        return {
            "prompt": version.prompt_id,
            "label": version.label,
            "serves": app.serves(version),
            "route": app.settings.route_for(version.prompt_id) or version.settings.route,
            "inputs": sorted(version.inputs),
            "content_hash": version.content_hash,
            "description": version.description,
        }

    @made.get("/v1/prompts", summary="List prompts and their versions", **route(Permission.PROMPTS_READ))
    async def find(caller: PromptReader) -> PromptList:
        del caller
        await app.releases.fresh()
        return PromptList(prompts=[VersionOut(**fields(one)) for one in app.prompts.all_versions()])

    @made.get(
        "/v1/prompts/{prompt}/versions/{label}",
        summary="Show a version of a prompt",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def show(
        caller: PromptReader,
        prompt: Annotated[str, Path(max_length=200)],
        label: Annotated[str, Path(max_length=200)],
    ) -> VersionDetail:
        del caller
        await app.releases.fresh()
        for version in app.prompts.versions(prompt) if prompt in app.prompts else ():
            if version.label == label:
                return VersionDetail(**fields(version), text=version.text)
        raise NotFound(f"There is no prompt {prompt!r} with a version {label!r}.")

    return made
