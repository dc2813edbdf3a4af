"""Apps on databases of their own: the schema is made once a session for each kind, and copied for a test."""

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from roadworthy import App
from roadworthy.db import Database, upgrade
from roadworthy.workflows.engine import migrate

QUICK = {
    "workers.poll_seconds": 0.05,
    "workers.heartbeat_seconds": 0.2,
    "workers.dead_after_seconds": 1.0,
    "workers.park_after_seconds": 0.3,
    "workers.shutdown_seconds": 0.1,
}


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, those of the engine included."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "roadworthy.toml").touch()
    file = folder / "template.db"

    async def launch() -> None:
        async with App.load(folder, overrides={"database.url": f"sqlite:///{file}"}).running():
            return

    asyncio.run(launch())
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with all tables, those of the engine included."""
    name = f"roadworthy_template_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        database = Database(make_url(postgres_url).set(database=name).render_as_string(hide_password=False))
        upgrade(database)
        migrate(database)
        database.close()
        yield name
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A copy of the template file."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'roadworthy.db')}"


@pytest.fixture
def fresh_postgres_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """A copy of the template database."""
    name = f"roadworthy_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        server.execute(copy.format(sql.Identifier(name), sql.Identifier(postgres_template)))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


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
