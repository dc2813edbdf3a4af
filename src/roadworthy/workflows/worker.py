"""A worker: takes due runs, hands them to the engine, and looks after the living and the dead.

dispatch    claims due runs while there is room, wakes on the doorbell or by polling
beat        says that this worker lives, until it has left; stops runs whose cancellation was asked; queues
            again what this process lost track of
reap        finds workers whose heartbeat stands still, or whose process is gone, and queues their runs
schedule    starts what is due by the clock
sweep       deletes what retention no longer keeps
upkeep      charges what dead processes had set aside, writes what is owed, adds up the calls of an hour
lane        sends what waits for a provider's batch, and brings the answers back
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import sqlalchemy as sa

from roadworthy.calls import Lane
from roadworthy.errors import DatabaseError
from roadworthy.models import Models
from roadworthy.workflows import host
from roadworthy.workflows.context import Parts
from roadworthy.workflows.doorbell import Doorbell
from roadworthy.workflows.engine import Engine
from roadworthy.workflows.execute import Executor
from roadworthy.workflows.lane import LaneKeeper
from roadworthy.workflows.retention import sweep
from roadworthy.workflows.run import Failure
from roadworthy.workflows.schedule import Scheduler
from roadworthy.workflows.store import claims, runs, workers
from roadworthy.workflows.store.claims import Claim
from roadworthy.workflows.workflow import Workflow

T = TypeVar("T")

_log = logging.getLogger("roadworthy.workflows")

_SWEEP_EVERY_SECONDS = 3600.0
_UPKEEP_SECONDS = 10.0
_LOST_AFTER_BEATS = 3
_REQUEUE_POLL_SECONDS = 0.5
_LANE = "roadworthy-lane"


class Worker:
    """Executes runs in this process, on the running event loop."""

    def __init__(
        self,
        parts: Parts,
        workflows: Mapping[str, Workflow[..., Any]],
        doorbell: Doorbell,
        *,
        scheduler: Scheduler,
        upkeep: Callable[[], Awaitable[object]],
        models: Models,
        lane: Lane,
    ) -> None:
        self.id = parts.ids.new("worker")
        self._parts = parts
        self._workflows = workflows
        self._doorbell = doorbell
        self._scheduler = scheduler
        self._upkeep = upkeep
        self._lane = LaneKeeper(parts, models, lane, doorbell, self.id)
        self._settings = parts.settings.workers
        self.executor = Executor(parts, workflows, doorbell)
        self.executor.worker_id = self.id
        self.engine = Engine(parts.database, self.id, self.executor.body)
        self.executor.engine = self.engine
        self._tasks: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        """When no run is under way any more, and none follows."""
        self._seen_beats: dict[str, tuple[int, float]] = {}
        self._untracked: dict[tuple[str, int], int] = {}

    async def start(self) -> None:
        """Announce this worker and begin to take runs."""
        fingerprints = {name: workflow.fingerprint for name, workflow in self._workflows.items()}
        now_ms = self._parts.clock.now_ms()
        unknown = Failure("code_changed", "This project has no workflow of that name any more.")

        def announce(tx: sa.Connection) -> None:
            workers.register(tx, self.id, host.host_name(), host.process_name(), now_ms)
            runs.unpark(tx, fingerprints, now_ms)
            runs.park_unknown(tx, fingerprints, unknown, now_ms)

        await self._parts.database.write(announce)
        self.engine.launch()
        await self.engine.open_queue(_REQUEUE_POLL_SECONDS)
        await self._reap()
        self._parts.telemetry.emit(
            "worker.started", worker_id=self.id, concurrency=self._settings.concurrency
        )
        beating = self._every(self._settings.heartbeat_seconds, self._beat, until=self._idle)
        self._beating = asyncio.create_task(beating, name="roadworthy-beat")
        self._tasks = [
            asyncio.create_task(self._dispatch(), name="roadworthy-dispatch"),
            asyncio.create_task(
                self._every(self._settings.heartbeat_seconds, self._reap), name="roadworthy-reap"
            ),
            asyncio.create_task(self._every(_SWEEP_EVERY_SECONDS, self._sweep), name="roadworthy-sweep"),
            asyncio.create_task(self._every(_UPKEEP_SECONDS, self._look_after), name="roadworthy-upkeep"),
            asyncio.create_task(self._every(self._lane.every_seconds, self._lane.keep), name=_LANE),
        ]
        if self._scheduler.names:
            await self._scheduler.prepare()
            self._tasks.append(
                asyncio.create_task(self._every(1.0, self._scheduler.fire), name="roadworthy-schedule")
            )

    async def stop(self, *, patience_seconds: float | None = None) -> None:
        """Take no more runs, let those under way finish for a while, then leave the rest to other workers."""
        self._stopping.set()
        self._doorbell.work.set()
        for task in self._tasks:
            if task.get_name() == _LANE:  # it may wait for a provider; whoever is next goes on from there
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        patience = self._settings.shutdown_seconds if patience_seconds is None else patience_seconds
        under_way = {active.task for active in self.executor.active.values()}
        if under_way and patience > 0:
            await asyncio.wait(under_way, timeout=patience)
        left = [active.task for active in self.executor.active.values() if not active.task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=10)
        self._idle.set()
        if self._beating is not None:
            await self._beating
        now_ms = self._parts.clock.now_ms()

        def leave(tx: sa.Connection) -> None:
            claims.requeue_of_workers(tx, [self.id], now_ms)
            workers.stop(tx, [self.id], now_ms)

        await self._parts.database.write(leave)
        await self.engine.stop()
        self._parts.telemetry.emit("worker.stopped", worker_id=self.id, unfinished=len(left))

    async def _dispatch(self) -> None:
        while not self._stopping.is_set():
            self._doorbell.work.clear()
            if await self._duty(self._take_due):
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._doorbell.work.wait()

    async def _take_due(self) -> bool:
        """Claim and hand over what there is room for; whether there may be more at once."""
        room = self._settings.concurrency - self.executor.busy
        if room <= 0:
            return False
        names, now_ms = tuple(self._workflows), self._parts.clock.now_ms()
        claimed = await self._parts.database.write(
            lambda tx: claims.claim_due(tx, self.id, names, room, now_ms)
        )
        for row in claimed:  # all at once: a beat in between must not take one that waits its turn for lost
            if self._is_new(row):
                self.executor.claimed[row.id] = Claim(row.id, row.claim, self.id)
            else:
                self.executor.requeued.add(row.id)
        for row in claimed:
            try:
                await self._hand_over(row)
            except Exception:  # noqa: BLE001 - logged below with its traceback
                # The run is held by this worker and executed nowhere: the next beats queue it again.
                self.executor.claimed.pop(row.id, None)
                self.executor.requeued.discard(row.id)
                _log.exception("run not handed over", extra={"run_id": row.id})
        return len(claimed) == room

    async def _hand_over(self, row: sa.Row[*tuple[Any, ...]]) -> None:
        if self._is_new(row):
            await self.engine.start(row.id)
        elif row.rewind_to is not None:
            await self.engine.rewind(row.id, row.rewind_to)
        else:
            await self.engine.requeue(row.id)

    def _is_new(self, row: sa.Row[*tuple[Any, ...]]) -> bool:
        """Whether nobody can have begun the run before this claim."""
        return row.claim == 1 and row.rewind_to is None

    async def _beat(self) -> None:
        now_ms = self._parts.clock.now_ms()

        def beat(tx: sa.Connection) -> list[sa.Row[*tuple[Any, ...]]]:
            workers.beat(tx, self.id, now_ms)
            return claims.running_on(tx, self.id)

        requeued = set(self.executor.requeued)
        held = await self._parts.database.write(beat)
        self.executor.requeued -= requeued - {row.id for row in held}  # another worker began these
        counted: dict[tuple[str, int], int] = {}
        for row in held:
            if row.id in self.executor.active:
                if row.cancel_requested:
                    self.executor.cancel(row.id)
            elif row.id not in self.executor.claimed:  # also what lies in the engine's queue for too long
                counted[row.id, row.claim] = self._untracked.get((row.id, row.claim), 0) + 1
        self._untracked = counted
        for (run_id, claim), beats in counted.items():
            if beats >= _LOST_AFTER_BEATS:
                await self._parts.database.write(
                    lambda tx, run_id=run_id, claim=claim: claims.requeue_one(
                        tx, run_id, self.id, claim, now_ms
                    )
                )
                self._doorbell.work.set()

    async def _reap(self) -> None:
        now_ms, now = self._parts.clock.now_ms(), self._parts.clock.monotonic()
        others = [row for row in await self._parts.database.read(workers.living) if row.id != self.id]
        dead: list[str] = []
        seen: dict[str, tuple[int, float]] = {}
        for row in others:
            beat_at, since = self._seen_beats.get(row.id, (row.beat_at, now))
            seen[row.id] = (row.beat_at, since if beat_at == row.beat_at else now)
            still_seconds = now - seen[row.id][1]
            if still_seconds > self._settings.dead_after_seconds or host.is_dead(row.host, row.process):
                dead.append(row.id)
        self._seen_beats = seen
        if not dead:
            return

        def bury(tx: sa.Connection) -> list[str]:
            workers.stop(tx, dead, now_ms)
            return claims.requeue_of_workers(tx, dead, now_ms)

        taken = await self._parts.database.write(bury)
        for worker_id in dead:
            self._parts.telemetry.emit("worker.lost", worker_id=worker_id, runs=len(taken))
        self._doorbell.work.set()

    async def _look_after(self) -> None:
        await self._upkeep()

    async def _sweep(self) -> None:
        await sweep(self._parts, self.engine)

    async def _every(
        self, seconds: float, work: Callable[[], Awaitable[None]], *, until: asyncio.Event | None = None
    ) -> None:
        end = until or self._stopping
        while not end.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await end.wait()
            except TimeoutError:
                await self._duty(work)

    async def _duty(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do it, and stay alive whatever happens: a worker must not stop looking after its runs."""
        name = getattr(work, "__name__", "work")
        try:
            return await work()
        except DatabaseError as error:
            _log.warning("%s is tried again: %s", name, error)
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("%s is tried again", name)
        return None
