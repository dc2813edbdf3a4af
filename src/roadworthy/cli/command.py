"""Declares commands. `@command(group)` turns a function into one that knows its project and its exit code.

Every command takes `--project`, `--environment` and `--debug`, before or after its name, and hands them to
its function as a `Place`. The function returns its exit code (none is 0) and may be async: then Ctrl-C or
SIGTERM cancels it, so that it can leave in order, and a second one ends the process at once.
"""

import asyncio
import inspect
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer

INTERRUPTED = 130

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        envvar="ROADWORTHY_PROJECT",
        help="The project's folder; left out, the nearest one with a roadworthy.toml, from here upwards.",
    ),
]
EnvironmentOption = Annotated[
    str | None,
    typer.Option(
        "--environment", metavar="NAME", help="The environment, such as production; else ROADWORTHY_ENV."
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks, and log to standard error.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, errors included.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Which project a command is for, as it was asked."""

    folder: Path | None = None
    environment: str | None = None
    debug: bool = False

    def command(self, *words: str) -> str:
        """A command for the same place, as one would type it here."""
        options: list[str] = []
        if self.folder is not None and "ROADWORTHY_PROJECT" not in os.environ:
            options += ["--project", str(self.folder)]
        if self.environment is not None:
            options += ["--environment", self.environment]
        return shlex.join([program(), *words, *options])


def program() -> str:
    """This program as one can call it here: by its name where that finds it, else by its path."""
    called = Path(sys.argv[0])
    found = shutil.which("roadworthy")
    if called.stem != "roadworthy" or (found and called.exists() and Path(found).samefile(called)):
        return "roadworthy"
    return str(called)


_SHARED = {"project": ProjectOption, "environment": EnvironmentOption, "debug": DebugOption}


def command(
    group: typer.Typer, name: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a function to a group; its first parameter is the `Place`, its docstring the help."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(ctx: typer.Context, **values: Any) -> int:
            # who acts is said inside (`project.records`, `project.load_app`), and forgotten with the command
            return copy_context().run(_call, function, _place(ctx, values), values)

        call.__doc__ = function.__doc__
        call.__annotations__ = {}
        call.__signature__ = _signature(function)  # type: ignore[attr-defined]
        group.command(name or function.__name__.strip("_"))(call)
        return function

    return declare


def _call(function: Callable[..., Any], place: Place, values: dict[str, Any]) -> int:
    result = function(place, **values)
    if inspect.iscoroutine(result):
        result = asyncio.run(_interruptible(cast("Coroutine[Any, Any, Any]", result)))
    return int(result or 0)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    def named(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)

    own = list(inspect.signature(function).parameters.values())[1:]
    shared = [named(name, kind, default=False if name == "debug" else None) for name, kind in _SHARED.items()]
    every = [
        named("ctx", typer.Context),
        *(named(one.name, one.annotation, one.default) for one in own),
        *shared,
    ]
    return inspect.Signature(every)


def _place(ctx: typer.Context, values: dict[str, Any]) -> Place:
    """What was said after the command's name, else before it."""
    before = ctx.find_root().params
    project, environment, debug = (values.pop(name) or before.get(name) for name in _SHARED)
    return Place(project, environment, bool(debug))


async def _interruptible(work: Coroutine[Any, Any, Any]) -> Any:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked or task is None:
            leave(INTERRUPTED)
        asked = True
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stop))
    try:
        code = await work
    except asyncio.CancelledError:
        if not asked:
            raise
        code = INTERRUPTED
    if asked:
        leave(code)
    return code


def interrupted() -> None:
    """Take note of an interruption in an `except asyncio.CancelledError`, and be able to await again."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def leave(code: int) -> NoReturn:
    """End the process without waiting for its threads, such as a step that still sleeps in one."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads any more
            continue
    os._exit(code)
