"""`/v1/flags`: the flags that are set, setting them, and what came of each value."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query

from roadworthy.access import Permission
from roadworthy.releases import Release, flag_subject, slots_of
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.release_model import (
    ArmOut,
    Before,
    ChangeOut,
    HistoryOut,
    Limit,
    OutcomesOut,
    Reason,
    Revision,
    ShareBody,
    arms_of,
    change_out,
    history_of,
    outcomes_of,
)
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

_FLAG = "flag:"

Reader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]
Looker = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ, everywhere=True))]
Switcher = Annotated[Caller, Depends(needs(Permission.FLAGS_MANAGE, everywhere=True))]
Name = Annotated[str, Path(max_length=200)]


class FlagOut(Shown):
    """A flag that is set."""

    name: str
    revision: int
    arms: list[ArmOut]


class FlagList(Shown):
    """Every flag that is set; the others are what the code takes as their default."""

    flags: list[FlagOut]


class FlagReleases(HistoryOut):
    """What a flag is, and how that came about, newest first; without arms the code says what it is."""

    name: str


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["flags"], route_class=StrictRoute)
    changes = route(Permission.FLAGS_MANAGE, 404, 409, body=True)

    @made.get("/v1/flags", summary="List the flags that are set", **route(Permission.PROMPTS_READ))
    async def flags(caller: Reader) -> FlagList:
        del caller
        released = (await app.releases.fresh()).releases
        found = sorted(subject for subject in released if subject.startswith(_FLAG))
        return FlagList(flags=[_flag(released[subject]) for subject in found])

    @made.put("/v1/flags/{name}", summary="Set a flag", **changes)
    async def set_flag(caller: Switcher, name: Name, body: ShareBody) -> ChangeOut:
        del caller
        slots = slots_of(body.shares)
        return change_out(await app.promotions.set_flag(name, slots, expect=body.expect, reason=body.reason))

    @made.delete("/v1/flags/{name}", summary="Take a flag back", **route(Permission.FLAGS_MANAGE, 404, 409))
    async def clear_flag(
        caller: Switcher,
        name: Name,
        reason: Annotated[Reason, Query()] = "",
        expect: Annotated[Revision | None, Query()] = None,
    ) -> ChangeOut:
        del caller
        return change_out(await app.promotions.clear_flag(name, expect=expect, reason=reason))

    @made.get(
        "/v1/flags/{name}/releases",
        summary="Show what a flag is, and its history",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def show(caller: Reader, name: Name, limit: Limit = 20, before: Before = None) -> FlagReleases:
        del caller
        return FlagReleases(name=name, **await history_of(app, flag_subject(name), [], limit, before))

    @made.get(
        "/v1/flags/{name}/outcomes",
        summary="Show what became of the runs that met each value of a flag",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def became(caller: Looker, name: Name) -> OutcomesOut:
        del caller
        return await outcomes_of(app, flag_subject(name))

    return made


def _flag(release: Release) -> FlagOut:
    return FlagOut(name=release.subject.removeprefix(_FLAG), revision=release.revision, arms=arms_of(release))
