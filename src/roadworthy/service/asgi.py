"""The service as one ASGI application: every route there is, in the layers of `frame.py`.

Make it for an `App` that is open. Whoever has more routes (the dashboard) hands in what makes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter

from roadworthy.service import (
    access,
    audit,
    costs,
    events,
    feedback,
    flags,
    health,
    metrics,
    openapi,
    openid,
    prompts,
    releases,
    reviews,
    routes,
    runs,
    sign_in,
    workflows,
)
from roadworthy.service.changes import Changes
from roadworthy.service.frame import Frame, names_of
from roadworthy.service.gateway import UnderWay
from roadworthy.service.gateway import mount as gateway
from roadworthy.service.principal import Authentication
from roadworthy.service.streams import Streams

if TYPE_CHECKING:
    from roadworthy.app import App


@dataclass(frozen=True, slots=True)
class Parts:
    """What whoever adds routes is handed."""

    app: "App"
    streams: Streams
    authentication: Authentication
    health: health.Health


More = Callable[[Parts], Sequence[APIRouter]]


class Service(Frame):
    """The application, and the ends of it that whoever serves it holds."""

    def __init__(self, app: "App", *, works: bool, more: More = lambda _: ()) -> None:
        super().__init__(app, works=works)
        settings = app.settings.service
        self.changes = Changes(app.database, app.clock, app.doorbell, app.settings.environment)
        self.streams = Streams(settings, self.changes, app.doorbell)
        self._under_way = UnderWay()
        self._cut_at: float | None = None
        for one in (
            workflows.router(app),
            runs.router(app, self.streams),
            events.router(app, self.streams, self.authentication),
            costs.router(app),
            prompts.router(app),
            releases.router(app),
            routes.router(app),
            flags.router(app),
            audit.router(app),
            access.router(app),
            reviews.router(app),
            feedback.router(app),
            feedback.pages(app),
            health.router(self.health),
            metrics.router(app, self.metrics, self.streams),
            *more(Parts(app, self.streams, self.authentication, self.health)),
            sign_in.router(app),
            openid.router(app),
            openapi.router(self.api, public=settings.public_openapi),
            *gateway.routers(app, self._under_way),
        ):
            self.api.include_router(one)
        self._surround(
            allowed_hosts=names_of(settings.allowed_hosts, settings.public_url, settings.host),
            max_body_bytes=settings.max_body_bytes,
            larger=dict.fromkeys(gateway.PATHS, settings.max_gateway_body_bytes),
            shaped=gateway.shaped,
            allowed_origins=settings.allowed_origins,
        )

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
