"""The project of these tests. As a program it is a worker, which may die by itself at a chosen moment."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from roadworthy import App
from roadworthy.calls.lane import Results


class Reply(BaseModel):
    """What is asked for."""

    message: str


def make(overrides: dict[str, Any]) -> App:
    """The project's app."""
    app = App.load(Path.cwd(), overrides=overrides)
    ask = app.prompt("reply", output=Reply)

    @app.workflow
    async def answer(text: str) -> str:
        return (await ask(text=text)).value.message

    @app.workflow
    async def above(text: str) -> str:
        return await answer(text)

    @app.workflow
    async def side_by_side(text: str) -> list[str]:
        answers = await asyncio.gather(ask(text=f"{text} left"), ask(text=f"{text} right"))
        return [one.value.message for one in answers]

    @app.workflow
    async def again(text: str) -> str:
        first = await ask(text=text)
        return (await ask(text=f"{text}, second: {first.value.message}")).value.message

    return app


class Dying(Results):
    """Ends its process in the middle of the third transaction that stores results."""

    records = 0

    def record(self, tx: sa.Connection, *given: Any) -> Any:
        """Store them, and die."""
        stored = super().record(tx, *given)
        Dying.records += 1
        if Dying.records == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return stored


async def work() -> None:
    """Be a worker."""
    app = make(json.loads(os.environ["LANE_OVERRIDES"]))
    if "dies" in sys.argv:
        from roadworthy.workflows.lane import results

        results._AT_ONCE = 5
        app.pipeline.lane.results.__class__ = Dying
    async with app.running():
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work())
