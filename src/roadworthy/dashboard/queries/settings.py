"""What the page of settings shows beside them: who executes runs, and what starts by the clock."""

from dataclasses import dataclass

import sqlalchemy as sa

from roadworthy.db.tables.workflows import schedules
from roadworthy.settings import Settings
from roadworthy.workflows.schedule import next_tick
from roadworthy.workflows.store import workers

_MOST = 100


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that executes runs."""

    id: str
    host: str
    process: str
    started_at: int
    beat_at: int
    lives: bool
    """Whether it has said so lately."""


@dataclass(frozen=True, slots=True)
class Ticking:
    """A schedule."""

    name: str
    workflow: str
    cron: str
    timezone: str
    next_at: int | None
    """None: it is disabled."""
    last_run_id: str | None


def working(tx: sa.Connection, settings: Settings, now_ms: int) -> list[Worker]:
    """The workers that have not stopped, those that live first."""
    oldest_ms = now_ms - int(settings.workers.dead_after_seconds * 1000)
    found = [
        Worker(
            one.id,
            one.host.partition("/")[0],
            one.process.partition(":")[0],
            one.started_at,
            one.beat_at,
            one.beat_at >= oldest_ms,
        )
        for one in workers.living(tx)
    ]
    return sorted(found, key=lambda one: (not one.lives, -one.started_at))[:_MOST]


def ticking(tx: sa.Connection, settings: Settings, now_ms: int) -> list[Ticking]:
    """The schedules of the settings, and the run that each started last."""
    its = schedules.c
    began = sa.select(its.name, its.run_id).where(its.name.in_(settings.schedules))
    last = {name: run_id for name, run_id in tx.execute(began)}  # noqa: C416 - a result is no mapping
    return [
        Ticking(
            name,
            one.workflow,
            one.cron,
            one.timezone,
            next_tick(one, now_ms) if one.enabled else None,
            last.get(name),
        )
        for name, one in sorted(settings.schedules.items())
    ]
