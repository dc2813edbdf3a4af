"""`/v1/flags`: the flags that are set, and setting them."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path

from roadworthy.access import Permission
from roadworthy.audit import Action
from roadworthy.releases import Release, flag_subject, slots_of
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.releases import ArmOut, ChangeOut, ShareBody, arms_of, change_out
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import StrictRoute

if TYPE_CHECKING:
    from roadworthy.app import App

_FLAG = "flag:"

Reader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]
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
        slots = {(value, ""): share for value, share in slots_of(body.shares).items()}
        return change_out(
            await app.releases.split(
                flag_subject(name), slots, action=Action.FLAG_CHANGED, expect=body.expect, reason=body.reason
            )
        )

    @made.delete("/v1/flags/{name}", summary="Take a flag back", **route(Permission.FLAGS_MANAGE, 404, 409))
    async def clear_flag(caller: Switcher, name: Name) -> ChangeOut:
        del caller
        return change_out(await app.releases.clear(flag_subject(name), Action.FLAG_CHANGED))

    return made


def _flag(release: Release) -> FlagOut:
    return FlagOut(name=release.subject.removeprefix(_FLAG), revision=release.revision, arms=arms_of(release))
