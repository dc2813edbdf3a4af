"""The stage of a drill: the project's settings with its models on this machine and a database of its own.

Each model that is played becomes a server on loopback under its own name, with its own time-outs, limits and
prices; it keeps its provider where the simulator speaks that provider's dialect. Nothing else of the project
is changed, and nothing leaves the machine. An `Order` says it all, so that a worker in a process of its own
stands on the same stage.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from roadworthy.app import App
from roadworthy.models import Models, Target, price
from roadworthy.models.token_rates import is_local, token_rates
from roadworthy.records import Clock, Usage
from roadworthy.settings import BudgetSettings, ModelSettings, PriceSettings, Settings
from roadworthy.testing.drill.acts import Recorder
from roadworthy.testing.drill.canary import KEY_VARIABLE

_SPOKEN = frozenset({"anthropic", "openai", "openai-compatible", "ollama", "simulated"})
"""Providers whose dialect the simulator speaks; the others are played as `openai-compatible`."""
_HERE = ("local", "python")
PARK_AFTER_SECONDS = 0.5
BUDGET = "drill"
"""The name of the budget that a scenario spends."""
BUDGET_USD = Decimal(1000)
BUDGET_TOKENS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a process needs to know to work on the stage."""

    folder: str
    """Holds the database, the logs and what was acted."""
    addresses: Mapping[str, str]
    """The server of each model that is played, by the model's name."""
    warm: Sequence[str] = ()
    """The models that the workflow may ask."""
    budget: Literal["", "money", "tokens"] = ""
    """What the drill's own budget counts; empty without one."""

    @property
    def database(self) -> Path:
        """The drill's own database."""
        return Path(self.folder) / "roadworthy.db"

    @property
    def acts(self) -> Path:
        """Where actions are written down."""
        return Path(self.folder) / "acts.jsonl"

    def log(self, process: object) -> Path:
        """Where a process writes its log lines."""
        return Path(self.folder) / f"log-{process}.jsonl"

    @property
    def logs(self) -> list[Path]:
        """What all processes logged."""
        return sorted(Path(self.folder).glob("log-*.jsonl"))

    def write(self, file: Path) -> None:
        """For another process."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "Order":
        """As another process wrote it."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


def played(settings: Settings, *, every: bool = False) -> list[str]:
    """The models that the simulator plays: all that are reached over the network.

    Where there are none, those in this process are, and where there are no such either, the project's
    functions: something has to fail in a drill.
    """
    network = [name for name, model in settings.models.items() if model.provider not in _HERE]
    if every:
        return list(settings.models)
    for provider in _HERE:
        network = network or [name for name, one in settings.models.items() if one.provider == provider]
    return network


def set_stage(app: App, order: Order) -> None:
    """Put the app on the stage; it must not be running."""
    app.settings = staged(app.settings, order, app.clock)
    app.rehearse = Recorder(order.acts, app.clock)


def staged(settings: Settings, order: Order, clock: Clock) -> Settings:
    """The settings of the project on the stage."""
    targets = Models(settings)
    models = dict(settings.models)
    for name, address in order.addresses.items():
        models[name] = _redirected(targets.target(name), address, clock.now_ms())
    budgets = dict(settings.budgets)
    if order.budget == "money":
        budgets[BUDGET] = BudgetSettings(scope="environment", per_month_usd=BUDGET_USD)
    elif order.budget == "tokens":
        budgets[BUDGET] = BudgetSettings(scope="environment", per_month_tokens=BUDGET_TOKENS)
    change: dict[str, Any] = {
        "models": models,
        "budgets": budgets,
        "schedules": {},
        "database": settings.database.model_copy(update={"url": f"sqlite:///{order.database}"}),
        "telemetry": settings.telemetry.model_copy(update={"exporter": "none"}),
        # who waits for a person or for later is seen to wait at once
        "workers": settings.workers.model_copy(update={"park_after_seconds": PARK_AFTER_SECONDS}),
    }
    return settings.model_copy(update=change)


async def warm_up(app: App, order: Order) -> None:
    """Load the models' client libraries and the list of prices, so that no run waits for that."""
    for name in order.warm:
        target = app.models.target(name)
        await target.prepare()
        await asyncio.to_thread(price, target, Usage(), app.clock.now_ms())


def budget_counts(settings: Settings, names: Iterable[str], at_ms: int) -> Literal["money", "tokens"]:
    """What a budget has to count so that these models can spend it: tokens, where all of them are free."""
    targets = Models(settings)
    free = all(_prices(targets.target(name), at_ms) is None for name in names)
    return "tokens" if free else "money"


def _redirected(target: Target, address: str, at_ms: int) -> ModelSettings:
    model = target.settings
    provider = _provider(model)
    change: dict[str, Any] = {
        "provider": provider,
        "model": model.model or target.name,
        "base_url": address if provider == "anthropic" else f"{address}/v1",
        "api_key_env": KEY_VARIABLE,
        "api_key_file": None,
        "api_version": None,
        "options": model.options if provider == model.provider else {},
        "prices": _prices(target, at_ms),
    }
    return model.model_copy(update=change)


def _provider(model: ModelSettings) -> str:
    if model.provider in _HERE:
        return "simulated"
    return model.provider if model.provider in _SPOKEN else "openai-compatible"


def _prices(target: Target, at_ms: int) -> PriceSettings | None:
    """What the real model costs now; None where that is nothing, or not known."""
    if target.settings.prices is not None or is_local(target):
        return target.settings.prices
    rates = token_rates(target, 0, at_ms)
    if rates is None:
        return None
    return PriceSettings(
        input_usd_per_million=rates.fresh,
        output_usd_per_million=rates.output,
        cache_read_usd_per_million=rates.read,
        cache_write_usd_per_million=rates.write,
    )
