"""The fixtures of the pytest plugin that need an event loop; there when pytest-asyncio is installed."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from roadworthy.app import App


@pytest.fixture
def roadworthy_project_app(pytestconfig: pytest.Config, tmp_path: Path) -> "Generator[App]":
    """The app of the project under test, on a new SQLite database, not started."""
    from roadworthy.testing.project import find_app, on_database

    app = find_app(pytestconfig.rootpath / pytestconfig.getini("roadworthy_project"))
    settings, app.settings = app.settings, on_database(app.settings, tmp_path / "roadworthy.db")
    yield app
    app.settings = settings


@pytest_asyncio.fixture
async def roadworthy_app(roadworthy_project_app: "App") -> "AsyncGenerator[App]":
    """The app of the project under test, on a new SQLite database, with a worker that executes its runs."""
    async with roadworthy_project_app.running():
        yield roadworthy_project_app
