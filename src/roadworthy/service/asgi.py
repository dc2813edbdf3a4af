"""The service as one ASGI application: its routes, and the layers around them.

    Edge             request id, security headers, log, no traceback
    Authentication   who asks
    Limits           Host, lengths, times; reads the body
    FastAPI          routes; problem.py turns their errors into responses

Make it for an `App` that is open. Whoever has more routes (the dashboard) hands in what makes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.service import (
    access,
    audit,
    costs,
    events,
    feedback,
    health,
    metrics,
    openapi,
    problem,
    prompts,
    reviews,
    runs,
    sign_in,
    workflows,
)
from roadworthy.service.changes import Changes
from roadworthy.service.edge import Edge
from roadworthy.service.exchange import Exchange
from roadworthy.service.gateway import UnderWay
from roadworthy.service.gateway import mount as gateway
from roadworthy.service.limits import Limits
from roadworthy.service.principal import Authentication
from roadworthy.service.refusals import Refusals
from roadworthy.service.streams import Streams
from roadworthy.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from roadworthy.app import App

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened at
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_CORS_HEADERS = ("authorization", "content-type", "idempotency-key", "if-match", "last-event-id")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: only what fails of them is logged."""
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Parts:
    """What whoever adds routes is handed."""

    app: "App"
    streams: Streams
    authentication: Authentication


More = Callable[[Parts], Sequence[APIRouter]]


class Service:
    """The application, and the ends of it that whoever serves it holds."""

    def __init__(self, app: "App", *, works: bool, more: More = lambda _: ()) -> None:
        settings = app.settings.service
        self._app = app
        self.health = health.Health(app, works=works)
        self.changes = Changes(app.database, app.clock, app.doorbell, app.settings.environment)
        self.streams = Streams(settings, self.changes, app.doorbell)
        self.metrics = Metrics()
        self.refusals = Refusals(app)
        self._under_way = UnderWay()
        self._cut_at: float | None = None
        authentication = Authentication(app.access)
        self.api = openapi.Api(app)
        problem.add_to(self.api)
        for one in (
            workflows.router(app),
            runs.router(app, self.streams),
            events.router(app, self.streams, authentication),
            costs.router(app),
            prompts.router(app),
            audit.router(app),
            access.router(app),
            reviews.router(app),
            feedback.router(app),
            feedback.pages(app),
            health.router(self.health),
            metrics.router(app, self.metrics, self.streams),
            *more(Parts(app, self.streams, authentication)),
            sign_in.router(app),
            openapi.router(self.api, public=settings.public_openapi),
            *gateway.routers(app, self._under_way),
        ):
            self.api.include_router(one)
        layered: ASGIApp = Limits(
            self.api,
            allowed_hosts=_allowed_hosts(settings.allowed_hosts, settings.public_url, settings.host),
            max_body_bytes=settings.max_body_bytes,
            read_seconds=settings.read_seconds,
            larger=gateway.LARGER,
        )
        layered = gateway.shaped(layered)
        layered = authentication.around(layered)
        if settings.allowed_origins:
            layered = CORSMiddleware(
                layered,
                allow_origins=[origin.rstrip("/") for origin in settings.allowed_origins],
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=_CORS_HEADERS,
                expose_headers=["location", "retry-after", "x-request-id"],
            )
        self._layered = Edge(
            layered,
            ids=app.ids,
            trusted_proxies=settings.trusted_proxies,
            observe=(self._log, self._count, self.refusals.note),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._layered(scope, receive, send)

    def end_streams(self) -> None:
        """End streams and waits, and those to come; they say why."""
        self._cut_at = self._app.clock.monotonic() + self._app.settings.service.shutdown_seconds
        self.changes.close("the service shuts down")

    async def settled(self) -> None:
        """Have what the gateway's calls cost on record, before the app closes.

        Calls that go on without a request have what is left of `shutdown_seconds`, then they are cancelled.
        """
        left = 0.0 if self._cut_at is None else max(0.0, self._cut_at - self._app.clock.monotonic())
        await self._under_way.settled(left)

    def _count(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        route = _route(scope)
        self.metrics.request(
            scope["method"] if route else _OTHER,
            route or _OTHER,
            exchange.status,
            seconds,
            stream=route.endswith("/events"),
        )

    def _log(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        """One line for a request; never its query, which may hold a token."""
        route, principal = _route(scope), exchange.principal
        if route in _QUIET and exchange.status < 400:  # noqa: PLR2004 - every failure is logged
            return
        self._app.telemetry.emit(
            "request.finished",
            duration_seconds=round(seconds, 6),
            request_id=exchange.request_id,
            method=str(scope["method"]),
            http_route=route or None,
            http_status=exchange.status,
            client=exchange.client or None,
            principal=principal.id if principal else None,
            error_kind=exchange.code or None,
        )


def _route(scope: Scope) -> str:
    """The pattern of the route that answered; empty when none did."""
    return str(getattr(scope.get("route"), "path", ""))


def _allowed_hosts(named: Sequence[str], public_url: str | None, host: str) -> Sequence[str]:
    """The names under which requests may come; none for all, which holds only where every address is open."""
    if named:
        return (*named, *_LOOPBACK)
    public = urlsplit(public_url).hostname if public_url else None
    if public is None and host in _EVERYWHERE:
        return ()
    return (*([public] if public else ()), host if ":" not in host else f"[{host}]", *_LOOPBACK)
