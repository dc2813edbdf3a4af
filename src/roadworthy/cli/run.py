"""`roadworthy run`: start a run of a workflow, and show its steps while it goes on."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadworthy.cli.command import INTERRUPTED, JsonOption, Place, command, interrupted

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.cli.execution import GoesOn
    from roadworthy.workflows import Handle, Run

WaitTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.0, help="Wait no longer than this; the run can go on later."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app)(run)


async def run(
    place: Place,
    workflow: Annotated[str, typer.Argument(help="The workflow's name.", metavar="WORKFLOW")],
    given: Annotated[
        str,
        typer.Option(
            "--input", metavar="JSON", help="Its named inputs as a JSON object; @FILE, or - for stdin."
        ),
    ] = "{}",
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key gives the same run.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose run it is.")] = "",
    user: Annotated[str, typer.Option(help="Who asked for it.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A word to find it by; may be given again.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Queue it for a worker, and do not wait.")] = False,
    as_json: JsonOption = False,
    give_up_after: WaitTimeout = None,
) -> int:
    """Start a run and show its steps while it goes on.

    A live worker executes it where there is one, else this process does. Ctrl-C leaves the run so that it can
    go on later. Exit code: 0 succeeded, skipped or rejected, 1 dead, cancelled, parked or out of time,
    2 wrong input.
    """
    from roadworthy.cli.project import load_app

    inputs = read_json(given, "--input")
    app = load_app(place)

    async def start(opened: "App") -> "Handle[Any]":
        return await opened.runs.start(
            workflow, inputs, idempotency_key=key, tenant=tenant, user_id=user, tags=tuple(tag or ())
        )

    if detach:
        return await _queue(place, app, start, as_json=as_json)
    return await start_and_follow(place, app, start, as_json=as_json, timeout_seconds=give_up_after)


async def _queue(place: Place, app: "App", start: Any, *, as_json: bool) -> int:
    from roadworthy.cli.execution import alive
    from roadworthy.cli.terminal import print_json, say

    async with app.running(work=False):
        handle = await start(app)
        queued, working = await handle.run(), await alive(app)
    if as_json:
        print_json(queued.as_json())
        return 0
    say(f"{queued.id} is {queued.status}.")
    if not working:
        say(f"No worker is alive; start one: {place.command('worker')}")
    return 0


async def start_and_follow(
    place: Place,
    app: "App",
    start: Any,
    *,
    as_json: bool = False,
    timeout_seconds: float | None = None,
    here_too: bool = True,
) -> int:
    """Start a run (or let one go on), follow it to its end, and print what came of it."""
    from roadworthy.cli.execution import carry_out
    from roadworthy.cli.follow import RunView, follow_run
    from roadworthy.cli.terminal import say
    from roadworthy.errors import RunTimeout

    view = RunView(quiet=as_json)
    started: list[str] = []

    def announce(handle: "Handle[Any]", workers: list[Any]) -> None:
        started.append(handle.id)
        if not as_json:
            say(f"{handle.id} ({'executed by a worker' if workers else 'executed here'})")

    async def follow(opened: "App", handle: "Handle[Any]", goes_on: "GoesOn") -> "tuple[Run, Any] | None":
        run = await follow_run(opened, handle.id, goes_on, view, timeout_seconds=timeout_seconds)
        if run is None:
            return None
        return run, await _document(opened, run.id) if as_json else (await opened.runs.payload(run.id))[1]

    try:
        with view.open():
            handle, end = await carry_out(app, start, follow, announce=announce, here_too=here_too)
    except asyncio.CancelledError:
        interrupted()
        for run_id in started:
            say(f"Interrupted; {run_id} can go on: {place.command('runs', 'resume', run_id)}", errors=True)
        return INTERRUPTED
    except RunTimeout as error:
        error.hint = f"Follow it, or let it go on: {place.command('runs', 'resume', '--wait', *started)}"
        raise
    if end is None:
        say(
            f"No worker is alive; {handle.id} stays queued. Start one: {place.command('worker')}", errors=True
        )
        return 0
    return _tell(place, *end, as_json=as_json)


def _tell(place: Place, run: "Run", outcome: Any, *, as_json: bool) -> int:
    from roadworthy.cli.follow import say_result
    from roadworthy.cli.terminal import print_json, say

    if as_json:
        print_json(outcome)
    else:
        say_result(run, outcome)
        if run.status in {"dead", "parked", "cancelled"}:
            say(f"Resume it when the cause is mended: {place.command('runs', 'resume', run.id)}")
        say(f"Look deeper: {place.command('runs', 'show', run.id, '--calls')}", style="dim")
    return 0 if run.status in {"succeeded", "skipped", "rejected"} else 1


async def _document(app: "App", run_id: str) -> dict[str, Any]:
    from roadworthy.cli.run_document import document

    return document(await app.runs.show(run_id))


def read_json(given: str, option: str) -> Any:
    """The JSON value of an option: itself, `@file`, or `-` for standard input. Raises `InvalidInput`."""
    from roadworthy.errors import InvalidInput

    try:
        return json.loads(read_text(given, option))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"What {_where(given, option)} says is not JSON: {error}.",
            hint="""Quote it for the shell: '{"name": "value"}'""",
        ) from error


def read_text(given: str, option: str) -> str:
    """The text of an option: itself, `@file`, or `-` for standard input. Raises `InvalidInput`."""
    from roadworthy.errors import InvalidInput

    try:
        if given == "-":
            raw = sys.stdin.buffer.read()
        elif given.startswith("@"):
            raw = Path(given[1:]).read_bytes()
        else:
            raw = given.encode("utf-8", "surrogateescape")
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"Cannot read {_where(given, option)}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"What {_where(given, option)} says is not valid UTF-8 (byte {error.start}).",
            hint="Save it as UTF-8.",
        ) from error


def _where(given: str, option: str) -> str:
    """What an error calls the place that was read."""
    if given == "-":
        return "standard input"
    return f"the file {given[1:]!r}" if given.startswith("@") else option
