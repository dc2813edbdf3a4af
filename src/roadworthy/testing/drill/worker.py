"""A worker on a drill's stage, in a process of its own, until it is stopped or killed."""

import asyncio
import os
from pathlib import Path

from roadworthy.app import App
from roadworthy.telemetry.logs import configure
from roadworthy.testing.drill.stage import Order, set_stage, warm_up


async def work(app: App, file: Path) -> None:
    """Execute the runs of the drill whose order is in `file`."""
    order = Order.read(file)
    set_stage(app, order)
    settings = app.settings.telemetry.model_copy(update={"log_format": "json"})
    with order.log(os.getpid()).open("w", encoding="utf-8", buffering=1) as log:
        configure(settings, app.telemetry.scrubber, stream=log)
        await warm_up(app, order)
        async with app.running(work=True, patience_seconds=1.0):
            await asyncio.Event().wait()
