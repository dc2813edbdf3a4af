"""What stands around every HTTP application of ours: the edge, who asks, limits; counting and logging.

    Edge             request id, security headers, log, no traceback
    Authentication   who asks
    Limits           Host, lengths, times; reads the body
    FastAPI          routes; problem.py turns their errors into responses

`Frame` is that around routes of any kind; `Watch` is a worker's, which has health and metrics and no more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from roadworthy.service import health, metrics, openapi, problem
from roadworthy.service.edge import Edge
from roadworthy.service.exchange import Exchange
from roadworthy.service.limits import ANONYMOUS_BYTES, Limits
from roadworthy.service.principal import Authentication
from roadworthy.service.refusals import Refusals
from roadworthy.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from roadworthy.app import App

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened at
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_CORS_HEADERS = ("authorization", "content-type", "idempotency-key", "if-match", "last-event-id")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics", "/static/{name}", "/static/{version}/{name}"})
"""Asked for all the time by machines and by every page: only what fails of them is logged."""
_OTHER = "other"


class Frame:
    """An ASGI application without routes, and the ends of it that whoever serves it holds."""

    def __init__(self, app: "App", *, works: bool) -> None:
        self._app = app
        self.health = health.Health(app, works=works)
        self.metrics = Metrics()
        self.refusals = Refusals(app)
        self.authentication = Authentication(app.access)
        self.api = openapi.Api(app)
        problem.add_to(self.api)
        self._layered: ASGIApp = self.api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._layered(scope, receive, send)

    def _surround(
        self,
        *,
        allowed_hosts: Sequence[str],
        max_body_bytes: int,
        larger: Mapping[str, int] | None = None,
        shaped: Callable[[ASGIApp], ASGIApp] = lambda app: app,
        allowed_origins: Sequence[str] = (),
    ) -> None:
        """Put the layers around the routes, which are all there."""
        settings = self._app.settings.service
        layered: ASGIApp = Limits(
            self.api,
            allowed_hosts=allowed_hosts,
            max_body_bytes=max_body_bytes,
            read_seconds=settings.read_seconds,
            larger=larger,
        )
        layered = self.authentication.around(shaped(layered))
        if allowed_origins:
            layered = CORSMiddleware(
                layered,
                allow_origins=[origin.rstrip("/") for origin in allowed_origins],
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=_CORS_HEADERS,
                expose_headers=["location", "retry-after", "x-request-id"],
            )
        self._layered = Edge(
            layered,
            ids=self._app.ids,
            trusted_proxies=settings.trusted_proxies,
            observe=(self._log, self._count, self.refusals.note),
        )

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


class Watch(Frame):
    """`/healthz`, `/readyz` and `/metrics` of a process that executes runs and serves nothing else."""

    def __init__(self, app: "App") -> None:
        super().__init__(app, works=True)
        self.api.include_router(health.router(self.health))
        self.api.include_router(metrics.router(app, self.metrics))
        self._surround(
            allowed_hosts=names_of([], None, app.settings.workers.health_host),
            max_body_bytes=ANONYMOUS_BYTES,
        )


def names_of(named: Sequence[str], public_url: str | None, host: str) -> Sequence[str]:
    """The names under which requests may come; none for all, which holds only where every address is open."""
    public = urlsplit(public_url).hostname if public_url else None
    known = [*named, *([public] if public else ())]
    if not known and host in _EVERYWHERE:
        return ()
    own = [] if named else [host if ":" not in host else f"[{host}]"]
    return (*known, *own, *_LOOPBACK)


def _route(scope: Scope) -> str:
    """The pattern of the route that answered; empty when none did."""
    return str(getattr(scope.get("route"), "path", ""))
