"""`/healthz`, `/readyz`: whether the process lives, and whether it can do its work, part by part.

`/healthz` touches nothing. `/readyz` looks at each part, at most once a second however often it is asked, and
gives none of them longer than two seconds. Whoever may read metrics is told why; others which part.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from roadworthy.access import Permission
from roadworthy.db import current_revision
from roadworthy.db.schema import HEAD
from roadworthy.errors import RoadworthyError
from roadworthy.service.exchange import exchange_of
from roadworthy.service.principal import route
from roadworthy.service.run_model import Shown
from roadworthy.service.strict import StrictRoute
from roadworthy.workflows.store import workers

if TYPE_CHECKING:
    from roadworthy.app import App

_MOST_SECONDS = 2.0
_KEPT_SECONDS = 1.0
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """How one part stands."""

    ready: bool
    why: str = ""
    """In words, without secrets, for whoever operates the service."""


class Alive(Shown):
    """That the process lives."""

    status: Literal["alive"] = "alive"


class PartOut(Shown):
    """How one part stands."""

    ready: bool
    why: str | None = None
    """Only for those who may read metrics."""


class Ready(Shown):
    """Whether the service can do its work."""

    ready: bool
    parts: dict[str, PartOut] = Field(examples=[{"database": {"ready": True}, "worker": {"ready": True}}])
    """`service`, `database`, `worker`, `models`, `disk`."""


class Health:
    """Looks at the parts."""

    def __init__(self, app: "App", *, works: bool) -> None:
        self._app = app
        self._works = works
        """Whether this process executes runs itself."""
        self.draining = False
        """True from when the service was asked to stop: it is not ready for new requests."""
        self._seen: tuple[float, dict[str, Part]] | None = None
        self._lock = asyncio.Lock()

    async def parts(self) -> dict[str, Part]:
        """Every part, as it was at most a second ago."""
        service = Part(not self.draining, "The service shuts down." if self.draining else "")
        async with self._lock:
            now = self._app.clock.monotonic()
            if self._seen is None or now - self._seen[0] >= _KEPT_SECONDS:
                self._seen = (now, await self._look())
        return {"service": service, **self._seen[1]}

    async def _look(self) -> dict[str, Part]:
        looks: dict[str, Callable[[], Awaitable[Part]]] = {
            "database": self._database,
            "worker": self._worker,
            "models": self._models,
            "disk": self._disk,
        }
        found = await asyncio.gather(*(_bounded(look) for look in looks.values()))
        return dict(zip(looks, found, strict=True))

    async def _database(self) -> Part:
        revision = await asyncio.to_thread(current_revision, self._app.database)
        if revision == HEAD:
            return Part(ready=True)
        return Part(ready=False, why=f"Its schema is {revision or 'missing'}, and this program needs {HEAD}.")

    async def _worker(self) -> Part:
        app = self._app
        own = app.worker_id
        if self._works and own is None:
            return Part(ready=False, why="The worker of this process has stopped.")
        living = await app.database.read(workers.living)
        oldest_ms = app.clock.now_ms() - int(app.settings.workers.dead_after_seconds * 1000)
        fresh = [one for one in living if one.beat_at >= oldest_ms and own in (None, one.id)]
        if fresh or not self._works:
            return Part(ready=True, why="" if fresh else "No worker is alive; runs wait until one is.")
        return Part(ready=False, why="The worker of this process no longer says that it lives.")

    async def _models(self) -> Part:
        settings = self._app.settings
        faults = await asyncio.to_thread(settings.missing_secrets)  # keys may lie in files
        named = [(fault.key.split("."), fault.message) for fault in faults]
        lacking = {key[1]: why for key, why in named if key[0] == "models"}
        dumb = [name for name, one in settings.routes.items() if lacking.keys() >= set(one.models)]
        why = " ".join(lacking.values())
        return Part(ready=not dumb, why=f"No model of route {dumb[0]!r} has its key. {why}" if dumb else why)

    async def _disk(self) -> Part:
        database = self._app.database
        if not database.is_sqlite or not database.url.database:
            return Part(ready=True)
        folder = Path(database.url.database).parent
        if not os.access(folder, os.W_OK):
            return Part(ready=False, why="The folder of the database file cannot be written to.")
        free_mb = shutil.disk_usage(folder).free // _MB
        if free_mb < self._app.settings.service.min_free_disk_mb:
            return Part(ready=False, why=f"Only {free_mb} MB are free where the database file lies.")
        return Part(ready=True)


async def _bounded(look: Callable[[], Awaitable[Part]]) -> Part:
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            return await look()
    except TimeoutError:
        return Part(ready=False, why=f"It did not answer within {_MOST_SECONDS:g} seconds.")
    except RoadworthyError as error:
        return Part(ready=False, why=error.message)


def router(health: Health) -> APIRouter:
    """The routes."""
    made = APIRouter(tags=["operation"], route_class=StrictRoute)

    @made.get("/healthz", summary="Whether the process lives", **route(None))
    async def alive() -> Alive:
        return Alive()

    not_ready = {503: {"model": Ready, "description": "A part is not ready."}}

    @made.get(
        "/readyz",
        summary="Whether every part can do its work",
        response_model_exclude_none=True,
        **route(None, replies=not_ready),
    )
    async def ready(request: Request, response: Response) -> Ready:
        parts = await health.parts()
        principal = exchange_of(request.scope).principal
        told = principal is not None and principal.may(Permission.METRICS_READ)
        is_ready = all(one.ready for one in parts.values())
        response.status_code = 200 if is_ready else 503
        return Ready(
            ready=is_ready,
            parts={
                name: PartOut(ready=one.ready, why=one.why if told and one.why else None)
                for name, one in parts.items()
            },
        )

    return made
