"""`/v1/routes`: the routes of the settings, which of them serves whom, and what came of a split."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path

from roadworthy.access import Permission
from roadworthy.errors import NotFound, did_you_mean
from roadworthy.releases import SLOTS, route_subject, slots_of
from roadworthy.service.principal import Caller, needs, route
from roadworthy.service.release_model import (
    ArmOut,
    Before,
    ChangeOut,
    HistoryOut,
    Limit,
    OutcomesOut,
    ReasonBody,
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

Reader = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ))]
Looker = Annotated[Caller, Depends(needs(Permission.PROMPTS_READ, everywhere=True))]
Switcher = Annotated[Caller, Depends(needs(Permission.FLAGS_MANAGE, everywhere=True))]
Name = Annotated[str, Path(max_length=200)]


class RouteOut(Shown):
    """A route of the settings."""

    name: str
    models: list[str]
    """Asked in this order."""
    revision: int
    """Of the release that says what serves; 0 where the route serves itself."""
    arms: list[ArmOut]
    """The routes that those who ask for this one get."""


class RouteList(Shown):
    """Every route."""

    routes: list[RouteOut]


class RouteReleases(HistoryOut):
    """What serves those who ask for a route, and how that came about, newest first."""

    route: str


def router(app: "App") -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["routes"], route_class=StrictRoute)
    changes = route(Permission.FLAGS_MANAGE, 404, 409, body=True)
    known = app.settings.routes

    def require(name: str) -> None:
        if name not in known:
            raise NotFound(f"There is no route {name!r}.", hint=did_you_mean(name, known))

    @made.get("/v1/routes", summary="List routes, and which serves whom", **route(Permission.PROMPTS_READ))
    async def find(caller: Reader) -> RouteList:
        del caller
        released = (await app.releases.fresh()).releases
        shown: list[RouteOut] = []
        for name, its in known.items():
            release = released.get(route_subject(name))
            arms = [_itself(name)] if release is None else arms_of(release)
            revision = 0 if release is None else release.revision
            shown.append(RouteOut(name=name, models=list(its.models), revision=revision, arms=arms))
        return RouteList(routes=shown)

    @made.post("/v1/routes/{name}/split", summary="Let routes share who asks for one", **changes)
    async def split(caller: Switcher, name: Name, body: ShareBody) -> ChangeOut:
        del caller
        slots = slots_of(body.shares)
        return change_out(
            await app.promotions.split_route(name, slots, expect=body.expect, reason=body.reason)
        )

    @made.post("/v1/routes/{name}/clear", summary="Let a route serve itself again", **changes)
    async def clear(caller: Switcher, name: Name, body: ReasonBody) -> ChangeOut:
        del caller
        return change_out(
            await app.promotions.split_route(name, {name: SLOTS}, expect=body.expect, reason=body.reason)
        )

    @made.get(
        "/v1/routes/{name}/releases",
        summary="Show what serves those who ask for a route, and its history",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def show(
        caller: Reader,
        name: Name,
        limit: Limit = 20,
        before: Before = None,
    ) -> RouteReleases:
        del caller
        require(name)
        fields = await history_of(app, route_subject(name), [_itself(name)], limit, before)
        return RouteReleases(route=name, **fields)

    @made.get(
        "/v1/routes/{name}/outcomes",
        summary="Show what became of each route of the newest split",
        **route(Permission.PROMPTS_READ, 404),
    )
    async def became(caller: Looker, name: Name) -> OutcomesOut:
        del caller
        require(name)
        return await outcomes_of(app, route_subject(name))

    return made


def _itself(name: str) -> ArmOut:
    return ArmOut(name=name, content_hash="", percent=100)
