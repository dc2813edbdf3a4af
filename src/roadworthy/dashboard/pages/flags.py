"""`/flags`: the flags that are set and the routes, what serves of each since when, by whom and why.

`/flags/flag/{name}` and `/flags/route/{name}` are one of them: its history, what came of its newest split,
and the forms that change it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Response

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.dashboard.pages.serving import (
    Asked,
    Refused,
    looked_at,
    refused,
    shares_in,
    shares_now,
    split_shown,
    typed_shares,
)
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, nothing_here, visits
from roadworthy.errors import InvalidInput, RoadworthyError
from roadworthy.releases import SLOTS, Change, Release, flag_subject, route_subject, shares_of

_CHANGES = 20
Kind = Literal["flag", "route"]
Name = Annotated[str, Path(max_length=200)]


def router(renderer: Renderer) -> APIRouter:
    """The routes."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)
    reads = visits(app, Permission.PROMPTS_READ)
    switches = visits(app, Permission.FLAGS_MANAGE, everywhere=True)

    @made.get("/flags")
    async def all_of_them(visit: Annotated[Visit, Depends(reads)]) -> Response:
        return await _listed(renderer, visit)

    @made.post("/flags")
    async def set_one(visit: Annotated[Visit, Depends(switches)]) -> Response:
        try:
            name = visit.field("name").strip()
            done = await _set(app, visit, name, expect=None)
        except RoadworthyError as error:
            return await _listed(renderer, visit, refused(visit, error))
        return visit.go(_address("flag", name), _said(name, done))

    @made.get("/flags/{kind}/{name}")
    async def one(
        visit: Annotated[Visit, Depends(reads)], kind: Kind, name: Name, outcomes: Asked = ""
    ) -> Response:
        return await _page(renderer, visit, kind, name, asked=bool(outcomes))

    @made.post("/flags/{kind}/{name}")
    async def change(visit: Annotated[Visit, Depends(switches)], kind: Kind, name: Name) -> Response:
        _subject(app, kind, name)
        try:
            done = await _changed(app, visit, kind, name)
        except RoadworthyError as error:
            return await _page(renderer, visit, kind, name, refused(visit, error))
        return visit.go(_address(kind, name), _said(name, done))

    return made


async def _listed(renderer: Renderer, visit: Visit, fault: Refused | None = None) -> Response:
    app = renderer.app
    standing = {one.subject: one for one in await app.releases.standing()}
    flags = [(name.removeprefix("flag:"), one) for name, one in standing.items() if name[:5] == "flag:"]
    routes = [
        (name, its.models, standing.get(route_subject(name))) for name, its in app.settings.routes.items()
    ]
    return await renderer.page(
        visit,
        "flags.html",
        status=fault.status if fault else 200,
        flags=flags,
        routes=routes,
        refused=fault,
        typed={name: visit.field(name) for name in ("name", "shares", "reason")},
        environment=app.settings.environment,
        switches=visit.principal.may(Permission.FLAGS_MANAGE),
    )


async def _page(
    renderer: Renderer,
    visit: Visit,
    kind: Kind,
    name: str,
    fault: Refused | None = None,
    *,
    asked: bool = False,
) -> Response:
    app = renderer.app
    subject = _subject(app, kind, name)
    changes = await app.releases.history(subject, limit=_CHANGES)
    if kind == "flag" and not changes:
        raise nothing_here()
    release = await app.releases.now(subject)
    return await renderer.page(
        visit,
        "flag.html",
        status=fault.status if fault else 200,
        kind=kind,
        name=name,
        here=_address(kind, name),
        release=release,
        changes=changes,
        **await split_shown(visit, subject, asked=asked),
        models=app.settings.routes[name].models if kind == "route" else (),
        route_names=list(app.settings.routes),
        shares=fault.shares if fault and fault.shares else shares_now(release, name),
        text=visit.field("shares") or _text(release),
        refused=fault,
        environment=app.settings.environment,
        switches=visit.principal.may(Permission.FLAGS_MANAGE),
    )


async def _changed(app: App, visit: Visit, kind: Kind, name: str) -> Change:
    expect, reason, clears = looked_at(visit), visit.field("reason"), visit.field("action") == "clear"
    if kind == "flag":
        if clears:
            return await app.promotions.clear_flag(name, expect=expect, reason=reason)
        return await _set(app, visit, name, expect=expect)
    slots = {name: SLOTS} if clears else shares_in(typed_shares(visit))
    return await app.promotions.split_route(name, slots, expect=expect, reason=reason)


async def _set(app: App, visit: Visit, name: str, *, expect: int | None) -> Change:
    said = visit.field("shares").replace(",", " ").split()
    if not said:
        raise InvalidInput("What is it to be?", hint="Say on, off, a variant's name, or on=10 off=90.")
    slots = shares_of(said)
    return await app.promotions.set_flag(name, slots, expect=expect, reason=visit.field("reason"))


def _subject(app: App, kind: Kind, name: str) -> str:
    if kind == "route":
        if name not in app.settings.routes:
            raise nothing_here()
        return route_subject(name)
    try:
        return flag_subject(name)
    except InvalidInput:
        raise nothing_here() from None


def _address(kind: Kind, name: str) -> str:
    return f"/flags/{kind}/{quote(name, safe='')}"


def _text(release: Release | None) -> str:
    """A flag's shares as they are typed."""
    if release is None:
        return ""
    if len(release.arms) == 1:
        return release.arms[0].name
    return " ".join(f"{name}={percent}" for name, percent in shares_now(release, "").items())


def _said(name: str, done: Change) -> str:
    arms: Sequence[Any] = done.arms
    if not arms:
        return f"{name} is again what settings and code say."
    return f"{name} is {' and '.join(arm.name for arm in arms)} in {done.environment}."
