"""`roadworthy worker`: execute runs until told to stop, and say how that goes where somebody may ask."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import Place, command, interrupted

if TYPE_CHECKING:
    from roadworthy.app import App


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(worker)


async def worker(
    place: Place,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Runs at a time; else workers.concurrency.")
    ] = None,
    health_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Answer /healthz, /readyz and /metrics at this port; else workers.health_port. "
            "0 for a free one.",
        ),
    ] = None,
) -> int:
    """Execute runs until SIGTERM or Ctrl-C; logs go to standard error.

    Then it takes no more runs and lets those under way finish for workers.shutdown_seconds; what is left goes
    on at another worker, or at the next start. A second signal ends it at once.
    """
    from roadworthy.cli.project import load_app
    from roadworthy.telemetry.logs import configure

    app = load_app(place, workers__concurrency=concurrency, workers__health_port=health_port)
    configure(app.settings.telemetry, app.telemetry.scrubber)
    try:
        async with app.running(work=True):
            await (asyncio.Event().wait() if app.settings.workers.health_port is None else _tell(app))
    except asyncio.CancelledError:
        interrupted()
    return 0


async def _tell(app: "App") -> None:
    """Answer whoever asks how this worker is, until told to stop and until its runs have finished."""
    from roadworthy.cli.terminal import say
    from roadworthy.service import Server, Watch

    chosen = app.settings.workers
    listens = app.settings.service.model_copy(update={"host": chosen.health_host, "port": chosen.health_port})
    watch = Watch(app)
    app.telemetry.observe = watch.metrics.observe
    async with AsyncExitStack() as stack:
        watch.refusals.start()
        stack.push_async_callback(watch.refusals.stop)
        server = Server(watch, listens, port_setting="--health-port, or [workers] health_port")
        await stack.enter_async_context(server)
        say(f"Health at {server.url}")
        sys.stdout.flush()  # whoever reads it through a pipe waits for it
        try:
            await server.ended()
        except asyncio.CancelledError:
            interrupted()
            watch.health.draining = True
            await app.stop_working()
