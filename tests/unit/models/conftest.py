"""Models of a project that is only settings: no file, no network."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from roadworthy.models import Message, Models, Request
from roadworthy.settings import Settings


@pytest.fixture
async def make_models(tmp_path: Path) -> AsyncIterator[Callable[..., Models]]:
    """Build `Models` from sections of the settings; they are closed when the test ends."""
    made: list[Models] = []

    def make(models: dict[str, Any], routes: dict[str, Any] | None = None, functions: Any = None) -> Models:
        settings = Settings.model_validate({"root": tmp_path, "models": models, "routes": routes or {}})
        made.append(Models(settings, functions))
        return made[-1]

    yield make
    for models in made:
        await models.close()


@pytest.fixture
def ask() -> Callable[..., Request]:
    """Build a request with one message."""

    def make(text: str = "hello", **fields: Any) -> Request:
        return Request(messages=(Message("user", text),), **{"timeout_seconds": 5.0, **fields})

    return make
