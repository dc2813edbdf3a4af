"""Who executes: workers that live elsewhere, or this process.

`carry_out` stores what is to be done, then follows it. Where a worker serves the database it does the work;
where none does, or the last one goes, this process becomes one until the work is done.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.workflows.store.workers import WorkerRow

T = TypeVar("T")
R = TypeVar("R")

PATIENCE_SECONDS = 2.0
"""How long runs may go on here once the command is done or interrupted; then they are left for later."""
_LOOK_EVERY_SECONDS = 2.0


GoesOn = Callable[[], Awaitable[bool]]
"""Asks whether anybody still works on what is followed."""


async def alive(app: "App") -> "list[WorkerRow]":
    """The workers, other than this process, that live as far as can be seen from here."""
    from roadworthy.workflows import host
    from roadworthy.workflows.store import workers

    rows = await app.database.read(workers.living)
    oldest = app.clock.now_ms() - int(app.settings.workers.dead_after_seconds * 1000)
    own = (host.host_name(), host.process_name())
    return [
        row
        for row in rows
        if row.beat_at >= oldest
        and (row.host, row.process) != own
        and not host.is_dead(row.host, row.process)
    ]


async def carry_out(
    app: "App",
    start: Callable[["App"], Awaitable[T]],
    follow: Callable[["App", T, GoesOn], Awaitable[R | None]],
    *,
    announce: Callable[[T, "list[WorkerRow]"], None] = lambda _started, _workers: None,
    here_too: bool = True,
) -> tuple[T, R | None]:
    """Start something and follow it to its end; `here_too` lets this process execute where no worker does.

    `follow` waits for the end; it returns None when it learns that nobody works on it any more.
    Returns what was started, and what `follow` returned; None when it was left to workers.
    """
    async with app.running(work=False):
        started = await start(app)
        others = await alive(app)
        announce(started, others)
        result = await follow(app, started, _every(lambda: _anyone(app)) if others else _never)
        if result is not None:
            return started, result
    if not here_too:
        return started, None
    async with app.running(work=True, patience_seconds=PATIENCE_SECONDS):
        return started, await follow(app, started, _always)


async def _anyone(app: "App") -> bool:
    return bool(await alive(app))


async def _always() -> bool:
    await asyncio.sleep(0)
    return True


async def _never() -> bool:
    await asyncio.sleep(0)
    return False


def _every(look: GoesOn) -> GoesOn:
    """The same question, asked at most once in a while."""
    asked_at = time.monotonic()
    answer = True

    async def goes_on() -> bool:
        nonlocal asked_at, answer
        if time.monotonic() - asked_at >= _LOOK_EVERY_SECONDS:
            answer, asked_at = await look(), time.monotonic()
        return answer

    return goes_on
