"""Carries one scenario out: starts its runs, so many at a time, and follows each until nothing more comes.

A run is left alone when it has ended, when it waits for later or for a person, or when patience is over. How
many have begun is what the scenario's middle goes by.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import sqlalchemy as sa

from roadworthy.app import App
from roadworthy.budgets import Amount, Budgets, Subject
from roadworthy.budgets import store as budget_store
from roadworthy.errors import InvalidInput, RunTimeout
from roadworthy.telemetry.logs import JsonFormatter
from roadworthy.testing.drill.canary import Canary
from roadworthy.testing.drill.crew import crew, kill_at_work
from roadworthy.testing.drill.plan import USUAL, Plan, Start, lanes
from roadworthy.testing.drill.scenario import Scenario
from roadworthy.testing.drill.stage import BUDGET, Order, warm_up
from roadworthy.workflows import RunStatus

_MIDDLE = 0.5
_LOOK_SECONDS = 1.0
_SOON_SECONDS = 0.02
_BUSY_SECONDS = 5.0
_LEAVE_SECONDS = 2.0


@dataclass(slots=True)
class Conducted:
    """What is known of a scenario besides its record."""

    started: list[str] = field(default_factory=list[str])
    """The runs that count."""
    planted: str | None = None
    """The run with the planted address; None where its input was refused."""
    began_at: int = 0
    ended_at: int = 0
    open_steps: int = 0
    """Steps that were under way in the worker that was killed."""
    open_calls: int = 0
    """Those of them that were calls."""
    killed: bool = False
    tenants: dict[str, str] = field(default_factory=dict[str, str])
    """Whose run each is."""


class Conductor:
    """Carries out one scenario, on an app that stands on its stage."""

    def __init__(
        self,
        app: App,
        plan: Plan,
        scenario: Scenario,
        order: Order,
        canary: Canary,
        begun: Callable[[float], None],
    ) -> None:
        self._app = app
        self._plan = plan
        self._scenario = scenario
        self._order = order
        self._canary = canary
        self._begun = begun
        self._lanes = lanes(plan, scenario)
        self._total = sum(len(lane.starts) for lane in self._lanes)
        self._middle = asyncio.Event()
        self._lock = asyncio.Lock()
        self._done = Conducted()

    async def conduct(self) -> Conducted:
        """Make all runs."""
        with _logged(self._app, self._order.log("here")):
            async with self._app.running(
                work=not self._scenario.kills_worker, patience_seconds=_LEAVE_SECONDS
            ):
                await warm_up(self._app, self._order)
                self._done.began_at = self._app.clock.now_ms()
                if self._scenario.kills_worker:
                    await self._all_with_a_kill()
                elif self._scenario.database_away_seconds:
                    await self._all_with_a_lock()
                else:
                    await self._all()
                self._done.ended_at = self._app.clock.now_ms()
        return self._done

    async def _all_with_a_kill(self) -> None:
        """All runs, executed by workers of their own, of which one dies in the middle."""
        file = self._order.database.with_name("order.json")
        self._order.write(file)
        async with crew(self._app, self._plan.worker_command(file)) as workers:
            killing = asyncio.create_task(self._kill(workers[0]))
            await self._all()
            self._middle.set()
            await killing

    async def _kill(self, victim: Popen[bytes]) -> None:
        await self._middle.wait()
        kinds = await kill_at_work(self._app, victim)
        self._done.open_steps, self._done.open_calls = len(kinds), kinds.count("call")
        self._done.killed = True

    async def _all_with_a_lock(self) -> None:
        """All runs, while somebody else holds the database from the middle on."""
        locking = asyncio.create_task(self._lock_database())
        await self._all()
        self._middle.set()
        await locking

    async def _lock_database(self) -> None:
        await self._middle.wait()
        await asyncio.to_thread(_hold, self._order.database, self._scenario.database_away_seconds)

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._plant())
            for lane in self._lanes:
                slots = asyncio.Semaphore(lane.at_once)
                for number, start in enumerate(lane.starts):
                    group.create_task(self._one(start, number / len(lane.starts), slots))

    async def _plant(self) -> None:
        """One run more, that is about somebody who must not be found in the logs."""
        given = self._canary.planted(self._lanes[0].starts[0].given)
        try:
            handle = await self._app.runs.start(self._plan.workflow, given, tenant=USUAL)
        except InvalidInput:  # the workflow takes no free text
            return
        self._done.planted = handle.id
        await self._until_quiet(handle.id)

    async def _one(self, start: Start, share: float, slots: asyncio.Semaphore) -> None:
        await asyncio.sleep(share * self._plan.over_seconds)
        async with slots:
            await self._note_begun()
            handle = await self._app.runs.start(
                self._plan.workflow, start.given, tenant=start.tenant, user_id=start.user_id
            )
            self._done.started.append(handle.id)
            self._done.tenants[handle.id] = start.tenant
            await self._until_quiet(handle.id)

    async def _note_begun(self) -> None:
        share = len(self._done.started) / self._total
        self._begun(share)
        if share >= _MIDDLE:
            async with self._lock:
                if not self._middle.is_set() and self._scenario.spends_budget:
                    await self._spend_the_rest()
                self._middle.set()

    async def _until_quiet(self, run_id: str) -> None:
        clock, runs = self._app.clock, self._app.runs
        give_up_at = clock.monotonic() + self._plan.patience_seconds
        while clock.monotonic() < give_up_at:
            try:
                await runs.outcome(run_id, timeout_seconds=_LOOK_SECONDS)
            except RunTimeout:
                run = await runs.get(run_id)
                if run.status is RunStatus.WAITING and run.waiting_for != "children":
                    return
            else:
                return

    async def _spend_the_rest(self) -> None:
        """Take all that is left of the drill's budget, as somebody else's requests would."""
        settings, now_ms = self._app.settings, self._app.clock.now_ms()
        budgets = Budgets({BUDGET: settings.budgets[BUDGET]})
        accounts = budgets.accounts(Subject(settings.environment), now_ms)

        def spend(tx: sa.Connection) -> bool:
            """Whether more may come back: what requests under way have set aside and will not need."""
            stands = budget_store.standing(tx, budgets, settings.environment, now_ms)
            for standing in stands:
                rest = Amount(standing.left_micro_usd or 0, standing.left_tokens or 0)
                if budget_store.reserve(tx, accounts, rest, now_ms).refusal is None:
                    budget_store.settle(tx, [one.key for one in accounts], rest, rest, now_ms)
            return any(one.reserved_micro_usd or one.reserved_tokens for one in stands)

        give_up_at = self._app.clock.monotonic() + _BUSY_SECONDS
        while await self._app.database.write(spend):
            if self._app.clock.monotonic() > give_up_at:
                break
            await asyncio.sleep(_SOON_SECONDS)


def _hold(database: Path, seconds: float) -> None:
    """Keep everybody else from writing, as a backup or a second program would."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=_BUSY_SECONDS)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        other.execute("ROLLBACK")


@contextmanager
def _logged(app: App, file: Path) -> Generator[None]:
    """Write what this process logs to a file, as the project would log it."""
    handler = logging.FileHandler(file, encoding="utf-8")
    settings = app.settings.telemetry
    handler.setFormatter(JsonFormatter(app.telemetry.scrubber, capture_content=settings.capture_content))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.getLevelNamesMapping()[settings.log_level.upper()]))
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
