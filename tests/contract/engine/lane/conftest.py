"""Projects whose calls can wait, at a real simulated provider with batches."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadworthy import App
from roadworthy.db.tables.budgets import budget_accounts, reservations
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.models.providers import pydantic_ai  # noqa: F401 - loads for seconds; not while a test waits
from roadworthy.testing.simulated import SimulatedProvider

DESK = Path(__file__).parent / "desk.py"
INPUT_USD, OUTPUT_USD = Decimal(1), Decimal(4)
"""For a million tokens, live; half of it in a batch."""
MODELS = {
    "openai": "gpt-4o-mini-2024-07-18",
    "anthropic": "claude-sonnet-4-5-20250929",
    "google": "gemini-2.5-flash",
}
SETTINGS = """
[models.main]
api_key_env = "LANE_KEY"
timeout_seconds = 10
prices = { input_usd_per_million = 1, output_usd_per_million = 4, batch_factor = 0.5 }

[routes.default]
models = ["main"]
repairs = 0

[workers]
poll_seconds = 0.05
heartbeat_seconds = 0.5
dead_after_seconds = 3
shutdown_seconds = 0.1

[provider_batch]
submit_after_seconds = 0.2
poll_seconds = 0.05
"""
PROMPT = """---
inputs:
  text: str
settings:
  max_tokens: 100
---
# user
{{ text }}
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every dialect meets SQLite, the first one PostgreSQL too: a provider does not see the database."""
    twice = [
        one
        for one in items
        if one.path.parent == DESK.parent and _is_of(one, "postgres", "anthropic", "google")
    ]
    if twice:
        config.hook.pytest_deselected(items=twice)
        items[:] = [one for one in items if one not in set(twice)]


def _is_of(item: pytest.Item, database: str, *dialects: str) -> bool:
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return given.get("fresh_database_url") == database and given.get("dialect") in dialects


def load_desk() -> Any:
    """The project's module, loaded anew."""
    spec = importlib.util.spec_from_file_location("desk", DESK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Street:
    """A project on a database of its own, and what its calls left behind."""

    def __init__(self, server: SimulatedProvider, url: str, folder: Path, dialect: str) -> None:
        self.server = server
        self.dialect = dialect
        self.url = url
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.program: Any = load_desk()

    def app(self, **overrides: Any) -> App:
        """The project, as one program has it. Overrides have their keys' dots."""
        made: App = self.program.make(self._given(overrides))
        return made

    def worker(self, *arguments: str, **overrides: Any) -> "subprocess.Popen[bytes]":
        """Start a worker in a process of its own."""
        environment = {**os.environ, "LANE_OVERRIDES": json.dumps(self._given(overrides))}
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, str(DESK), *arguments]
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stderr=log)
        self.processes.append(process)
        return process

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End a process as a power cut would."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _given(self, overrides: dict[str, Any]) -> dict[str, Any]:
        model = {
            "provider": self.dialect,
            "model": MODELS[self.dialect],
            "base_url": self.server.base_url if self.dialect == "openai" else self.server.url,
        }
        settings = {f"models.main.{key}": value for key, value in model.items()}
        return {"database.url": self.url, **settings, **overrides}

    def file(self, count: int) -> Path:
        """So many lines."""
        path = self.folder / f"{count}.jsonl"
        path.write_text("".join(json.dumps({"text": f"ticket {n}"}) + "\n" for n in range(count)))
        return path

    async def rows(self, app: App, table: sa.Table) -> list[Any]:
        """A whole table."""
        return await app.database.read(lambda tx: list(tx.execute(sa.select(table))))

    async def reserved(self, app: App) -> tuple[int, int]:
        """Micro-dollars spent and set aside in all budgets."""
        rows = await self.rows(app, budget_accounts)
        return sum(one.spent_micro_usd for one in rows), sum(one.reserved_micro_usd for one in rows)

    def billed_micro_usd(self) -> Decimal:
        """What the provider charges for what it did, by its own ledger."""
        entries = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        return sum(
            (
                (one["input_tokens"] * INPUT_USD + one["output_tokens"] * OUTPUT_USD)
                / (2 if one.get("batch") else 1)
                for one in entries
            ),
            Decimal(0),
        )

    async def costs(self, app: App) -> tuple[int, int]:
        """Micro-dollars on record: of all calls, and of all their attempts."""
        its_calls, its_attempts = await self.rows(app, calls), await self.rows(app, call_attempts)
        return sum(one.cost_micro_usd for one in its_calls), sum(one.cost_micro_usd for one in its_attempts)

    async def books_balance(self, app: App) -> None:
        """Whatever happened: what is on record is what was spent and billed, and nothing stays set aside."""
        spent, reserved = await self.reserved(app)
        billed = self.billed_micro_usd()
        assert reserved == 0
        assert await self.rows(app, reservations) == []
        assert await self.costs(app) == (spent, spent)
        assert 0 <= spent - billed < len(await self.rows(app, call_attempts))  # each is rounded up


@pytest.fixture
def dialect() -> str:
    """The provider whose batches are spoken, where a test names no other."""
    return "openai"


@pytest.fixture
async def street(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> AsyncIterator[Street]:
    """A street on a database of each kind."""
    monkeypatch.setenv("LANE_KEY", "made-up")
    folder = tmp_path / "project"
    (folder / "prompts" / "reply").mkdir(parents=True)
    (folder / "prompts" / "reply" / "v1.md").write_text(PROMPT)
    (folder / "roadworthy.toml").write_text(SETTINGS)
    monkeypatch.chdir(folder)
    async with SimulatedProvider(ledger_path=folder / "ledger.jsonl") as server:
        (folder / "ledger.jsonl").touch()
        made = Street(server, fresh_database_url, folder, dialect)
        yield made
        for process in made.processes:
            made.kill(process)


Until = Callable[..., Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait for a condition, which may be asynchronous."""

    async def wait(condition: Callable[[], Any], *, seconds: float = 30) -> None:
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
def finished(until: Until) -> Callable[..., Awaitable[Any]]:
    """Wait until a batch of runs has come to its end; gives it."""

    async def wait(app: App, batch_id: str, *, seconds: float = 30) -> Any:
        async def reached() -> bool:
            return (await app.batches.get(batch_id)).finished

        await until(reached, seconds=seconds)
        return await app.batches.get(batch_id)

    return wait
