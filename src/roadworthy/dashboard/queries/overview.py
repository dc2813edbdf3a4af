"""What the overview shows besides costs: what waits for somebody, and what people said of answers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa

from roadworthy.access import Scope
from roadworthy.dashboard.queries.costs import DAY_MS, date_of
from roadworthy.db.tables.calls import calls
from roadworthy.db.tables.models import model_health
from roadworthy.db.tables.review import review_items, review_quality
from roadworthy.db.tables.workflows import runs
from roadworthy.review import ItemStatus
from roadworthy.workflows import RunStatus
from roadworthy.workflows.store import workers

MOST = 999
"""Counts stop after so many."""
_LONGEST_WAIT_MS = 14 * DAY_MS
_OPEN: sa.ColumnElement[str] = sa.literal_column("'open'")
_DECIDED = (ItemStatus.APPROVED.value, ItemStatus.EDITED.value, ItemStatus.REJECTED.value)


@dataclass(frozen=True, slots=True)
class Stopped:
    """Runs that stand still."""

    dead: int = 0
    """Those that died in the last day."""
    dead_since_ms: int = 0
    """When the first of them was created."""
    kinds: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of these, by kind of error."""
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Overdue:
    """Reviews past their time."""

    count: int = 0
    oldest_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """More automatic decisions are wrong than was relied on."""

    workflow: str
    prompt_version: str
    at_ms: int


def stopped(tx: sa.Connection, environment: str, scope: Scope, now_ms: int) -> Stopped:
    """Runs that died in the last day, and all that are parked; counted up to `MOST` + 1."""
    mine = [runs.c.environment == environment, scope.condition(runs.c.workflow, runs.c.tenant)]
    died = (
        sa.select(runs.c.error_kind, runs.c.created_at)
        .where(runs.c.status == RunStatus.DEAD.value, runs.c.changed_at >= now_ms - DAY_MS, *mine)
        .order_by(runs.c.changed_at.desc())
        .limit(MOST + 1)
    )
    rows = tx.execute(died).all()
    parked = sa.select(sa.literal(1)).where(runs.c.status == RunStatus.PARKED.value, *mine).limit(MOST + 1)
    return Stopped(
        len(rows),
        min((row.created_at for row in rows), default=0),
        Counter(row.error_kind or "unknown" for row in rows),
        tx.execute(sa.select(sa.func.count()).select_from(parked.subquery())).scalar_one(),
    )


def overdue(tx: sa.Connection, environment: str, scope: Scope, now_ms: int) -> Overdue:
    """Open reviews past their time; counted up to `MOST` + 1."""
    its = review_items.c
    late = (
        sa.select(its.due_at)
        .where(its.status == _OPEN, its.due_at < now_ms, its.environment == environment)
        .where(scope.condition(its.workflow, its.tenant))
        .order_by(its.due_at)
        .limit(MOST + 1)
        .subquery()
    )
    count, oldest = tx.execute(sa.select(sa.func.count(), sa.func.min(late.c.due_at))).one()
    return Overdue(count, oldest)


def alarms(tx: sa.Connection, environment: str, since_ms: int) -> Sequence[Alarm]:
    """Alarms of the sampling, the newest first."""
    its = review_quality.c
    rows = tx.execute(
        sa.select(its.workflow, its.prompt_version, its.alarm_at)
        .where(its.environment == environment, its.alarm_at >= since_ms)
        .order_by(its.alarm_at.desc())
        .limit(MOST)
    )
    return [Alarm(*row) for row in rows]


def lost_workers(tx: sa.Connection, alive_since_ms: int) -> Sequence[str]:
    """Hosts whose workers have not said for some time that they live, and did not say that they stop."""
    return [one.host.partition("/")[0] for one in workers.living(tx) if one.beat_at < alive_since_ms]


def left_alone(tx: sa.Connection, environment: str, now_ms: int) -> Mapping[str, int]:
    """Models that failed too often, or asked for a pause, and until when they are not asked."""
    its = model_health.c
    query = sa.select(its.model, its.state, its.open_until_ms, its.blocked_until_ms).where(
        its.environment == environment
    )
    until = {
        model: max(open_ms if state == "open" else 0, blocked_ms)
        for model, state, open_ms, blocked_ms in tx.execute(query)
    }
    return {model: at_ms for model, at_ms in until.items() if at_ms > now_ms}


def verdicts(tx: sa.Connection, environment: str, scope: Scope, since_ms: int) -> dict[date, Counter[str]]:
    """By day of the answer: how often people let an answer stand, changed it, or rejected it."""
    its = review_items.c
    day = (its.answered_at - its.answered_at % sa.literal_column(str(DAY_MS), sa.BigInteger)).label("in_day")
    query = (
        sa.select(day, its.status, sa.func.count())
        .where(its.created_at >= since_ms - _LONGEST_WAIT_MS, its.answered_at >= since_ms)
        .where(
            its.status.in_([ItemStatus.APPROVED.value, ItemStatus.EDITED.value, ItemStatus.REJECTED.value])
        )
        .where(its.environment == environment, scope.condition(its.workflow, its.tenant))
        .group_by(sa.literal_column("in_day"), its.status)
    )
    found: dict[date, Counter[str]] = {}
    for day_ms, status, count in tx.execute(query):
        found.setdefault(date_of(day_ms), Counter())[status] += count
    return found


def is_new(tx: sa.Connection, environment: str, runs_scope: Scope, calls_scope: Scope) -> bool:
    """Whether nothing has happened yet, as far as one may see."""
    for table, scope in ((runs, runs_scope), (calls, calls_scope)):
        mine = scope.condition(table.c.workflow, table.c.tenant)
        first = sa.select(sa.literal(1)).where(table.c.environment == environment, mine).limit(1)
        if tx.execute(first).first() is not None:
            return False
    return True
