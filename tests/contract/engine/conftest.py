"""Apps on databases of their own, and ways to wait for what their workers do."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy import App

QUICK = {
    "workers.poll_seconds": 0.05,
    "workers.heartbeat_seconds": 0.2,
    "workers.dead_after_seconds": 1.0,
    "workers.park_after_seconds": 0.3,
    "workers.shutdown_seconds": 0.1,
}


@pytest.fixture
def make_app(fresh_database_url: str, tmp_path: Path) -> Callable[..., App]:
    """Make an app on the test's database; several on the same one are several programs."""
    (tmp_path / "roadworthy.toml").touch()

    def make(clock: Any = None, **overrides: Any) -> App:
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        return App.load(
            tmp_path, overrides={"database.url": fresh_database_url, **QUICK, **given}, clock=clock
        )

    return make


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """An app that is not running yet."""
    return make_app()


@pytest.fixture
async def running(app: App) -> AsyncIterator[App]:
    """An app with a worker; workflows may still be declared."""
    async with app.running():
        yield app


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition, which may be asynchronous."""

    async def wait(condition: Callable[[], Any], *, seconds: float = 20) -> None:
        give_up_at = time.monotonic() + seconds
        while True:
            met = condition()
            if await met if isinstance(met, Awaitable) else met:
                return
            if time.monotonic() > give_up_at:
                pytest.fail(f"This did not happen within {seconds} s.")
            await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def is_in(until: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Wait until a run is in a state."""

    async def wait(handle: Any, status: str) -> None:
        async def reached() -> bool:
            return (await handle.run()).status == status

        await until(reached)

    return wait


class Gate:
    """Holds steps until it is opened, and says how many have come."""

    def __init__(self) -> None:
        self.came = 0
        self._somebody = asyncio.Event()
        self._open = asyncio.Event()

    async def wait(self) -> None:
        """Stay here."""
        self.came += 1
        self._somebody.set()
        await self._open.wait()

    async def reached(self) -> None:
        """Wait until somebody has come."""
        await self._somebody.wait()

    def open(self) -> None:
        """Let everybody through."""
        self._open.set()


@pytest.fixture
def gate() -> Gate:
    """A closed gate."""
    return Gate()
