"""Letting stopped runs go on: one with its steps on show, or many with a count."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roadworthy.cli import choice
from roadworthy.cli.command import INTERRUPTED, Place, interrupted
from roadworthy.cli.execution import alive, carry_out
from roadworthy.cli.project import load_app, records
from roadworthy.cli.run import start_and_follow
from roadworthy.cli.terminal import print_json, say
from roadworthy.errors import RunTimeout, StateConflict

if TYPE_CHECKING:
    from roadworthy.app import App
    from roadworthy.cli.execution import GoesOn
    from roadworthy.workflows import Handle, Run

_LOOK_EVERY_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a command was told about waiting for the end."""

    wait: bool
    detach: bool
    as_json: bool
    timeout_seconds: float | None


async def executes_here(app: "App", waiting: Waiting) -> bool:
    """Whether this process executes: no worker is alive, and the database is the embedded one or we wait."""
    return not waiting.detach and (waiting.wait or app.database.is_sqlite) and not await alive(app)


async def resume_one(place: Place, given: str, from_step: str | None, waiting: Waiting) -> int:
    """Resume one run, and follow it where it is executed here or `wait` asks for it."""
    async with records(place) as looked:
        found = await choice.run_id(looked, given)
        here = await executes_here(looked, waiting)
        if not waiting.wait and not here:
            run = await let_go_on(looked, found, from_step)
            say_queued(place, [run], as_json=waiting.as_json)
            return 0
    app = load_app(place)

    async def start(opened: "App") -> "Handle[Any]":
        from roadworthy.workflows import Handle

        run = await let_go_on(opened, found, from_step)
        return Handle(found, opened.runs, opened.runs.workflow(run.workflow))

    return await start_and_follow(
        place,
        app,
        start,
        as_json=waiting.as_json,
        timeout_seconds=waiting.timeout_seconds,
        here_too=here or waiting.wait,
    )


async def let_go_on(app: "App", run_id: str, from_step: str | None) -> "Run":
    """Resume a stopped run; one that only lost its worker needs nothing but another one."""
    run = await app.runs.get(run_id)
    if from_step is None and run.status in {"queued", "waiting"}:
        return run
    if from_step is None and run.status == "running" and not await alive(app):
        return run  # whoever executes next takes it over
    return await app.runs.resume(run_id, from_step=from_step)


async def resume_each(place: Place, given: Sequence[str], from_step: str | None, waiting: Waiting) -> int:
    """Resume several runs; those that cannot be resumed are named, and do not keep the others."""
    refused: list[str] = []
    async with records(place) as app:
        ids = [await choice.run_id(app, one) for one in given]
        here = await executes_here(app, waiting)
        for run_id in list(ids):
            try:
                await let_go_on(app, run_id, from_step)
            except StateConflict as error:
                refused.append(error.message)
                ids.remove(run_id)
    for message in refused:
        say(message, errors=True)
    code = await _many(place, ids, waiting, here=here)
    return 1 if refused else code


async def resume_all_dead(place: Place, workflow: str | None, waiting: Waiting) -> int:
    """Resume every dead run, or those of one workflow."""
    from roadworthy.workflows import Filter

    async with records(place) as app:
        ids = await app.runs.resume_all(Filter(workflow=workflow))
        here = await executes_here(app, waiting)
    return await _many(place, ids, waiting, here=here)


async def _many(place: Place, ids: Sequence[str], waiting: Waiting, *, here: bool) -> int:
    if not ids or (not waiting.wait and not here):
        async with records(place) as looked:
            say_queued(place, [await looked.runs.get(run_id) for run_id in ids], as_json=waiting.as_json)
        return 0

    async def start(_: "App") -> Sequence[str]:
        await asyncio.sleep(0)
        return ids

    async def follow(opened: "App", started: Sequence[str], goes_on: "GoesOn") -> "list[Run] | None":
        return await _all_ended(opened, started, goes_on, waiting.timeout_seconds)

    try:
        _, ended = await carry_out(load_app(place), start, follow, here_too=here or waiting.wait)
    except asyncio.CancelledError:
        interrupted()
        say(f"Interrupted; they can go on: {place.command('worker')}", errors=True)
        return INTERRUPTED
    runs = ended or []
    if waiting.as_json:
        print_json({"runs": [run.as_json() for run in runs]})
    else:
        for run in runs:
            say(f"{run.id} {run.status}")
    return 0 if all(run.status in {"succeeded", "skipped", "rejected"} for run in runs) else 1


async def _all_ended(
    app: "App", ids: Sequence[str], goes_on: "GoesOn", timeout_seconds: float | None
) -> "list[Run] | None":
    give_up_at = None if timeout_seconds is None else app.clock.monotonic() + timeout_seconds
    runs: list[Run] = []
    for run_id in ids:
        while True:
            try:
                runs.append(await app.runs.finished(run_id, timeout_seconds=_LOOK_EVERY_SECONDS))
                break
            except RunTimeout:
                if give_up_at is not None and app.clock.monotonic() >= give_up_at:
                    raise RunTimeout(f"Not every run finished within {timeout_seconds:g} s.") from None
                if not await goes_on():
                    return None
    return runs


def say_queued(place: Place, runs: "Sequence[Run]", *, as_json: bool) -> None:
    """Say which runs wait for a worker now."""
    if as_json:
        print_json({"runs": [run.as_json() for run in runs]})
        return
    for run in runs:
        say(f"{run.id} is {run.status}.")
    if runs:
        say(f"A worker executes it: {place.command('worker')}", style="dim")
    else:
        say("No runs to resume.")
