"""A worker process of the crash tests. With closed gates, the code around a step has places to stop, too."""

import asyncio
import logging
import os
import signal
from typing import Any

import desk
import outside

from roadworthy.workflows import step as steps
from roadworthy.workflows.engine import Reservation
from roadworthy.workflows.store import actions


def insert_gates() -> None:
    """Let a run stop where no user's code is: before its row, after its outcome, after the checkpoint.

    The code that runs is the real one; only a wait is added, in this process.
    """
    begin, outcome, checkpoint = steps._Attempts._begin, steps._Attempts.outcome, Reservation.run

    async def gated_begin(self: Any) -> Any:
        await outside.gate(self._context.run.tags, _name(self), "before")
        return await begin(self)

    async def gated_outcome(self: Any) -> Any:
        result = await outcome(self)
        await outside.gate(self._context.run.tags, _name(self), "stored")
        return result

    async def gated_run(self: Any, name: str, body: Any) -> Any:
        result = await checkpoint(self, name, body)
        owner = body.__self__
        await outside.gate(owner._context.run.tags, _name(owner), "checkpointed")
        return result

    steps._Attempts._begin = gated_begin
    steps._Attempts.outcome = gated_outcome
    Reservation.run = gated_run


def die_before_the_commit() -> None:
    """Kill this process when all that ends an action has been written, and nothing is committed."""
    finish = actions.finish

    def deadly_finish(*args: Any, **kwargs: Any) -> None:
        finish(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    actions.finish = deadly_finish


def _name(attempts: Any) -> str:
    name = attempts._spec.name
    if name == "score" and attempts._new.input != {"item": 2}:
        return f"score {attempts._new.input['item']}"
    return name


async def main() -> None:
    """Work until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with desk.app.running(patience_seconds=5):
        (outside.FOLDER / f"ready-{os.getpid()}").touch()
        await stop.wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    if outside.GATED:
        insert_gates()
    elif os.environ.get("CRASH_GATES") == "deadly":
        die_before_the_commit()
    asyncio.run(main())
