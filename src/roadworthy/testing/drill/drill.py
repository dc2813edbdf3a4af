"""`drill`: each scenario on a stage of its own, and what came of it.

stage       servers for the models, a database, the project's settings pointed at them
conduct     the runs, through the project's own workflow, pipeline and workers
book        the record, read when all is over
figures     what users would have seen
rulings     whether the sacred rules held
findings    what to do about it
"""

import json
import os
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from roadworthy.app import App
from roadworthy.errors import ConfigurationError, InvalidInput
from roadworthy.models.outside import VARIABLE as OUTSIDE
from roadworthy.records import to_micro_usd
from roadworthy.settings import ModelSettings, Settings
from roadworthy.testing.drill import acts as acted
from roadworthy.testing.drill.book import read_book
from roadworthy.testing.drill.canary import KEY_VARIABLE, Canary
from roadworthy.testing.drill.conduct import Conducted, Conductor
from roadworthy.testing.drill.director import Cast, Director
from roadworthy.testing.drill.figures import Figures, figures
from roadworthy.testing.drill.findings import Case, Finding, findings
from roadworthy.testing.drill.inputs import answers_on_record
from roadworthy.testing.drill.plan import Plan
from roadworthy.testing.drill.sacred import Billed, Ruling, rulings
from roadworthy.testing.drill.scenario import Scenario
from roadworthy.testing.drill.stage import Order, budget_counts, played, set_stage
from roadworthy.testing.simulated import Latency, SimulatedProvider

_TAIL = 4
"""One answer in a hundred takes so many times the median."""
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scenario."""

    scenario: Scenario
    figures: Figures
    rulings: tuple[Ruling, ...]
    findings: tuple[Finding, ...]
    seconds: float
    """How long it took."""

    @property
    def held(self) -> bool:
        """Whether every sacred rule held."""
        return all(ruling.held for ruling in self.rulings)


def require_parts() -> None:
    """Raise `ConfigurationError` where the simulated provider's own packages are missing."""
    for name in ("starlette", "uvicorn"):
        if find_spec(name) is None:
            raise ConfigurationError(
                f"A drill needs the package {name!r}, which is not installed.",
                hint="Install it: pip install 'roadworthy[testing]'",
            )


async def drill(app: App, plan: Plan, scenario: Scenario) -> Outcome:
    """Carry one scenario out on an app that is not running; afterwards the app is as it was.

    Raises:
        NotFound: The project has no such workflow.
        ConfigurationError: The project has no model, or a package is missing.
        InvalidInput: No run could be started with the inputs.
    """
    require_parts()
    app.runs.workflow(plan.workflow)
    app.runs.prepare(plan.workflow, plan.inputs.values[0])
    settings = app.settings
    names = played(settings, every=plan.every_model)
    if not names:
        raise ConfigurationError("This project has no model.", hint="Add [models.<name>] to roadworthy.toml.")
    known = answers_on_record(app, plan.workflow)
    _forget(app)
    canary = Canary.new()
    director = Director(
        scenario,
        cast_of(settings, app.routes_of(plan.workflow), names),
        canary,
        seed=plan.seed,
        latency_seconds=plan.latency_seconds,
        known=known,
    )
    began = app.clock.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="roadworthy-drill-") as folder,
        _indoors(canary),
        _servers(names, plan, director, Path(folder)) as servers,
    ):
        order = Order(
            folder,
            {name: server.url for name, server in servers.items()},
            [name for name in asked(settings, app.routes_of(plan.workflow)) if name in names],
            budget_counts(settings, names, app.clock.now_ms()) if scenario.spends_budget else "",
        )
        try:
            set_stage(app, order)
            conductor = Conductor(app, plan, scenario, order, canary, _setter(director))
            conducted = await conductor.conduct()
            return _outcome(app, plan, settings, director, order, conducted, canary, began)
        finally:
            app.settings, app.rehearse = settings, None
            _forget(app)


def cast_of(settings: Settings, routes: tuple[str, ...], names: list[str]) -> Cast:
    """Who stands for `first`, `provider` and `all`: of each route, the first model that is played."""
    first: set[str] = set()
    for route in routes:
        first |= set([name for name in settings.routes[route].models if name in names][:1])
    homes = {_home(settings.models[name]) for name in first}
    there = frozenset(name for name in names if _home(settings.models[name]) in homes)
    return Cast(frozenset(first), there, frozenset(names))


def asked(settings: Settings, routes: tuple[str, ...]) -> list[str]:
    """Every model that these routes may ask."""
    found: list[str] = []
    for name in routes:
        route = settings.routes[name]
        found += [*route.models, *(model for rule in route.rules for model in rule.models)]
        if route.degrade_to is not None:
            found += settings.routes[route.degrade_to].models
    return list(dict.fromkeys(found))


def _home(model: ModelSettings) -> tuple[str, str]:
    return model.provider, str(model.base_url or "")


def _setter(director: Director) -> Callable[[float], None]:
    def begun(share: float) -> None:
        director.begun = share

    return begun


def _outcome(
    app: App,
    plan: Plan,
    settings: Settings,
    director: Director,
    order: Order,
    conducted: Conducted,
    canary: Canary,
    began: float,
) -> Outcome:
    staged, scenario = app.settings, director.scenario
    if not conducted.started:
        raise InvalidInput("No run could be started.", hint="Give inputs that fit: --inputs FILE.jsonl")
    book = read_book(staged, (conducted.began_at, conducted.ended_at))
    acts = acted.read(order.acts)
    seen = figures(book, staged, conducted.started, conducted.tenants, director.wrong, acts)
    billed = {name: _billed(staged.models[name], _ledger(order, name)) for name in order.addresses}
    log_lines = sum(len(file.read_bytes().splitlines()) for file in order.logs)
    said = rulings(book, staged, conducted, billed, acts, canary.leaks(order.logs), log_lines)
    case = Case(scenario, settings, app.routes_of(plan.workflow), seen, said, director.troubled)
    return Outcome(scenario, seen, said, tuple(findings(case)), app.clock.monotonic() - began)


def _ledger(order: Order, model: str) -> Path:
    return Path(order.folder) / f"billed-{model}.jsonl"


def _billed(model: ModelSettings, ledger: Path) -> Billed:
    """What a provider's own ledger comes to at the model's prices; counts below zero are none."""
    lines: list[Mapping[str, Any]] = []
    if ledger.exists():
        lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    prices = model.prices
    micro_usd = 0
    if prices is not None:
        for line in lines:
            cost = max(0, line["input_tokens"]) * prices.input_usd_per_million
            cost += max(0, line["output_tokens"]) * prices.output_usd_per_million
            micro_usd += to_micro_usd(cost / Decimal(1_000_000))
    return Billed(len(lines), micro_usd)


@contextmanager
def _servers(
    names: list[str], plan: Plan, director: Director, folder: Path
) -> Generator[dict[str, SimulatedProvider]]:
    with ExitStack() as stack:
        made: dict[str, SimulatedProvider] = {}
        for number, name in enumerate(names):
            latency = Latency(
                plan.latency_seconds, plan.latency_seconds * _TAIL, seed=plan.seed * 1000 + number
            )
            server = SimulatedProvider(
                rules=[director.rule(name)], latency=latency, ledger_path=folder / f"billed-{name}.jsonl"
            )
            made[name] = stack.enter_context(server)
        yield made


@contextmanager
def _indoors(canary: Canary) -> Generator[None]:
    """Keep every request of this process, and of those it starts, on this machine."""
    near = ",".join(filter(None, (os.environ.get("NO_PROXY", ""), _LOOPBACK)))
    change = {OUTSIDE: "off", KEY_VARIABLE: canary.secret, "NO_PROXY": near, "no_proxy": near}
    before = {name: os.environ.get(name) for name in change}
    os.environ.update(change)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _forget(app: App) -> None:
    """Drop the parts that looking at the app has made: they hold its settings."""
    parts = vars(app)
    if "database" in parts:
        app.database.close()
    for name in ("database", "models", "telemetry", "runs", "_parts"):
        parts.pop(name, None)
