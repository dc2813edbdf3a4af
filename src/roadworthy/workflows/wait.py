"""Waiting inside a run: for a time or for a signal. A long wait leaves the process; only the row is kept."""

import asyncio
from collections.abc import Callable

import sqlalchemy as sa

from roadworthy.db import pack, unpack
from roadworthy.db.tables.workflows import signals
from roadworthy.errors import OrderError, StepTimeout
from roadworthy.records import Json
from roadworthy.workflows.context import RunContext, StepContext, run_context
from roadworthy.workflows.engine import Leave
from roadworthy.workflows.run import StepKind
from roadworthy.workflows.step import Spec, execute
from roadworthy.workflows.store import runs, steps

_POLL_SECONDS = 1.0


class Waiting(Leave):
    """Leaves the run as waiting: until `due_at`, or until what it waits for wakes it."""

    def __init__(
        self, what: str, due_at: int | None, over: Callable[[sa.Connection], bool] = lambda _tx: False
    ) -> None:
        super().__init__(what)
        self.what = what
        self.due_at = due_at
        self.over = over
        """Whether the wait has ended already; asked in the transaction that leaves."""


async def sleep(seconds: float) -> None:
    """Sleep inside a workflow. A restart does not begin the sleep anew; a long one holds no process."""
    context = in_main_task("sleep")
    clock = context.parts.clock

    async def note(_step: StepContext) -> Json:
        return clock.now_ms() + int(seconds * 1000)

    wake_at = await execute(context, Spec("sleep", StepKind.WAIT), {"seconds": seconds}, note)
    assert isinstance(wake_at, int)  # noqa: S101 - written above
    await until(wake_at, "time")


async def until(wake_at: int, what: str) -> None:
    """Wait for a time that is on record already; a long wait holds no process. `what` says for what."""
    context = in_main_task(f"waiting for {what}")
    left = (wake_at - context.parts.clock.now_ms()) / 1000
    if left > context.parts.settings.workers.park_after_seconds:
        raise Waiting(what, wake_at)
    await asyncio.sleep(max(0.0, left))


async def until_over(what: str, until: int, over: Callable[[sa.Connection], bool]) -> None:
    """Wait until something is over that takes long, or until a time; held by no process from the first on."""
    context = in_main_task(f"waiting for {what}")
    if context.parts.clock.now_ms() < until and not await context.read(over):
        raise Waiting(what, until, over)


async def wait_for_signal(name: str, *, timeout_seconds: float | None = None) -> Json:
    """Wait for a signal of this name and return what it carries; each signal is received once.

    Raises `StepTimeout` when `timeout_seconds` pass first.
    """
    context = in_main_task(f"waiting for {name!r}")
    clock, run_id = context.parts.clock, context.run.id

    async def note(_step: StepContext) -> Json:
        return None if timeout_seconds is None else clock.now_ms() + int(timeout_seconds * 1000)

    deadline = await execute(context, Spec(f"wait for {name}", StepKind.WAIT), {"signal": name}, note)
    assert deadline is None or isinstance(deadline, int)  # noqa: S101 - written above
    leave_at = clock.monotonic() + context.parts.settings.workers.park_after_seconds
    place = context.engine.reserve()

    def over(tx: sa.Connection) -> bool:
        """Whether it is there, or was taken here before: then a replay must not wait for another one."""
        return _untaken(tx, run_id, name) is not None or steps.is_over(tx, run_id, place.position)

    while deadline is None or clock.now_ms() < deadline:
        with context.doorbell.listening([f"signal:{run_id}"]) as ring:
            if await context.read(over):
                break
            if clock.monotonic() >= leave_at:
                raise Waiting(f"signal:{name}", deadline, over)
            left = min(_POLL_SECONDS, leave_at - clock.monotonic())
            if deadline is not None:
                left = min(left, (deadline - clock.now_ms()) / 1000)
            await ring(max(0.0, left))

    async def take(step: StepContext) -> Json:
        signal = await context.read(lambda tx: _untaken(tx, run_id, name))
        if signal is None:
            raise StepTimeout(f"No signal {name!r} came within {timeout_seconds} s.")

        def mark(tx: sa.Connection) -> None:
            tx.execute(sa.update(signals).where(signals.c.id == signal.id).values(taken_by=step.step_id))

        step.effects.append(mark)
        return unpack(signal.payload)

    spec = Spec(f"take {name}", StepKind.WAIT)
    return await execute(context, spec, {"signal": name}, take, place, in_order=True)


def send(tx: sa.Connection, *, signal_id: str, run_id: str, name: str, payload: Json, now_ms: int) -> None:
    """Store a signal for a run and wake it. Raises `NotFound` for an unknown run."""
    runs.get(tx, run_id)
    tx.execute(
        runs.insert(
            tx, signals, id=signal_id, run_id=run_id, name=name, payload=pack(payload), created_at=now_ms
        )
    )
    runs.wake(tx, [run_id], now_ms)


def _untaken(tx: sa.Connection, run_id: str, name: str) -> "sa.Row[str, bytes] | None":
    return tx.execute(
        sa.select(signals.c.id, signals.c.payload)
        .where(signals.c.run_id == run_id, signals.c.name == name, signals.c.taken_by.is_(None))
        .order_by(signals.c.created_at, signals.c.id)
        .limit(1)
    ).first()


def in_main_task(what: str) -> RunContext:
    """The current run, where it may wait. Raises `StateConflict`, and `OrderError` in a parallel branch."""
    context = run_context(what)
    if asyncio.current_task() is not context.main_task:
        raise OrderError(
            f"A parallel branch cannot wait ({what}).", hint="Make the branch a workflow of its own: app.map."
        )
    return context
