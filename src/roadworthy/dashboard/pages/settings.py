"""`/settings`: what is in force here and who said so, whether every part is ready, who works, what ticks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import RedirectResponse

from roadworthy.access import Permission
from roadworthy.dashboard.queries.settings import ticking, working
from roadworthy.dashboard.rendering import Renderer
from roadworthy.dashboard.visit import Visit, visits
from roadworthy.service.health import Health
from roadworthy.settings import Listed, listed_settings

_LONGEST_VALUE = 1_000


@dataclass(frozen=True, slots=True)
class Tab:
    """One of the pages under this heading."""

    name: str
    address: str
    is_current: bool


def tabs(visit: Visit) -> list[Tab]:
    """Those that the visitor may see."""
    everybody = visit.may(Permission.ACCESS_MANAGE)
    found = {
        "Settings": ("/settings", visit.may(Permission.SETTINGS_READ)),
        "People": ("/settings/people", everybody),
        "Keys": ("/settings/keys", visit.may_somewhere(Permission.ACCESS_MANAGE)),
        "Roles": ("/settings/roles", visit.may_somewhere(Permission.SETTINGS_READ)),
    }
    path = visit.request.url.path
    return [
        Tab(name, address, path == address or (address != "/settings" and path.startswith(f"{address}/")))
        for name, (address, may) in found.items()
        if may
    ]


def router(renderer: Renderer, health: Health) -> APIRouter:
    """The route."""
    app = renderer.app
    made = APIRouter(include_in_schema=False, route_class=renderer.route_class)

    @made.get("/settings")
    async def settings(
        visit: Annotated[Visit, Depends(visits(app, Permission.SETTINGS_READ))],
        q: Annotated[str, Query(max_length=200)] = "",
        show: Annotated[str, Query(pattern="^(said|all)$")] = "said",
    ) -> Response:
        if not visit.may(Permission.SETTINGS_READ):  # they are not of one tenant: on to what is
            return RedirectResponse(tabs(visit)[0].address, 303)
        now_ms = app.clock.now_ms()
        every = list(listed_settings(app.settings))
        fit = [one for one in every if q.strip().lower() in one.key.lower() and (one.source or show == "all")]
        return await renderer.page(
            visit,
            "settings.html",
            tabs=tabs(visit),
            search=q,
            show=show,
            sections=_by_section(fit),
            count=len(fit),
            said=sum(1 for one in every if one.source),
            every=len(every),
            environment=app.settings.environment,
            parts=await health.parts(),
            workers=await visit.read(lambda tx: working(tx, app.settings, now_ms)),
            schedules=await visit.read(lambda tx: ticking(tx, app.settings, now_ms)),
            may_read_runs=visit.may(Permission.RUNS_READ),
        )

    return made


def _by_section(found: list[Listed]) -> Mapping[str, list[tuple[str, str, str]]]:
    """By section: what follows it in the key, the value as it would be written, and where it was said."""
    made: dict[str, list[tuple[str, str, str]]] = {}
    for one in found:
        section, _, rest = one.key.partition(".")
        value = json.dumps(one.value, ensure_ascii=False)
        made.setdefault(section, []).append((rest, value[:_LONGEST_VALUE], one.source))
    return made
