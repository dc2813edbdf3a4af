"""`roadworthy serve`: the API and the dashboard, and a worker beside them."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from roadworthy.cli.command import Place, command, interrupted

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.service import Server, Service


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(serve)


async def serve(
    place: Place,
    host: Annotated[str | None, typer.Option(help="The address to listen at; else service.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="The port; else service.port. 0 for a free one.")
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Only serve; execute no runs.")] = False,
    openapi: Annotated[bool, typer.Option("--openapi", help="Print the OpenAPI document and end.")] = False,
) -> int:
    """Serve the API and the dashboard, and execute runs, until SIGTERM or Ctrl-C; logs go to standard error.

    The first start prints a link that signs the owner in once. On SIGTERM it says at /readyz that it leaves,
    ends streams, finishes requests (service.shutdown_seconds) and steps (workers.shutdown_seconds); what is
    left goes on at the next start. A second signal ends it at once.
    """
    from roadworthy.cli.project import load_app
    from roadworthy.telemetry.logs import configure

    app = load_app(place, service__host=host, service__port=port)
    if openapi:
        from roadworthy.service import Service

        typer.echo(Service(app, works=False).api.document())
        return 0
    configure(app.settings.telemetry, app.telemetry.scrubber)
    async with app.running(work=not no_worker):
        from roadworthy import dashboard
        from roadworthy.service import Server, Service

        service = Service(app, works=not no_worker, more=dashboard.routers)
        app.telemetry.observe = service.metrics.observe
        server = Server(service, app.settings.service)
        server.bind()
        await _greet(app, server)
        service.refusals.start()
        try:
            async with server:
                try:
                    await server.ended()
                except asyncio.CancelledError:
                    interrupted()
                    await _drain(app, service)
        finally:
            await service.settled()
            await service.refusals.stop()
    return 0


async def _drain(app: "App", service: "Service") -> None:
    """Say that it leaves, and wait until those who ask have noticed."""
    service.health.draining = True
    if app.settings.service.drain_seconds:
        await asyncio.sleep(app.settings.service.drain_seconds)
    service.end_streams()


async def _greet(app: "App", server: "Server") -> None:
    from roadworthy.access import Principal
    from roadworthy.cli.project import user_name
    from roadworthy.cli.terminal import say

    everywhere = server.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    address = app.settings.service.public_url or everywhere
    link = await app.access.first_link(Principal.terminal(user_name()))
    if link is not None:
        say(f"Sign in as the owner, once: {address.rstrip('/')}/sign-in?token={link.secret}")
    say(f"Serving at {server.url}")
    sys.stdout.flush()  # whoever reads it through a pipe waits for it
