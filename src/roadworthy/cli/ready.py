"""`roadworthy ready`: ask a service or a worker whether it is ready, as a container's health check does."""

import json
from typing import Annotated, Any

import typer

from roadworthy.cli.command import Place, command

_PATIENCE_SECONDS = 5.0


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(ready)


def ready(
    place: Place,
    url: Annotated[
        str, typer.Argument(metavar="[URL]", help="Where it listens.", show_default=False)
    ] = "http://127.0.0.1:8080",
) -> int:
    """Ask a service or a worker whether it is ready; left out, the URL is http://127.0.0.1:8080.

    Loads no project, so that it may be asked every few seconds. Exit code: 0 ready, 1 not ready or not there.
    """
    import urllib.error
    import urllib.request

    from roadworthy.cli import terminal
    from roadworthy.errors import InvalidInput

    del place
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"{url!r} is no address.", hint="It begins with http:// or https://.")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is near, whatever the proxy
    try:
        with opener.open(f"{url.rstrip('/')}/readyz", timeout=_PATIENCE_SECONDS):
            terminal.say("Ready.")
            return 0
    except urllib.error.HTTPError as error:
        parts = _not_ready(error.read()) if error.code == 503 else []  # noqa: PLR2004
        terminal.say(f"Not ready: {', '.join(parts) or f'status {error.code}'}.")
    except (OSError, ValueError) as error:
        terminal.say(f"Nobody answers at {terminal.clean(url)}: {terminal.clean(str(error))}")
    return 1


def _not_ready(body: bytes) -> list[str]:
    """The names of the parts that are not ready."""
    try:
        parts: dict[str, Any] = json.loads(body)["parts"]
        return [name for name, part in parts.items() if not part["ready"]]
    except (ValueError, KeyError, TypeError):  # something else answers at this address
        return []
