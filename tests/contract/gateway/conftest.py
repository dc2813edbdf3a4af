"""A gateway on a real socket, in front of a simulated provider, with official clients to talk to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI, Request
from openai import AsyncOpenAI

from roadworthy.app import App
from roadworthy.calls import store
from roadworthy.db.tables import budgets, calls
from roadworthy.models.providers import pydantic_ai  # noqa: F401 - loads for seconds; not while a test waits
from roadworthy.prompts import load_prompts
from roadworthy.service.gateway import Caller, UnderWay, router
from roadworthy.service.gateway.fault import Fault
from roadworthy.settings import Settings
from roadworthy.testing.simulated import SimulatedProvider

KEY = "rw_a-key-of-the-tests"
PRICES = {"input_usd_per_million": 1, "output_usd_per_million": 4}
FAST = {"initial_seconds": 0.001, "max_seconds": 0.002, "jitter": 0}
CALLERS = {
    KEY: Caller("key_one"),
    "rw_acme": Caller("key_acme", ("acme",)),
    "rw_several": Caller("key_several", ("acme", "globex")),
}


async def authenticate(request: Request) -> Caller:
    """The keys of the tests, in the place of the service's."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key == "rw_reader":
        raise Fault(403, "This takes the permission 'calls.make'.", "permission_error", "forbidden")
    if key not in CALLERS:
        raise Fault(401, "The key does not hold.", "authentication_error", "invalid_api_key")
    return CALLERS[key]


class Gateway:
    """A running gateway, and what its calls left behind."""

    def __init__(self, app: App, server: SimulatedProvider, port: int, under_way: UnderWay) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.calls = under_way
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.openai = AsyncOpenAI(base_url=self.base_url, api_key=KEY, max_retries=0)
        self.http = httpx2.AsyncClient(
            base_url=self.base_url, headers={"authorization": f"Bearer {KEY}"}, timeout=20
        )

    def client(self, key: str = KEY, **options: Any) -> AsyncOpenAI:
        """Another client."""
        return AsyncOpenAI(base_url=self.base_url, api_key=key, max_retries=0, **options)

    async def chat(self, text: str = "Where is my parcel?", **options: Any) -> Any:
        """One chat completion."""
        asked = {"model": "default", "messages": [{"role": "user", "content": text}], **options}
        return await self.openai.chat.completions.create(**asked)

    async def recorded(self) -> list[dict[str, Any]]:
        """All calls with their attempts and payloads."""
        await self.app.pipeline.close()
        query = sa.select(calls.calls.c.id).order_by(calls.calls.c.id)
        ids = await self.app.database.read(lambda tx: list(tx.execute(query).scalars()))
        return [
            await self.app.database.read(lambda tx, one=one: store.of_id(tx, one, payloads=True))
            for one in ids
        ]

    async def only(self) -> dict[str, Any]:
        """The one call that was made."""
        (call,) = await self.recorded()
        return call

    async def ended(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many calls are on record and none is under way any more."""
        async with asyncio.timeout(10):
            while True:
                found = await self.recorded()
                if len(found) >= count and all(call["finished_at"] for call in found):
                    return found
                await asyncio.sleep(0.01)

    async def accounts(self) -> dict[str, tuple[int, int]]:
        """Micro-dollars spent and set aside, by budget."""
        query = sa.select(budgets.budget_accounts)
        rows = await self.app.database.read(lambda tx: list(tx.execute(query)))
        return {row.budget: (row.spent_micro_usd, row.reserved_micro_usd) for row in rows}

    async def under_way(self) -> int:
        """How many requests have something set aside."""
        query = sa.select(sa.func.count()).select_from(budgets.reservations)
        return await self.app.database.read(lambda tx: tx.execute(query).scalar_one())


Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLite; a test that also asks for `fresh_database_url` runs on both databases."""
    both = "fresh_database_url" in request.fixturenames
    return request.getfixturevalue("fresh_database_url" if both else "sqlite_url")


@pytest.fixture
async def start(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Start a gateway: `models` and `routes` change its settings, anything else is a section of its own."""
    monkeypatch.setenv("DESK_KEY", "sk-made-up-key-of-the-provider")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(SimulatedProvider())

        async def started(
            models: dict[str, Any] | None = None,
            routes: dict[str, Any] | None = None,
            *,
            most_bytes: int = 1_000_000,
            **sections: Any,
        ) -> Gateway:
            network = {
                "provider": "openai-compatible",
                "base_url": server.base_url,
                "api_key_env": "DESK_KEY",
                "prices": PRICES,
                "timeout_seconds": 5,
            }
            wanted = {"main": {"model": "first-model"}, "second": {"model": "second-model"}, **(models or {})}
            default = {"models": ["main"], "attempts": 1, "repairs": 1, "backoff": FAST}
            ways = {"default": {}, **(routes or {})}
            settings = Settings.model_validate(
                {
                    "root": tmp_path,
                    "database": {"url": database_url},
                    "models": {name: _model(server, {**network, **its}) for name, its in wanted.items()},
                    "routes": {name: {**default, **its} for name, its in ways.items()},
                    **sections,
                }
            )
            app = App(settings, load_prompts(tmp_path / "prompts"))
            await stack.enter_async_context(app.running(work=False))
            for name in wanted:
                await app.models.target(name).prepare()
            api, under_way = FastAPI(), UnderWay()
            api.include_router(router(app, authenticate, under_way, most_bytes=most_bytes))
            port = await stack.enter_async_context(_served(api))
            gateway = Gateway(app, server, port, under_way)
            stack.push_async_callback(gateway.openai.close)
            stack.push_async_callback(gateway.http.aclose)
            return gateway

        yield started


def _model(server: SimulatedProvider, its: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's client wants the server's address without a path."""
    return {**its, "base_url": server.url} if its.pop("root_url", False) else its


class _served:  # noqa: N801 - a context manager
    """Serve an application on a free port, in this event loop."""

    def __init__(self, api: FastAPI) -> None:
        self._config = uvicorn.Config(
            api, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2
        )

    async def __aenter__(self) -> int:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._config.load()
        self._server = uvicorn.Server(self._config)
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])
        return int(self._socket.getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        await self._server.shutdown(sockets=[self._socket])
