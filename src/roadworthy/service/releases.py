"""`/v1/releases`, `/v1/prompts/{prompt}/…`: which versions serve whom, each change, what came of a split."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from roadworthy.access import Permission
from roadworthy.releases import Change, prompt_subject, slots_of
from roadworthy.service.principal import Caller, forbidden, needs, route
from roadworthy.service.release_model import (
    ArmOut,
    Before,
    ChangeOut,
    HistoryOut,
    Limit,
    OutcomesOut,
    ReasonBody,
    ShareBody,
    change_out,
    history_of,
    outcomes_of,
)
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

Reader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]
Looker = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ, everywhere=True))]
Promoter = Annotated[Caller, Depends(needs(Permission.PROMPTS_PROMOTE, everywhere=True))]
Id = Annotated[str, Path(max_length=200)]


class ClearBody(ReasonBody):
    """Settings are to say again what serves."""

    override: bool = False
    """Pass what is asked of a version; takes `prompts.override`, and a reason."""


class ServedOut(ChangeOut):
    """A change of what serves of a prompt."""

    warnings: list[str]
    """Why calls may fail since; in development, after a rollback or an override nobody refuses that."""


class PromoteBody(ClearBody):
    """A version that is to serve everybody."""

    label: Annotated[Line, Field(min_length=1)]


class SplitBody(ClearBody, ShareBody):
    """Versions that are to share who asks."""


class ReleaseOut(Shown):
    """What somebody let serve, and the change that made it so."""

    kind: str
    """`prompt`, `route` or `flag`."""
    name: str
    change: ChangeOut


class ReleaseList(Shown):
    """All that somebody let serve; settings and code say the rest."""

    environment: str
    releases: list[ReleaseOut]


class ReleasesOut(HistoryOut):
    """What serves of a prompt, and how that came about, newest first."""

    prompt: str


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["releases"], route_class=StrictRoute)
    changes = route(Permission.PROMPTS_PROMOTE, 404, 409, body=True)

    async def told(change: Change) -> ServedOut:
        unmet = await app.promotions.unmet(change)
        return ServedOut(**change_out(change).model_dump(), warnings=list(unmet))

    @made.get(
        "/v1/releases",
        summary="List what serves by a release: prompts, routes and flags",
        **route(Permission.PROMPTS_READ),
    )
    async def standing(caller: Reader) -> ReleaseList:
        del caller
        found = [(*one.subject.split(":", 1), change_out(one)) for one in await app.releases.standing()]
        shown = [ReleaseOut(kind=kind, name=name, change=change) for kind, name, change in found]
        return ReleaseList(environment=app.settings.environment, releases=shown)

    @made.get(
        "/v1/prompts/{prompt}/releases",
        summary="Show what serves of a prompt, and its history",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def show(caller: Reader, prompt: Id, limit: Limit = 20, before: Before = None) -> ReleasesOut:
        del caller
        _, default = await app.promotions.serving(prompt)
        its = ArmOut(name=default.label, content_hash=default.content_hash, percent=100)
        return ReleasesOut(
            prompt=prompt, **await history_of(app, prompt_subject(prompt), [its], limit, before)
        )

    @made.post("/v1/prompts/{prompt}/promote", summary="Let a version serve everybody", **changes)
    async def promote(caller: Promoter, prompt: Id, body: PromoteBody) -> ServedOut:
        _may(caller, body)
        return await told(
            await app.promotions.promote(
                prompt, body.label, expect=body.expect, reason=body.reason, override=body.override
            )
        )

    @made.post("/v1/prompts/{prompt}/split", summary="Let versions share who asks", **changes)
    async def split(caller: Promoter, prompt: Id, body: SplitBody) -> ServedOut:
        _may(caller, body)
        slots = slots_of(body.shares)
        return await told(
            await app.promotions.split(
                prompt, slots, expect=body.expect, reason=body.reason, override=body.override
            )
        )

    @made.post("/v1/prompts/{prompt}/rollback", summary="Let what served before serve again", **changes)
    async def rollback(caller: Promoter, prompt: Id, body: ReasonBody) -> ServedOut:
        del caller
        await app.promotions.serving(prompt)
        return await told(await app.promotions.rollback(prompt, expect=body.expect, reason=body.reason))

    @made.post("/v1/prompts/{prompt}/clear", summary="Let settings say again what serves", **changes)
    async def clear(caller: Promoter, prompt: Id, body: ClearBody) -> ChangeOut:
        _may(caller, body)
        return change_out(
            await app.promotions.clear(prompt, expect=body.expect, reason=body.reason, override=body.override)
        )

    @made.get(
        "/v1/prompts/{prompt}/outcomes",
        summary="Show what became of each version of the newest split",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def became(caller: Looker, prompt: Id) -> OutcomesOut:
        del caller
        return await outcomes_of(app, prompt_subject(prompt))

    return made


def _may(caller: Caller, body: ClearBody) -> None:
    if body.override and not caller.principal.may(Permission.PROMPTS_OVERRIDE):
        raise forbidden(Permission.PROMPTS_OVERRIDE)
