"""The fixtures of the pytest plugin that need an event loop; there when pytest-asyncio is installed."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.testing.simulated import SimulatedProvider


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


@pytest_asyncio.fixture
async def roadworthy_simulated(roadworthy_project_app: "App") -> "AsyncGenerator[SimulatedProvider]":
    """A simulated provider that answers for all models of the project's app but its own functions."""
    from roadworthy.models import Models
    from roadworthy.testing.project import on_provider
    from roadworthy.testing.simulated import SimulatedProvider
    from roadworthy.testing.stand_in import asking, replaceable

    app = roadworthy_project_app
    async with SimulatedProvider() as provider:
        names = replaceable(app.settings)
        models = Models(on_provider(app.settings, names, provider.base_url))
        try:
            with asking(app, {name: models.target(name) for name in names}):
                yield provider
        finally:
            await models.close()
