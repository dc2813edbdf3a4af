"""Schedules: runs started by the clock, each tick once, whichever worker is first.

A tick is taken by one conditional update in the transaction that creates its run. Ticks that passed while no
worker was up are skipped, or made up for one by one where `catch_up` is set.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from roadworthy.db.tables.workflows import schedules
from roadworthy.settings import ScheduleSettings
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.runs import Runs
from roadworthy.workflows.store import runs as store

GRACE_SECONDS = 60
"""A tick noticed this late is still fired without `catch_up`."""

_MOST_AT_ONCE = 100


def next_tick(schedule: ScheduleSettings, after_ms: int) -> int:
    """The first tick after a time, by the wall clock of the schedule's time zone.

    When the clock is turned back, a schedule that names its hours fires in the first of the equal hours only.
    """
    from croniter import croniter

    zone = ZoneInfo(schedule.timezone)
    ticks = croniter(schedule.cron, datetime.fromtimestamp(after_ms / 1000, zone))
    fields = schedule.cron.split()
    every_hour = schedule.cron == "@hourly" or (len(fields) > 1 and fields[1].startswith("*"))
    while True:
        tick: datetime = ticks.get_next(datetime)
        if every_hour or not datetime.fromtimestamp(tick.timestamp(), zone).fold:
            return int(tick.timestamp() * 1000)


class Scheduler:
    """The schedules of the settings."""

    def __init__(
        self, parts: Parts, schedules_by_name: Mapping[str, ScheduleSettings], runs: Runs, doorbell: Doorbell
    ) -> None:
        self._parts = parts
        self._schedules = {name: one for name, one in schedules_by_name.items() if one.enabled}
        self._runs = runs
        self._doorbell = doorbell

    @property
    def names(self) -> tuple[str, ...]:
        """The schedules that are switched on."""
        return tuple(self._schedules)

    async def prepare(self) -> None:
        """Store new and changed schedules with their next tick; checks that each can start its workflow."""
        now_ms = self._parts.clock.now_ms()
        for name, schedule in self._schedules.items():
            self._runs.prepare(schedule.workflow, schedule.input)
            definition = json.dumps([schedule.cron, schedule.timezone])
            next_at = next_tick(schedule, now_ms)

            def keep(
                tx: sa.Connection, name: str = name, definition: str = definition, next_at: int = next_at
            ) -> None:
                tx.execute(store.insert(tx, schedules, name=name, definition=definition, next_at=next_at))
                tx.execute(
                    sa.update(schedules)
                    .where(schedules.c.name == name, schedules.c.definition != definition)
                    .values(definition=definition, next_at=next_at)
                )

            await self._parts.database.write(keep)

    async def fire(self) -> None:
        """Start what is due."""
        now_ms = self._parts.clock.now_ms()
        due = await self._parts.database.read(
            lambda tx: [
                (row.name, row.next_at)
                for row in tx.execute(
                    sa.select(schedules.c.name, schedules.c.next_at).where(
                        schedules.c.next_at <= now_ms, schedules.c.name.in_(self.names)
                    )
                )
            ]
        )
        for name, tick in due:
            await self._fire(name, self._schedules[name], tick, now_ms)

    async def _fire(self, name: str, schedule: ScheduleSettings, tick: int, now_ms: int) -> None:
        for _ in range(_MOST_AT_ONCE):
            late = now_ms - tick > GRACE_SECONDS * 1000
            following = next_tick(schedule, now_ms if late and not schedule.catch_up else tick)
            new = self._runs.prepare(
                schedule.workflow, schedule.input, schedule=name, idempotency_key=f"schedule:{name}:{tick}"
            )
            skipped = late and not schedule.catch_up

            def take(
                tx: sa.Connection,
                tick: int = tick,
                following: int = following,
                new: store.NewRun = new,
                *,
                skipped: bool = skipped,
            ) -> str | None:
                values = (
                    {"next_at": following}
                    if skipped
                    else {"next_at": following, "fired_at": tick, "run_id": new.id}
                )
                mine = (
                    sa.update(schedules)
                    .where(schedules.c.name == name, schedules.c.next_at == tick)
                    .values(**values)
                )
                if not tx.execute(mine).rowcount or skipped:
                    return None
                return store.create(tx, new, now_ms)[0]

            run_id = await self._parts.database.write(take)
            if run_id is not None:
                self._parts.telemetry.emit(
                    "schedule.fired",
                    schedule=name,
                    workflow=schedule.workflow,
                    run_id=run_id,
                    late_seconds=(now_ms - tick) / 1000,
                )
                self._doorbell.work.set()
            if following > now_ms:
                return
            tick = following
