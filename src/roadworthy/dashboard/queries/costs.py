"""What costs come to, by whatever tells them apart; kept, so that a page waits for it seldom.

A month of a busy project is a million calls. What they came to until last midnight changes seldom (a call
that is written late), so it is kept for ten minutes, as are early exits and forecasts; today is kept for
fifteen seconds. Days are those of UTC.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import sqlalchemy as sa

from roadworthy.access import Scope
from roadworthy.app import App
from roadworthy.dashboard.kept import Kept
from roadworthy.dashboard.visit import Visit
from roadworthy.db.tables.workflows import runs
from roadworthy.errors import BudgetSpent
from roadworthy.monitoring import Dimension, Figures, Filter, Key, Latency, Pace, Query, costs, latencies
from roadworthy.monitoring.pace import paces
from roadworthy.workflows import RunStatus

DAY_MS = 86_400_000
_KEPT_SECONDS = 600.0
_TODAY_SECONDS = 15.0
_MOST_KEPT = 64
_NEWEST_RUNS = 20_000
_DEAREST = 10
MOST_REFUSED = 999


@dataclass(frozen=True, slots=True)
class Asked:
    """Which calls are meant, and from which day on."""

    since_ms: int
    """The first moment of a day."""
    scope: Scope
    """What whoever asks may see."""
    by: tuple[Dimension, ...] = ()
    workflow: str | None = None
    tenant: str | None = None
    prompt: str | None = None
    model: str | None = None

    def query(self, environment: str, since_ms: int, until_ms: int) -> Query:
        """The same for a part of the time."""
        where = Filter(
            environment, self.workflow, self.tenant, self.prompt, self.model, within=self.scope.condition
        )
        return Query(since_ms, until_ms, self.by, where)


@dataclass(frozen=True, slots=True)
class DearRun:
    """A run among the dearest."""

    id: str
    workflow: str
    tenant: str
    status: str
    created_at: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What runs tell of costs."""

    dearest: tuple[DearRun, ...]
    """Of the newest 20,000."""
    refused: int
    """Runs that a budget stopped, counted up to `MOST_REFUSED` + 1."""


class Ledger:
    """Figures and latencies up to this moment."""

    def __init__(self, app: App) -> None:
        self._app = app
        figures, times = Kept[Mapping[Key, Figures]], Kept[Mapping[Key, Latency]]
        self._figures = figures(app.clock, seconds=_TODAY_SECONDS, most=_MOST_KEPT)
        self._figures_before = figures(app.clock, seconds=_KEPT_SECONDS, most=_MOST_KEPT)
        self._latencies = times(app.clock, seconds=_TODAY_SECONDS, most=_MOST_KEPT)
        self._latencies_before = times(app.clock, seconds=_KEPT_SECONDS, most=_MOST_KEPT)
        self._runs = Kept[RunCosts](app.clock, seconds=_TODAY_SECONDS, most=_MOST_KEPT)
        self._paces = Kept[Sequence[Pace]](app.clock, seconds=_KEPT_SECONDS, most=1)

    async def figures(self, visit: Visit, asked: Asked, *, exits_too: bool = True) -> Mapping[Key, Figures]:
        """What calls come to, by key; with `exits_too`, also runs that ended before any call."""
        environment = self._app.settings.environment

        async def read() -> Mapping[Key, Figures]:
            now_ms = self._app.clock.now_ms()
            today_ms = max(asked.since_ms, day_of(now_ms))
            today = asked.query(environment, today_ms, now_ms + 1)

            async def before() -> Mapping[Key, Figures]:
                return await visit.read(lambda tx: _before(tx, asked, today, exits_too=exits_too))

            found = dict(await self._figures_before.get((asked, today_ms, exits_too), before))
            report = await visit.read(lambda tx: costs(tx, today, exits_too=False))
            for row in report.rows:
                found[row.key] = found.get(row.key, Figures()) + row.figures
            return found

        return await self._figures.get((asked, exits_too), read)

    async def latencies(self, visit: Visit, asked: Asked) -> Mapping[Key, Latency]:
        """How long answered calls took, by key."""
        environment = self._app.settings.environment

        async def read() -> Mapping[Key, Latency]:
            now_ms = self._app.clock.now_ms()
            today_ms = max(asked.since_ms, day_of(now_ms))

            async def before() -> Mapping[Key, Latency]:
                if today_ms == asked.since_ms:
                    return {}
                query = asked.query(environment, asked.since_ms, today_ms)
                return await visit.read(lambda tx: latencies(tx, query))

            today = asked.query(environment, today_ms, now_ms + 1)
            found = dict(await self._latencies_before.get((asked, today_ms), before))
            for key, latency in (await visit.read(lambda tx: latencies(tx, today))).items():
                found[key] = together([latency, *([found[key]] if key in found else [])])
            return found

        return await self._latencies.get(asked, read)

    async def runs(self, visit: Visit, asked: Asked) -> RunCosts:
        """What runs tell of costs; neither their prompts nor their models are asked for."""
        environment = self._app.settings.environment
        return await self._runs.get(asked, lambda: visit.read(lambda tx: _run_costs(tx, asked, environment)))

    async def paces(self, visit: Visit) -> Sequence[Pace]:
        """Where the budgets of the environment are heading; as it was some minutes ago at most."""
        settings, now_ms = self._app.settings, self._app.clock.now_ms()

        async def read() -> Sequence[Pace]:
            return await visit.read(lambda tx: paces(tx, settings.budgets, settings.environment, now_ms))

        return await self._paces.get(day_of(now_ms), read)


def _before(tx: sa.Connection, asked: Asked, today: Query, *, exits_too: bool) -> Mapping[Key, Figures]:
    """What there was before today, and early exits up to now."""
    whole = costs(tx, replace(today, since_ms=asked.since_ms), exits_too=exits_too)
    found = {row.key: row.figures for row in whole.rows}
    for row in costs(tx, today, exits_too=False).rows:
        found[row.key] = found[row.key] - row.figures
    return found


def _run_costs(tx: sa.Connection, asked: Asked, environment: str) -> RunCosts:
    where = [
        runs.c.created_at >= asked.since_ms,
        runs.c.environment == environment,
        asked.scope.condition(runs.c.workflow, runs.c.tenant),
    ]
    where += [] if asked.workflow is None else [runs.c.workflow == asked.workflow]
    where += [] if asked.tenant is None else [runs.c.tenant == asked.tenant]
    names = list(DearRun.__dataclass_fields__)
    newest = (
        sa.select(*(runs.c[name] for name in names))
        .where(*where)
        .order_by(runs.c.created_at.desc())
        .limit(_NEWEST_RUNS)
        .subquery()
    )
    rows = tx.execute(
        sa.select(newest)
        .where(newest.c.cost_micro_usd > 0)
        .order_by(newest.c.cost_micro_usd.desc(), newest.c.id)
        .limit(_DEAREST)
    )
    stopped = (
        sa.select(sa.literal(1))
        .where(*where)
        .where(runs.c.status.in_([RunStatus.DEAD.value, RunStatus.PARKED.value]))
        .where(runs.c.error_kind == BudgetSpent.code)
        .limit(MOST_REFUSED + 1)
        .subquery()
    )
    refused = tx.execute(sa.select(sa.func.count()).select_from(stopped)).scalar_one()
    return RunCosts(tuple(DearRun(**row) for row in rows.mappings()), refused)


def together(several: Sequence[Latency]) -> Latency:
    """Latencies of all of them."""
    counts = Counter[int]()
    for one in several:
        counts.update(one.counts)
    return Latency(counts)


def day_of(at_ms: int) -> int:
    """The first millisecond of a moment's day, in UTC."""
    return at_ms - at_ms % DAY_MS


def date_of(at_ms: int) -> date:
    """A moment's date, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date()
