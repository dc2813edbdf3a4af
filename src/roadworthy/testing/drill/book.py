"""The record of one scenario, read from the drill's database when it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from roadworthy.budgets import Budgets, Standing
from roadworthy.budgets import store as budget_store
from roadworthy.db import Database
from roadworthy.db.tables.calls import call_attempts, calls
from roadworthy.db.tables.workflows import actions, attempts, runs, steps
from roadworthy.settings import Settings

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Book:
    """Everything that figures and rules are read from."""

    runs: tuple[Row, ...]
    steps: tuple[Row, ...]
    step_attempts: tuple[Row, ...]
    calls: tuple[Row, ...]
    requests: tuple[Row, ...]
    """The rows of `call_attempts`."""
    actions: tuple[Row, ...]
    standings: tuple[Standing, ...]

    def root_of(self) -> dict[str, str]:
        """For each run the one that was started from outside."""
        parents = {row["id"]: row["parent_run_id"] for row in self.runs}

        def up(run_id: str) -> str:
            while parents.get(run_id):
                run_id = parents[run_id]
            return run_id

        return {run_id: up(run_id) for run_id in parents}


def read_book(settings: Settings, moments_ms: tuple[int, ...]) -> Book:
    """Read the record. `moments_ms`: times whose windows of budgets count, first and last of the drill."""
    database = Database(settings.database.url, pool_size=1)
    budgets = Budgets(settings.budgets)

    def look(tx: sa.Connection) -> Book:
        def rows(table: sa.Table) -> tuple[Row, ...]:
            return tuple(dict(row) for row in tx.execute(sa.select(table)).mappings())

        standings = {
            standing.account.key: standing
            for moment in moments_ms
            for standing in budget_store.standing(tx, budgets, settings.environment, moment, most=10_000)
        }
        return Book(
            rows(runs),
            rows(steps),
            rows(attempts),
            rows(calls),
            rows(call_attempts),
            rows(actions),
            tuple(standings.values()),
        )

    try:
        return database.read_now(look)
    finally:
        database.close()
