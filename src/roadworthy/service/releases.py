"""`/v1/prompts/{prompt}/…`: which versions serve whom, the changes of it, and what came of a split."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from roadworthy.access import Permission
from roadworthy.errors import NotFound
from roadworthy.monitoring import outcomes
from roadworthy.releases import (
    Change,
    Release,
    arm_json,
    prompt_subject,
    slots_of,
)
from roadworthy.service.principal import Caller, forbidden, needs, route
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import Line, StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

_MOST = 100

Reader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]
Looker = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ, everywhere=True))]
Promoter = Annotated[Caller, Depends(needs(Permission.PROMPTS_PROMOTE, everywhere=True))]
Id = Annotated[str, Path(max_length=200)]


class ReasonBody(BaseModel):
    """Why something is changed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Annotated[Line, Field(max_length=255)] = ""
    """Why; kept on record."""
    expect: Annotated[int, Field(ge=0, le=2**53)] | None = None
    """The revision that was looked at: 409 when something else serves by now. Left out, the present one."""


class PromoteBody(ReasonBody):
    """A version that is to serve everybody."""

    label: Annotated[Line, Field(min_length=1)]
    override: bool = False
    """Without a passing evaluation; takes `prompts.override`, and a reason."""


class ShareBody(ReasonBody):
    """Names with their shares."""

    shares: Annotated[dict[Line, Decimal], Field(min_length=1, max_length=20)]
    """Percent by name, 100 in all, to a hundredth: versions of a prompt, or values of a flag."""


class SplitBody(ShareBody):
    """Versions that are to share who asks."""

    override: bool = False
    """Without passing evaluations; takes `prompts.override`, and a reason."""


class ArmOut(Shown):
    """One of the things that serve."""

    name: str
    content_hash: str
    percent: float


class ChangeOut(Shown):
    """One change."""

    id: str
    revision: int
    kind: str
    arms: list[ArmOut]
    """What served from then on; none where settings or code say."""
    before: list[ArmOut]
    by: str
    by_name: str
    reason: str
    evidence: dict[str, Any] | None
    """The evaluation that let each version be, by label."""
    at: str


class ReleasesOut(Shown):
    """What serves of a prompt, and how that came about, newest first."""

    prompt: str
    source: str
    """`release`, or `settings` where no version was promoted."""
    revision: int
    arms: list[ArmOut]
    changes: list[ChangeOut]
    next: int | None
    """For `before`, to get earlier changes."""


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["releases"], route_class=StrictRoute)
    changes = route(Permission.PROMPTS_PROMOTE, 404, 409, body=True)

    @made.get(
        "/v1/prompts/{prompt}/releases",
        summary="Show what serves of a prompt, and its history",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def show(
        caller: Reader,
        prompt: Id,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 20,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    ) -> ReleasesOut:
        del caller
        _require(app, prompt)
        release, default = await app.promotions.serving(prompt)
        found = await app.releases.history(prompt_subject(prompt), limit=limit + 1, before=before)
        its = ArmOut(name=default.label, content_hash=default.content_hash, percent=100)
        return ReleasesOut(
            prompt=prompt,
            source="settings" if release is None else "release",
            revision=0 if release is None else release.revision,
            arms=[its] if release is None else arms_of(release),
            changes=[change_out(one) for one in found[:limit]],
            next=found[limit - 1].revision if len(found) > limit else None,
        )

    @made.post("/v1/prompts/{prompt}/promote", summary="Let a version serve everybody", **changes)
    async def promote(caller: Promoter, prompt: Id, body: PromoteBody) -> ChangeOut:
        _may(caller, body)
        return change_out(
            await app.promotions.promote(
                prompt, body.label, expect=body.expect, reason=body.reason, override=body.override
            )
        )

    @made.post("/v1/prompts/{prompt}/split", summary="Let versions share who asks", **changes)
    async def split(caller: Promoter, prompt: Id, body: SplitBody) -> ChangeOut:
        _may(caller, body)
        slots = slots_of(body.shares)
        return change_out(
            await app.promotions.split(
                prompt, slots, expect=body.expect, reason=body.reason, override=body.override
            )
        )

    @made.post("/v1/prompts/{prompt}/rollback", summary="Let what served before serve again", **changes)
    async def rollback(caller: Promoter, prompt: Id, body: ReasonBody) -> ChangeOut:
        del caller
        _require(app, prompt)
        return change_out(await app.promotions.rollback(prompt, expect=body.expect, reason=body.reason))

    @made.get(
        "/v1/prompts/{prompt}/outcomes",
        summary="Show what became of each version of the newest split",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def became(caller: Looker, prompt: Id) -> dict[str, Any]:
        del caller
        environment, subject = app.settings.environment, prompt_subject(prompt)
        found = await app.database.read(lambda tx: outcomes(tx, environment, subject))
        if found is None:
            raise NotFound(f"Versions of {prompt!r} never shared who asks in {environment!r}.")
        return found.as_json()

    return made


def arms_of(release: Release) -> list[ArmOut]:
    """The arms of a release."""
    return [ArmOut.model_validate(arm_json(arm)) for arm in release.arms]


def change_out(change: Change) -> ChangeOut:
    """A change, as the API says it."""
    return ChangeOut.model_validate(change.as_json())


def _require(app: "App", prompt: str) -> None:
    if prompt not in app.prompts:
        raise NotFound(f"There is no prompt {prompt!r}.")


def _may(caller: Caller, body: PromoteBody | SplitBody) -> None:
    if body.override and not caller.principal.may(Permission.PROMPTS_OVERRIDE):
        raise forbidden(Permission.PROMPTS_OVERRIDE)
