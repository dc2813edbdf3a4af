"""A pipeline on a real database, asking a real, simulated provider over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from roadworthy.calls import Answer, Call, Output, Pipeline, store
from roadworthy.db import Database
from roadworthy.db.tables import calls, metadata, workflows  # noqa: F401 - their tables are made below
from roadworthy.models import Models
from roadworthy.prompts.parse import parse
from roadworthy.records import RandomIds, SystemClock
from roadworthy.settings import Settings
from roadworthy.telemetry import Telemetry
from roadworthy.testing.simulated import SimulatedProvider

KEY = "sk-proj-Zk3vT9qLw8XbR2nYc7HdPfA5mJ0sUeGi"
"""Made up, in the shape of a real one."""

FAST = {"initial_seconds": 0.001, "max_seconds": 0.002, "jitter": 0}
PRICES = {"input_usd_per_million": 1, "output_usd_per_million": 4}
PROMPT = """---
inputs:
  text: str
settings:
  max_tokens: 100
---
# system
You answer tickets.

# user
{{ text }}
"""


class Reply(BaseModel):
    """What most tests ask for."""

    outcome: Literal["answer", "refuse"]
    message: str


class Desk:
    """A project of two network models and a Python function, and what its calls left behind."""

    def __init__(self, server: SimulatedProvider, database: Database, root: Path) -> None:
        self.server = server
        self.database = database
        self.root = root
        self.clock = SystemClock()
        self.telemetry = Telemetry(strict=True)
        self.telemetry.scrubber.register(KEY)
        self.functions: dict[str, Callable[..., Any]] = {}
        self.models: list[Models] = []

    def pipeline(
        self,
        *models: str,
        route: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
    ) -> Pipeline:
        """A pipeline whose route asks these models; `route` and `model` change their settings."""
        network = {
            "provider": "openai-compatible",
            "base_url": self.server.base_url,
            "api_key_env": "DESK_KEY",
            "prices": PRICES,
            "timeout_seconds": 5,
        }
        sections = {
            "main": {**network, "model": "first-model", **(model or {})},
            "second": {**network, "model": "second-model"},
            "rule": {"provider": "python", "function": "desk:rule"},
        }
        default = {"models": list(models or ("main",)), "attempts": 2, "repairs": 1, "backoff": FAST}
        settings = Settings.model_validate(
            {"root": self.root, "models": sections, "routes": {"default": {**default, **(route or {})}}}
        )
        self.models.append(Models(settings, self.functions))
        return Pipeline(
            settings=settings,
            models=self.models[-1],
            database=self.database,
            telemetry=self.telemetry,
            clock=self.clock,
            ids=RandomIds(self.clock),
        )

    async def ask(
        self,
        pipeline: Pipeline,
        output: Any = Reply,
        text: str = "Where is my parcel?",
        **options: Any,
    ) -> Answer[Any]:
        """Make one call."""
        return await pipeline.call(self.question(output, text, **options))

    def question(self, output: Any = Reply, text: str = "Where is it?", **options: Any) -> Call[Any]:
        """One call, to be made."""
        version = parse(PROMPT, prompt_id="reply", label="v1")
        return Call(version, {"text": text}, Output(output), "default", **options)

    async def recorded(self) -> list[dict[str, Any]]:
        """All calls with their attempts and payloads."""
        ids = await self.database.read(
            lambda tx: list(tx.execute(sa.select(calls.calls.c.id).order_by(calls.calls.c.id)).scalars())
        )
        return [
            await self.database.read(lambda tx, one=one: store.of_id(tx, one, payloads=True)) for one in ids
        ]

    async def only(self) -> dict[str, Any]:
        """The one call that was made."""
        (call,) = await self.recorded()
        return call


@pytest.fixture
async def desk(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    """A desk with an empty database of each kind, and a provider without a script."""
    monkeypatch.setenv("DESK_KEY", KEY)
    database = Database(fresh_database_url)
    database.write_now(metadata.create_all)
    async with SimulatedProvider() as server:
        made = Desk(server, database, tmp_path)
        yield made
        for models in made.models:
            await models.close()
        await asyncio.to_thread(database.close)


@pytest.fixture(scope="session")
def key() -> str:
    """The provider's key, which must not appear anywhere."""
    return KEY
