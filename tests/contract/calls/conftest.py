"""A pipeline on a real database, asking a real, simulated provider over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel

from roadworthy.calls import Answer, Call, Output, Pipeline, store
from roadworthy.calls.plan import LoadRouter
from roadworthy.db import Database
from roadworthy.db.tables import budgets, calls
from roadworthy.models import AnswerCache, Gates, LearnedRouter, Models
from roadworthy.models.providers import pydantic_ai  # noqa: F401 - loads for seconds; not while time is measured
from roadworthy.prompts.parse import parse
from roadworthy.records import Clock, RandomIds, SystemClock
from roadworthy.settings import RouteSettings, Settings
from roadworthy.telemetry import Telemetry
from roadworthy.telemetry.events import EventName
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


def no_router(name: str, _route: RouteSettings) -> tuple[LearnedRouter, bool]:
    """The desk's routes have learned nothing."""
    message = f"route {name!r} has learned nothing"
    raise AssertionError(message)


class Listening(Telemetry):
    """Keeps what is reported, beside reporting it."""

    def __init__(self, heard: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__(strict=True)
        self._heard = heard

    def emit(self, event: EventName, *, error: BaseException | None = None, **fields: Any) -> None:
        """Keep and report."""
        self._heard.append((event, fields))
        super().emit(event, error=error, **fields)


class Desk:
    """A project of two network models and a Python function, and what its calls left behind."""

    def __init__(self, server: SimulatedProvider, database: Database, root: Path) -> None:
        self.server = server
        self.database = database
        self.root = root
        self.clock: Clock = SystemClock()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.telemetry = Listening(self.events)
        self.telemetry.scrubber.register(KEY)
        self.functions: dict[str, Callable[..., Any]] = {}
        self.models: list[Models] = []
        self.pipelines: list[Pipeline] = []
        self.load_router: LoadRouter = no_router

    def pipeline(
        self,
        *models: str,
        route: dict[str, Any] | None = None,
        model: dict[str, Any] | None = None,
        **more: Any,
    ) -> Pipeline:
        """A pipeline whose route asks these models; `route` and `model` change their settings.

        `more` are further sections of the settings; routes and models are added to those of the desk.
        """
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
        routes = {"default": {**default, **(route or {})}, **more.pop("routes", {})}
        sections |= {name: {**network, **its} for name, its in more.pop("models", {}).items()}
        settings = Settings.model_validate({"root": self.root, "models": sections, "routes": routes, **more})
        self.models.append(Models(settings, self.functions))
        self.gates = Gates(
            clock=self.clock,
            telemetry=self.telemetry,
            database=self.database,
            environment="development",
            process=f"process_{len(self.pipelines)}",
        )
        made = Pipeline(
            settings=settings,
            models=self.models[-1],
            gates=self.gates,
            cache=AnswerCache(self.database, self.clock),
            database=self.database,
            telemetry=self.telemetry,
            clock=self.clock,
            ids=RandomIds(self.clock),
            load_router=self.load_router,
        )
        self.pipelines.append(made)
        return made

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

    async def accounts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Micro-dollars spent and set aside, by budget and subject."""
        rows = await self.database.read(lambda tx: list(tx.execute(sa.select(budgets.budget_accounts))))
        return {(row.budget, row.subject): (row.spent_micro_usd, row.reserved_micro_usd) for row in rows}

    async def under_way(self) -> int:
        """How many requests have something set aside."""
        query = sa.select(sa.func.count()).select_from(budgets.reservations)
        return await self.database.read(lambda tx: tx.execute(query).scalar_one())

    def heard(self, event: str) -> list[dict[str, Any]]:
        """What was reported of one kind."""
        return [fields for name, fields in self.events if name == event]

    def billed_usd(self) -> Decimal:
        """What the provider charges for what it did, by its own ledger, at the desk's prices."""
        path = self.root / "ledger.jsonl"
        entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        tokens = sum(max(0, one["input_tokens"]) + 4 * max(0, one["output_tokens"]) for one in entries)
        return Decimal(tokens) / 1_000_000

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
    async with SimulatedProvider(ledger_path=tmp_path / "ledger.jsonl") as server:
        made = Desk(server, database, tmp_path)
        yield made
        for pipeline in made.pipelines:
            await pipeline.close()
        for models in made.models:
            await models.close()
        await asyncio.to_thread(database.close)


@pytest.fixture(scope="session")
def key() -> str:
    """The provider's key, which must not appear anywhere."""
    return KEY
