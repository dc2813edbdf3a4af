"""Templates, and from what a page gathered to a response: whole, or the one block that was asked for."""

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from roadworthy.access import Permission
from roadworthy.app import App
from roadworthy.dashboard import charts, words
from roadworthy.dashboard.navigation import MENU
from roadworthy.dashboard.queries.badges import waiting_reviews
from roadworthy.dashboard.static_files import StaticFiles
from roadworthy.dashboard.visit import FRAGMENT_HEADER, Visit
from roadworthy.errors import RoadworthyError, Unauthenticated
from roadworthy.service.exchange import exchange_of
from roadworthy.service.problem import status_of

_MOST_ON_BADGE = 99
_SAID: Mapping[int, str] = {
    404: "There is nothing here, or nothing that you may see.",
    422: "This address says something that the page does not understand.",
}


class Renderer:
    """The templates, compiled once, and what every page shows around its own."""

    def __init__(self, app: App, static: StaticFiles) -> None:
        self.app = app
        folder = files("roadworthy.dashboard") / "templates"
        sources = {one.name: one.read_text("utf-8") for one in folder.iterdir() if one.name.endswith(".html")}
        self._environment = Environment(
            loader=FunctionLoader(sources.get),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self._environment.filters.update(words.FILTERS)
        everywhere: dict[str, Any] = {
            "charts": charts,
            "static": static.address,
            "menu": MENU,
            "project": app.settings.project.name,
        }
        # Its macros are for every template, also where one block of it is rendered by itself.
        everywhere["ui"] = self._environment.get_template("ui.html", globals=everywhere).module
        self._environment.globals.update(everywhere)
        for name in sources:
            self._environment.get_template(name)
        self.route_class = type("PageRoute", (PageRoute,), {"renderer": self})

    async def page(self, visit: Visit, template: str, *, status: int = 200, **context: Any) -> Response:
        """A page for a visit, or its block that is asked for; says what took how long."""
        now_ms = self.app.clock.now_ms()
        badge = 0
        if not visit.fragment and visit.may_somewhere(Permission.REVIEWS_READ):
            badge = await visit.read(
                partial(
                    waiting_reviews,
                    environment=self.app.settings.environment,
                    within=visit.principal.scope(Permission.REVIEWS_READ).condition,
                    most=_MOST_ON_BADGE,
                )
            )
        context |= {
            "visit": visit,
            "now_ms": now_ms,
            "moment": partial(words.moment, now_ms=now_ms),
            "path": visit.request.url.path,
            "badges": {"/reviews": words.bounded(badge, _MOST_ON_BADGE) if badge else ""},
        }
        began = time.perf_counter()
        body = self._render(template, visit.fragment, context)
        ended = time.perf_counter()
        timing = (
            f"db;dur={visit.database_seconds * 1000:.1f}, render;dur={(ended - began) * 1000:.1f}, "
            f"total;dur={(ended - visit.began) * 1000:.1f}"
        )
        response = HTMLResponse(body, status, headers={"server-timing": timing, "vary": FRAGMENT_HEADER})
        if not visit.fragment:
            visit.forget_said(response)
        return response

    def _render(self, name: str, fragment: str, context: Mapping[str, Any]) -> str:
        template = self._environment.get_template(name)
        if not fragment:
            return template.render(context)
        block = template.blocks.get(fragment)
        if block is None:
            raise HTTPException(404)
        return "".join(block(template.new_context(dict(context))))

    def fault(self, request: Request, status: int, title: str, said: str, hint: str = "") -> Response:
        """A page that says what is wrong; without a menu, for it may be anybody who asks."""
        template = self._environment.get_template("fault.html")
        body = template.render(
            status=status,
            title=title,
            said=said,
            hint=hint,
            theme=request.cookies.get("roadworthy_theme", ""),
            request_id=exchange_of(request.scope).request_id,
        )
        return HTMLResponse(body, status)


def _sign_in(request: Request) -> str:
    """Where to sign in, and come back from to what was asked for."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'next': wanted})}"


class PageRoute(APIRoute):
    """A route whose errors are pages: whoever is not signed in is led to where one signs in."""

    renderer: Renderer

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with pages for its errors."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Unauthenticated:
                if request.method != "GET" or request.headers.get(FRAGMENT_HEADER):
                    raise
                return RedirectResponse(_sign_in(request), 303)
            except RoadworthyError as error:
                exchange_of(request.scope).code = error.code
                status = status_of(error)
                if status >= 500 or request.headers.get(FRAGMENT_HEADER):  # noqa: PLR2004
                    raise
                return self.renderer.fault(request, status, "This was not done", error.message, error.hint)
            except RequestValidationError:
                return self.renderer.fault(request, 422, "Not understood", _SAID[422])
            except HTTPException as error:
                said = _SAID.get(error.status_code, "This cannot be shown.")
                return self.renderer.fault(request, error.status_code, "Nothing here", said)

        return shown
