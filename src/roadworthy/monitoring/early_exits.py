"""Early exits: runs that a rule ended with `skip(reason)` before any model was asked, and what they saved.

What one saved is what a run of the same workflow costs that did make calls: the mean over those of the same
time and environment that have ended and whose cost is known exactly, the newest 1,000 at most. Without any,
it is not known, which is never the same as nothing.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.workflows import runs
from roadworthy.monitoring.grouping import Grouping
from roadworthy.monitoring.query import Key, Query
from roadworthy.workflows.run import FINISHED, RunStatus

_MOST_RUNS = 1_000
"""A mean over more would be no better."""


@dataclass(frozen=True, slots=True)
class EarlyExit:
    """Runs of one workflow that were skipped for one reason before any call."""

    workflow: str
    reason: str
    runs: int
    price_micro_usd: int | None
    """What each would have cost, rounded down; None when there is no run to compare with."""

    @property
    def saved_micro_usd(self) -> int | None:
        """What they would have cost together."""
        return None if self.price_micro_usd is None else self.runs * self.price_micro_usd

    def with_runs(self, count: int) -> "EarlyExit":
        """The same for another number of runs."""
        return replace(self, runs=count)


def early_exits(tx: sa.Connection, grouping: Grouping) -> list[tuple[Key, EarlyExit]]:
    """The early exits of each group; none where the query is about one prompt or model."""
    query = grouping.query
    if query.where.is_about_calls:
        return []
    counted = grouping.of_runs(
        {"of_workflow": runs.c.workflow, "for_reason": runs.c.skip_reason}, {"runs": sa.func.count()}
    ).where(runs.c.status == RunStatus.SKIPPED.value, ~_called())
    prices: dict[str, int | None] = {}
    found: list[tuple[Key, EarlyExit]] = []
    for row in tx.execute(counted).all():
        workflow, reason, count = row[grouping.width :]
        if workflow not in prices:
            prices[workflow] = _price(tx, query, workflow)
        found.append((grouping.key(row), EarlyExit(workflow, reason or "", count, prices[workflow])))
    return found


def _price(tx: sa.Connection, query: Query, workflow: str) -> int | None:
    """What a run costs that makes calls; whose run it is makes no difference."""
    where = [
        runs.c.workflow == workflow,
        runs.c.created_at >= query.since_ms,
        runs.c.created_at < query.until_ms,
        runs.c.status.in_([status.value for status in sorted(FINISHED)]),
        _called(),
        ~_called(~calls.c.cost_known),
    ]
    if query.where.environment is not None:
        where.append(runs.c.environment == query.where.environment)
    newest = (
        sa.select(runs.c.cost_micro_usd)
        .where(*where)
        .order_by(runs.c.created_at.desc(), runs.c.id.desc())
        .limit(_MOST_RUNS)
        .subquery()
    )
    count, cost = tx.execute(sa.select(sa.func.count(), sa.func.sum(newest.c.cost_micro_usd))).one()
    return int(cost) // count if count else None


def _called(*more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a run made a call."""
    return sa.exists().where(calls.c.run_id == runs.c.id, *more)
