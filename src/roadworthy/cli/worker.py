"""`roadworthy worker`: execute runs until told to stop."""

import asyncio
from typing import Annotated

import typer

from roadworthy.cli.command import Place, command, interrupted


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(worker)


async def worker(
    place: Place,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Runs at a time; else workers.concurrency.")
    ] = None,
) -> int:
    """Execute runs until SIGTERM or Ctrl-C; logs go to standard error.

    Then it takes no more runs and lets those under way finish for workers.shutdown_seconds; what is left goes
    on at another worker, or at the next start. A second signal ends it at once.
    """
    from roadworthy.cli.project import load_app
    from roadworthy.telemetry.logs import configure

    app = load_app(place, workers__concurrency=concurrency)
    configure(app.settings.telemetry, app.telemetry.scrubber)
    try:
        async with app.running(work=True):
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        interrupted()
    return 0
