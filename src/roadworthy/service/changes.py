"""What changed, for everybody in this process who wants to know: one look at the database a second, not more.

The look goes on only while somebody listens. It finds runs by `runs.changed_at`, the progress of single runs
that are watched by their steps, and reviews by the index of open ones. A time is written before its
transaction commits, so each look begins a little before the last one ended, and leaves out what it knows.
Every change also rings the doorbell, so that whoever waits for a run here hears of other processes' work.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from roadworthy.db import Database
from roadworthy.db.tables.review import review_items
from roadworthy.db.tables.workflows import runs, steps
from roadworthy.errors import DatabaseError
from roadworthy.records import Clock
from roadworthy.workflows import Doorbell

_LOOK_EVERY_SECONDS = 1.0
_OVERLAP_MS = 5_000
_MOST_RUNS = 1_000
_MOST_REVIEWS = 500
_MOST_WAITING = 1_000
_log = logging.getLogger("roadworthy.service")


@dataclass(frozen=True, slots=True)
class Change:
    """That something is not as it was. What it is now, whoever may see it can ask for."""

    topic: str
    """`run`, `step` (of the run) or `review`."""
    id: str
    workflow: str
    tenant: str
    at_ms: int
    status: str = ""
    """Of a run."""


class _Review(NamedTuple):
    """What there is to tell of an open review: a difference in any of these."""

    workflow: str
    tenant: str
    version: int
    claimed_by: str | None


class Listener:
    """What one stream has not sent yet. One that falls behind too far is closed."""

    def __init__(self, wants: Callable[[Change], bool]) -> None:
        self._wants = wants
        self._waiting: deque[Change] = deque()
        self._ready = asyncio.Event()
        self.closed = ""
        """Why there is nothing more to come; empty while there may be."""

    def hear(self, change: Change) -> None:
        """Take note of a change."""
        if self.closed or not self._wants(change):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.close("too slow")
            return
        self._waiting.append(change)
        self._ready.set()

    def close(self, why: str) -> None:
        """End it; what waits is still given out."""
        self.closed = self.closed or why
        self._ready.set()

    async def next(self, seconds: float) -> list[Change]:
        """What has changed, at the latest after so many seconds; nothing when nothing has."""
        if not self._waiting and not self.closed:
            try:
                async with asyncio.timeout(seconds):
                    await self._ready.wait()
            except TimeoutError:
                return []
        self._ready.clear()
        found = list(self._waiting)
        self._waiting.clear()
        return found


class Changes:
    """The looks of one process."""

    def __init__(self, database: Database, clock: Clock, doorbell: Doorbell, environment: str) -> None:
        self._database = database
        self._clock = clock
        self._doorbell = doorbell
        self._environment = environment
        self._listeners: set[Listener] = set()
        self._watched: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._since_ms = 0
        self._known: dict[str, int] = {}
        self._progress: dict[str, tuple[object, ...]] = {}
        self._reviews: dict[str, _Review] | None = None
        self.closing = ""
        """Why everything ends."""

    @contextmanager
    def listening(self, wants: Callable[[Change], bool], *, run_id: str = "") -> Generator[Listener]:
        """Hear of every change that is wanted; of the steps of one run, too, when it is named."""
        listener = Listener(wants)
        if self.closing:
            listener.close(self.closing)
        self._listeners.add(listener)
        if run_id:
            self._watched[run_id] += 1
        if self._looking is None and not self.closing:
            self._since_ms = self._clock.now_ms()
            self._known, self._progress, self._reviews = {}, {}, None
            self._looking = asyncio.create_task(self._keep_looking(), name="roadworthy-changes")
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if run_id:
                self._watched[run_id] -= 1
                self._watched += Counter()  # forgets what nobody watches
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def close(self, why: str) -> None:
        """End every stream, and those to come."""
        self.closing = why
        for listener in tuple(self._listeners):
            listener.close(why)

    async def since(self, at_ms: int, most: int) -> list[Change] | None:
        """The runs that changed at or after a time; None when they are more than `most`."""
        rows = await self._database.read(lambda tx: self._changed_runs(tx, at_ms, most + 1))
        return None if len(rows) > most else rows

    async def _keep_looking(self) -> None:
        while True:  # the first look is at once: what the reviews are compared with
            try:
                await self._look()
            except DatabaseError as error:
                _log.warning("changes are looked for again: %s", error)
            except Exception:  # noqa: BLE001 - logged with its traceback
                _log.exception("changes are looked for again")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _look(self) -> None:
        since_ms, watched = self._since_ms, tuple(self._watched)

        def look(
            tx: sa.Connection,
        ) -> tuple[list[Change], dict[str, tuple[object, ...]], dict[str, _Review]]:
            return (
                self._changed_runs(tx, since_ms - _OVERLAP_MS, _MOST_RUNS),
                _progress(tx, watched),
                self._open_reviews(tx),
            )

        changed, progress, reviews = await self._database.read(look)
        now_ms = self._clock.now_ms()
        for one in changed:
            if self._known.get(one.id) != one.at_ms and one.at_ms >= since_ms - _OVERLAP_MS:
                self._tell(one)
        # With more than there is room for, the next look begins where this one ended.
        self._since_ms = changed[-1].at_ms + _OVERLAP_MS if len(changed) == _MOST_RUNS else now_ms
        self._known = {one.id: one.at_ms for one in changed}
        for run_id, seen in progress.items():
            if self._progress.get(run_id, seen) != seen:
                self._tell(Change("step", run_id, str(seen[0]), str(seen[1]), now_ms))
        self._progress = progress
        self._tell_of_reviews(reviews, now_ms)

    def _tell(self, change: Change) -> None:
        if change.topic == "run":
            self._doorbell.ring(change.id)
        for listener in tuple(self._listeners):
            listener.hear(change)

    def _tell_of_reviews(self, now: dict[str, _Review], now_ms: int) -> None:
        before, self._reviews = self._reviews, now
        if before is None:
            return
        for review_id in before.keys() | now.keys():
            if before.get(review_id) != now.get(review_id):
                one = now.get(review_id) or before[review_id]
                self._tell(Change("review", review_id, one.workflow, one.tenant, now_ms))

    def _changed_runs(self, tx: sa.Connection, since_ms: int, most: int) -> list[Change]:
        query = (
            sa.select(runs.c.id, runs.c.workflow, runs.c.tenant, runs.c.changed_at, runs.c.status)
            .where(runs.c.changed_at >= since_ms, runs.c.environment == self._environment)
            .order_by(runs.c.changed_at)
            .limit(most)
        )
        return [Change("run", *row) for row in tx.execute(query)]

    def _open_reviews(self, tx: sa.Connection) -> dict[str, _Review]:
        query = (
            sa.select(review_items.c.id, *(review_items.c[name] for name in _Review._fields))
            .where(review_items.c.status == sa.literal_column("'open'"))
            .where(review_items.c.environment == self._environment)
            .order_by(review_items.c.created_at.desc(), review_items.c.id.desc())
            .limit(_MOST_REVIEWS)
        )
        return {
            row.id: _Review(row.workflow, row.tenant, row.version, row.claimed_by)
            for row in tx.execute(query)
        }


def _progress(tx: sa.Connection, run_ids: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """How far these runs are: their workflow and tenant, then figures that differ when a step changes."""
    if not run_ids:
        return {}
    query = (
        sa.select(
            steps.c.run_id,
            sa.func.max(runs.c.workflow),
            sa.func.max(runs.c.tenant),
            sa.func.count(),
            sa.func.max(steps.c.attempt_at),
            sa.func.max(steps.c.finished_at),
        )
        .join(runs, runs.c.id == steps.c.run_id)
        .where(steps.c.run_id.in_(run_ids))
        .group_by(steps.c.run_id)
    )
    return {row[0]: tuple(row[1:]) for row in tx.execute(query)}
