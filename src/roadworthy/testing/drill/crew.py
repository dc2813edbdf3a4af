"""The workers of a drill that loses one: processes of their own, of which one is killed at work."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from subprocess import DEVNULL, Popen, TimeoutExpired

import sqlalchemy as sa

from roadworthy.app import App
from roadworthy.db.tables.workflows import steps, workers
from roadworthy.errors import ConfigurationError

_WORKERS = 2
_READY_SECONDS = 60.0
_FOR_A_CALL_SECONDS = 0.3
_BUSY_SECONDS = 5.0
_LEAVE_SECONDS = 10.0
_SOON_SECONDS = 0.02


@asynccontextmanager
async def crew(app: App, command: Sequence[str]) -> AsyncGenerator[list[Popen[bytes]]]:
    """Two workers that serve the app's database, ready to work; gone when the block ends.

    Raises `ConfigurationError` when they do not come up.
    """
    started = [Popen(command, stdin=DEVNULL, stdout=DEVNULL) for _ in range(_WORKERS)]  # noqa: ASYNC220, S603
    try:
        await _ready(app, started)
        yield started
    finally:
        await asyncio.to_thread(_dismiss, started)


async def kill_at_work(app: App, victim: Popen[bytes]) -> list[str]:
    """Kill a worker while steps of its are under way, a call if one comes soon; returns their kinds."""
    began = app.clock.monotonic()
    of_victim = sa.select(workers.c.id).where(workers.c.process.like(f"{victim.pid}:%"))
    under_way = sa.select(steps.c.kind).where(steps.c.status == "running", steps.c.worker_id.in_(of_victim))

    def look(tx: sa.Connection) -> list[str]:
        return list(tx.execute(under_way).scalars())

    while True:
        _halt(victim)  # so that what is seen to be under way still is when it dies
        kinds, waited = await app.database.read(look), app.clock.monotonic() - began
        if "call" in kinds or (kinds and waited > _FOR_A_CALL_SECONDS) or waited > _BUSY_SECONDS:
            break
        _go_on(victim)
        await asyncio.sleep(_SOON_SECONDS)
    victim.kill()
    await asyncio.to_thread(victim.wait)
    return kinds


async def _ready(app: App, started: Sequence[Popen[bytes]]) -> None:
    """Wait until every worker has announced itself."""
    give_up_at = app.clock.monotonic() + _READY_SECONDS
    announced = sa.select(sa.func.count()).select_from(workers)
    while await app.database.read(lambda tx: tx.execute(announced).scalar_one()) < len(started):
        ended = [one.returncode for one in started if one.poll() is not None]
        if ended or app.clock.monotonic() > give_up_at:
            what = f"ended at once with exit code {ended[0]}" if ended else "did not come up"
            raise ConfigurationError(
                f"A worker of the drill {what}.", hint="See whether `roadworthy worker` starts."
            )
        await asyncio.sleep(_SOON_SECONDS)


def _halt(process: Popen[bytes]) -> None:
    if hasattr(signal, "SIGSTOP"):  # Windows has none
        process.send_signal(signal.SIGSTOP)


def _go_on(process: Popen[bytes]) -> None:
    if hasattr(signal, "SIGCONT"):
        process.send_signal(signal.SIGCONT)


def _dismiss(started: Sequence[Popen[bytes]]) -> None:
    for one in started:
        one.terminate()
    for one in started:
        try:
            one.wait(timeout=_LEAVE_SECONDS)
        except TimeoutExpired:
            one.kill()
            one.wait()
