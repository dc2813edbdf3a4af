"""The service on a real socket, over a project with three workflows, and clients with keys of every kind."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from roadworthy import App
from roadworthy.access import Grant, Principal, Role
from roadworthy.review import Held, Kind, Question
from roadworthy.review import store as review_store
from roadworthy.service import Server, Service

QUICK = {
    "workers.poll_seconds": 0.05,
    "workers.heartbeat_seconds": 0.2,
    "workers.dead_after_seconds": 5.0,
    "workers.shutdown_seconds": 0.1,
    "service.port": 0,
    "service.heartbeat_seconds": 0.3,
    "service.shutdown_seconds": 2,
}
ME = Principal.terminal("tester")
NOBODY = "run_" + "0" * 32


def declare(app: App) -> None:
    """Three workflows: one that answers, one that waits for a signal, one that fails."""

    @app.step
    async def double(n: int) -> int:
        return n * 2

    @app.step
    async def explode(n: int) -> int:
        message = f"no {n}"
        raise ValueError(message)

    @app.workflow
    async def twice(n: int) -> int:
        """Double a number."""
        return await double(n)

    @app.workflow
    async def asks(name: str) -> Any:
        """Wait for somebody's word."""
        return await app.wait_for_signal(name)

    @app.workflow
    async def fails(n: int) -> int:
        """Fail."""
        return await explode(n)


class Desk:
    """A running service and clients of it."""

    def __init__(self, app: App, service: Service, server: Server, stack: AsyncExitStack) -> None:
        self.app = app
        self.service = service
        self.server = server
        self.url = server.url
        self._stack = stack

    async def secret(self, *grants: Grant) -> str:
        """The secret of a new key; of a service for everything unless told otherwise."""
        _, made = await self.app.access.create_key(ME, "test", grants=grants or (Grant(Role.SERVICE),))
        return made

    async def client(self, *grants: Grant, **options: Any) -> httpx2.AsyncClient:
        """A client with a key."""
        headers = {"authorization": f"Bearer {await self.secret(*grants)}"}
        return await self.open(headers=headers, **options)

    async def person(self, *grants: Grant) -> httpx2.AsyncClient:
        """A client of somebody who signed in."""
        person = await self.app.access.add_person(ME, "Ann", grants=grants)
        link = await self.app.access.link(ME, person.id)
        client = await self.open()
        answer = await client.post("/sign-in", data={"token": link.secret})
        assert answer.status_code == 303, answer.text
        token = client.cookies["roadworthy_session"]
        client.headers["x-csrf-token"] = self.app.access.csrf_token(token)
        return client

    async def open(self, **options: Any) -> httpx2.AsyncClient:
        """A client without a key."""
        made = httpx2.AsyncClient(base_url=self.url, timeout=20, **options)
        return await self._stack.enter_async_context(made)

    async def run(self, workflow: str = "twice", *, tenant: str = "", **given: Any) -> str:
        """The id of a run that was started, not waited for."""
        handle = await self.app.runs.start(workflow, given or {"n": 4}, tenant=tenant)
        return handle.id

    async def review(self, kind: Kind = Kind.DECISION, *, tenant: str = "", people: int = 1) -> str:
        """The id of an open review item that no run waits for."""
        schema = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
        asked = {
            Kind.ANSWER: Question((("user", "How much?"),), {"ticket": "t-1"}, None),
            Kind.DECISION: Held({"amount": 5}, schema, [{"title": "Terms", "text": "At most 5."}], "unsure"),
        }
        item = self.app.reviews.new(asked[kind], reason="unsure", kind=kind, workflow="twice", tenant=tenant)
        item = replace(item, people=people)
        await self.app.database.write(lambda tx: review_store.add(tx, item))
        return item.id


Open = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def serve(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Open]:
    """Start a service; settings by dotted key, `.` as `__`."""
    (tmp_path / "roadworthy.toml").touch()
    async with AsyncExitStack() as stack:

        async def start(*, url: str = sqlite_url, work: bool = True, **overrides: Any) -> Desk:
            given = {name.replace("__", "."): value for name, value in overrides.items()}
            app = App.load(tmp_path, overrides={"database.url": url, **QUICK, **given})
            declare(app)
            await stack.enter_async_context(app.running(work=work))
            service = Service(app, works=work)
            app.telemetry.observe = service.metrics.observe
            server = await stack.enter_async_context(Server(service, app.settings.service))
            stack.callback(service.end_streams)
            return Desk(app, service, server, stack)

        yield start


@pytest.fixture
async def desk(serve: Open) -> Desk:
    """A service with the usual settings."""
    return await serve()
