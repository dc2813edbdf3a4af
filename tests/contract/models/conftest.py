"""Models on a real, simulated provider; one event loop, server and set of clients for a whole module."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from roadworthy.models import Message, Models, Request
from roadworthy.settings import Settings
from roadworthy.testing.simulated import SimulatedProvider

KEY = "key-0123456789-very-secret"

SCHEMA = {
    "type": "object",
    "properties": {
        "outcome": {"type": "string", "enum": ["answer", "refuse"]},
        "message": {"type": "string", "maxLength": 40},
    },
    "required": ["outcome", "message"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """What a structured answer looks like; the same object for all requests."""
    return SCHEMA


@pytest.fixture(scope="module")
def key() -> str:
    """The key that must not appear in any record."""
    return KEY


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    """A simulated provider."""
    async with SimulatedProvider() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_models(tmp_path_factory: pytest.TempPathFactory):
    """Build `Models` from sections of the settings; each finds the key in a file."""
    made: list[Models] = []
    root: Path = tmp_path_factory.mktemp("project")
    (root / "key").write_text(KEY)

    def make(sections: dict[str, dict[str, Any]]) -> Models:
        keyed = {
            name: section
            if section["provider"] in ("local", "python")
            else {"api_key_file": "key", **section}
            for name, section in sections.items()
        }
        made.append(Models(Settings.model_validate({"root": root, "models": keyed})))
        return made[-1]

    yield make
    for models in made:
        await models.close()


@pytest.fixture(scope="module")
def ask() -> Callable[..., Request]:
    """Build a request with instructions and one message."""

    def make(text: str = "Where is my parcel?", **fields: Any) -> Request:
        messages = (Message("system", "You answer tickets."), Message("user", text))
        return Request(**{"messages": messages, "timeout_seconds": 20.0, **fields})

    return make
